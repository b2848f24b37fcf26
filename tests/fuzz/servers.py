"""Requests of others to the servers that we are, and answers of servers to us, byte by byte."""

from __future__ import annotations

import asyncio
import re
from asyncio import AbstractEventLoop
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, cast

import aiohttp
import msgspec
from aiohttp import web
from standardwebhooks import Webhook

from connector.clock import SystemClock
from connector.errors import ConnectorError
from connector.http.endpoint import Effect, Endpoint
from connector.http.failures import from_status, retry_after
from connector.http.reported_failure import failure_in, is_page, no_success, reported_failure
from connector.sandbox.server import StandIn
from connector.sandbox.vendors import build_vendors
from connector.sandbox.webhook import SECRET
from connector.settings.model import EndpointSettings, ServerSettings
from connector.settings.values import Duration
from connector.web.host_check import is_allowed_host
from connector.web.metrics import EventCounters
from connector.web.server import _app
from tests.flow.bench import Bench
from tests.fuzz.bodies import mutated
from tests.fuzz.feeding import AT, folder
from tests.fuzz.target import Shut, Target
from tests.fuzz.texts import respelt
from tests.receivers.ewarehousing.bench import REQUEST
from tests.web.bench import unstarted

__all__ = ["servers"]

TURNS = 60
"""Turns of the loop that an answer may take: nothing in these servers waits for anything."""
STALE = 2000
"""Requests after which a stand-in is a new one: the orders that it has taken would make it slow."""
PORT = 8080
STAMP, SIGNATURE = "9999999999", "v1,c2lnbmF0dXJl"
"""Placeholders for the time and the signature of a request until it is sent."""
NEAR = 500
"""Levels beyond which a call or two decide whether a body can be decoded."""
FAILED = (
    b'{"success":false,"status":"error","id":7,"data":{"errors":[{"message":"no"}],"code":503},"isError":0}',
    b'{"orders":[{"status":422,"error":{"text":""}}],"title":"Bad Gateway","detail":"x","result":"ok","no_errors":1}',
    b"<!-- by a gateway --><html><body>Sign in</body></html>",
    b'<?xml version="1.0"?><s:Envelope><s:Body><s:Fault>no</s:Fault></s:Body></s:Envelope>',
    b"<response><error code='7'>no such shop</error></response>",
    b"502 Bad Gateway",
    b'"Internal error: no such table"',
)
DONE = "2026-06-11T10:00:00.000Z"


def servers() -> Iterator[Target]:
    """Yield the targets that come over a connection."""
    yield from _sandbox()
    yield from _health()
    yield from _answers()


class _Transport(asyncio.Transport):
    """A connection that ends in memory."""

    def __init__(self) -> None:
        super().__init__({"sockname": ("127.0.0.1", PORT), "peername": ("127.0.0.1", 50_000)})
        self.written = bytearray()
        self._closing = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        self._closing = True

    def abort(self) -> None:
        self._closing = True

    def pause_reading(self) -> None:
        """Everything has been read."""

    def resume_reading(self) -> None:
        """There is no more."""


class _Served:
    """An application without a socket; one for each event loop that it is used in."""

    def __init__(self, made: Callable[[], web.Application]) -> None:
        self._made = made
        self._loop: AbstractEventLoop | None = None
        self._asked = 0
        self._runner: web.AppRunner | None = None

    async def ask(self, content: bytes) -> list[int]:
        """Send `content` on a connection of its own; return the statuses of the answers."""
        protocol, transport = (await self._server())(), _Transport()
        protocol.connection_made(transport)
        protocol.data_received(content)
        quiet, before = 0, 0
        for _ in range(TURNS):
            await asyncio.sleep(0)
            quiet, before = (quiet + 1 if len(transport.written) == before else 0), len(transport.written)
            if transport.is_closing() or (before and quiet > 3):
                break
        protocol.connection_lost(None)
        await asyncio.sleep(0)
        statuses = [int(each) for each in re.findall(rb"(?:^|\n)HTTP/\d\.\d (\d{3}) ", transport.written)]
        assert all(status != 500 for status in statuses), "500"
        assert not transport.written or statuses, "an answer without a status"
        return statuses

    async def _server(self) -> Callable[[], Any]:
        loop = asyncio.get_running_loop()
        self._asked += 1
        if self._runner is None or self._loop is not loop or self._asked % STALE == 0:
            self._loop = loop
            self._runner = web.AppRunner(self._made(), access_log=None, handle_signals=False)
            await self._runner.setup()
        assert self._runner.server is not None
        return self._runner.server


def asked(method: str, path: str, headers: Mapping[str, str], body: Any = None) -> bytes:
    """Return a request as it is on the wire."""
    content = b"" if body is None else body if isinstance(body, bytes) else msgspec.json.encode(body)
    named = {"Host": f"127.0.0.1:{PORT}", **headers}
    if content:
        named |= {"Content-Type": "application/json", **headers, "Content-Length": str(len(content))}
    head = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + content


def misasked(sample: bytes, random: Random, depths: Sequence[int]) -> Iterator[bytes]:
    """Yield requests whose body, whose head, or all of which went wrong."""
    head, _, content = sample.partition(b"\r\n\r\n")
    heads, whole = respelt(head, random), respelt(sample, random)
    json = content.startswith((b"{", b"["))
    bodies = mutated(content, random, depths) if json else respelt(content, random)
    while True:
        chance = random.random()
        if content and chance < 0.6:
            body = next(bodies)
            length = b"Content-Length: %d" % len(body)
            yield re.sub(rb"Content-Length: \d+", length, head) + b"\r\n\r\n" + body
        elif chance < 0.9:
            yield next(heads) + b"\r\n\r\n" + content
        else:
            yield next(whole)


def _sandbox() -> Iterator[Target]:
    def served(name: str) -> _Served:
        def made() -> web.Application:
            vendors = build_vendors(3, wholesale=3, production=3, transport=3)
            standin = cast("StandIn", getattr(vendors, name))
            if name == "warehouse":
                vendors.warehouse._tokens["token-1"] = datetime.now(UTC) + timedelta(days=1)
            return standin.app

        return _Served(made)

    signed = {"webhook-id": "shop-1", "webhook-timestamp": STAMP, "webhook-signature": SIGNATURE}
    bearer = {"Authorization": "Bearer sandbox-token"}
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    basic = {"Authorization": "Basic c2FuZGJveDpzYW5kYm94LXNlY3JldA=="}
    login = b"grant_type=client_credentials&client_id=sandbox&client_secret=sandbox-secret"
    keys = {"Authorization": "Bearer sandbox-token", "X-Traede-App-Key": "sandbox-app-key"}
    apikey = {"Authorization": "apikey sandbox-key"}
    wms = {"X-Wms-Code": "DEV", "X-Customer-Code": "SANDBOX", "Authorization": "Bearer token-1"}
    first = build_vendors(3, wholesale=3, production=3, transport=3)
    shop, sale = next(iter(first.shop.orders)), next(iter(first.wholesale.orders))
    shipment = first.transport.shipments[0]["orderId"]
    update = {"status": "COMPLETE", "location": "DELIVERY", "completeInfo": {"date": "2026-06-11T10:00:00Z"}}
    requests: dict[str, tuple[bytes, ...]] = {
        "shop": (
            asked("POST", "/oauth2/token", form, login),
            asked("POST", "/oauth2/token", {**form, **basic}, b"grant_type=client_credentials"),
            asked(
                "POST",
                "/v2/orders/search?expands=ORDER_ITEMS,ADDRESSES",
                bearer,
                {"status": ["NEW"], "exportStatuses": [], "page": 1, "offset": 50, "lastModifiedAt": {"from": f"{AT}"}},
            ),
            asked(
                "PATCH",
                f"/v2/orders/id/{shop}",
                bearer,
                {"exportedAt": "2026-06-11T10:00:00.000Z", "exportStatus": "exported"},
            ),
        ),
        "wholesale": (
            asked("GET", "/v10/orders/export?system_id=erp&includes[]=lines&page=0&limit=60&include_archived=0", keys),
            asked(
                "POST",
                "/v10/orders/mark-as-exported",
                keys,
                {"orders": [{"order_id": sale, "system_id": "erp", "regulate_inventory": False, "note": "n"}]},
            ),
            asked("GET", "/v10/production-orders/export?system_id=erp&not_exported_since=2026-01-01+00:00:00", keys),
        ),
        "transport": (
            asked("GET", "/api/v1/orders/export?page=1&perPage=50", apikey),
            asked(
                "POST",
                "/api/v1/orders/export/status",
                apikey,
                {"create": [{"orderId": shipment, "status": "FAILED", "failureReason": "no address"}]},
            ),
            asked(
                "POST",
                "/api/v1/orders/export/status",
                apikey,
                {"create": [{"orderId": shipment, "status": "EXPORTED_SUCCESSFULLY"}]},
            ),
            asked("POST", "/api/v1/exported-order/update", apikey, {"orderId": shipment, **update}),
            asked("GET", f"/api/v2/orders/{shipment}/external-updates", apikey),
        ),
        "warehouse": (
            asked("POST", "/wms/auth/login/", wms, {"username": "sandbox", "password": "sandbox-secret"}),
            asked("POST", "/wms/auth/refresh/", wms, {"refresh_token": "refresh-1"}),
            asked("GET", "/wms/orders/?limit=50&page=1&sort=createdAt&direction=asc&external_id=shop-1", wms),
            asked("POST", "/wms/orders/", wms, REQUEST),
            asked("GET", "/wms/shipments/?order_external_reference=WEB-1", {**wms, "expand": "shipment_labels"}),
        ),
        "erp": (
            asked("POST", "/orders", signed, {"reference": "x"}),
            asked("GET", "/orders?external_id=shop-1", signed),
        ),
    }
    for name, samples in requests.items():
        yield _asks(f"sandbox.{name}", served(name), *samples)


def _signed(request: bytes) -> bytes:
    """Put time and signature into a request that has room for them: neither is of use for more than minutes."""
    if STAMP.encode() not in request:
        return request
    now = datetime.now(UTC)
    content = request.partition(b"\r\n\r\n")[2].decode("utf-8", "replace")
    signature = Webhook(SECRET).sign("shop-1", now, content)
    stamp = str(int(now.timestamp()))
    return request.replace(STAMP.encode(), stamp.encode()).replace(SIGNATURE.encode(), signature.encode())


def _asks(name: str, server: _Served, *samples: bytes) -> Target:
    async def feed(body: bytes, status: int) -> object:
        del status
        return await server.ask(_signed(body))

    return Target(name, samples, feed, (), spoil=misasked)


def _health() -> Iterator[Target]:
    class Journal:
        async def ages(self) -> Mapping[str, float] | None:
            """Answer at once."""
            return {}

    def made() -> web.Application:
        connector = unstarted(Bench())
        tally = EventCounters(connector.settings, connector.clock, connector.bus.observe())
        return _app(connector, ServerSettings(port=PORT), tally, cast("Any", Journal()))

    paths = ("/health/live", "/readyz", "/metrics")
    yield _asks("web.request", _Served(made), *(asked("GET", path, {"Accept": "text/plain"}) for path in paths))

    async def host(body: bytes, status: int) -> object:
        del status
        text = body.decode("utf-8", "surrogateescape")
        found = [is_allowed_host([text], listening, PORT) for listening in ("127.0.0.1", "::1", "::", "box.example")]
        assert not is_allowed_host([text, text], "127.0.0.1", PORT)
        return found

    hosts = (b"127.0.0.1:8080", b"[::1]:8080", b"localhost:8080", b"box.example:8080", b"10.0.0.1")
    yield Target("web.host", hosts, host, (), spoil=respelt)


def _answers() -> Iterator[Target]:
    """Yield an endpoint's outcomes of an answer on the wire, and of the values in its head."""
    now = datetime(2026, 6, 11, 10, 0, tzinfo=UTC)

    async def wait(body: bytes, status: int) -> object:
        asked, _, date = body.decode("utf-8", "surrogateescape").partition("|")  # the latter is the answer's own
        seconds = retry_after(asked, date, now)
        assert seconds is None or 0 <= seconds <= 86_400
        raised = [from_status(status, effect, "shop: GET /", "no", seconds) for effect in Effect]
        assert all(isinstance(each, ConnectorError) for each in raised)
        return seconds

    waits = (b"120", b"Thu, 11 Jun 2026 10:05:00 GMT", b"Thu, 11 Jun 2026 12:05:00 +0200", b"1.5", b"-1", b"0")
    dated = b"Thu, 11 Jun 2026 10:05:00 GMT|Thu, 11 Jun 2026 10:04:00 GMT"
    yield Target("http.retry-after", (*waits, dated), wait, (), spoil=respelt)

    wire = _Wire()
    ok = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{"id":"42"}'
    chunked = b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\nSet-Cookie: a=b\r\n\r\n"
    chunked += b'6\r\n{"id":\r\n5\r\n"42"}\r\n0\r\n\r\n'
    late = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 120\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"
    zipped = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 22\r\n\r\n" + bytes.fromhex(
        "1f8b080000000000000aab05000000ffff010000ffff"
    )
    moved = b"HTTP/1.1 307 Temporary Redirect\r\nLocation: https://elsewhere.example/x\r\nContent-Length: 0\r\n\r\n"
    early = b"HTTP/1.1 100 Continue\r\n\r\n" + ok
    yield Target("http.answer", (ok, chunked, late, zipped, moved, early), wire.ask, (ConnectorError,), spoil=respelt)
    yield Target("http.failure", FAILED, _reported, (), spoil=_respelt_or_mutated)


async def _reported(body: bytes, status: int) -> object:
    """Look for a failure in an answer; decoded or not, in whatever encoding, it is the same one."""
    found = [reported_failure(body, status, own=own) for own in ((), ("status", "title"))]
    found.append(no_success(body, status))
    assert found[2] or not found[0]
    with suppress(UnicodeDecodeError):
        assert 0 in body[:4] or no_success(body.decode("utf-8-sig").encode("utf-16"), status) == found[2]
    assert all(len(each) <= 120 and each.isprintable() for each in found)
    try:
        said = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return [*found, is_page(body)]
    if body.count(b"[") + body.count(b"{") < NEAR:
        assert failure_in(said, status) == found[0]
    return [*found, is_page(body)]


def _respelt_or_mutated(sample: bytes, random: Random, depths: Sequence[int]) -> Iterator[bytes]:
    """Yield JSON that went wrong as JSON, and as text like everything else."""
    spoilt = [respelt(sample, random, depths)] + ([mutated(sample, random, depths)] if sample[:1] == b"{" else [])
    while True:
        yield next(random.choice(spoilt))


class _Wire:
    """An endpoint, and a server on a Unix socket that writes the given bytes, and hangs up."""

    def __init__(self) -> None:
        self._path = str(folder() / "socket")
        self._endpoint = Endpoint("wms", "http://127.0.0.1", EndpointSettings(timeout=Duration(5)), SystemClock())
        self._endpoint.breaker = Shut(self._endpoint._clock, first=1.0, longest=1.0)

    async def ask(self, body: bytes, status: int) -> object:
        """Return the answer to a write or a read."""
        effect = Effect.WRITE if status % 2 else Effect.READ

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(OSError, asyncio.IncompleteReadError):
                await reader.readuntil(b"\r\n\r\n")
                writer.write(body)
                await writer.drain()
            writer.close()

        async with await asyncio.start_unix_server(answer, self._path):
            session = self._endpoint._opened()
            assert session._connector is not None
            await session._connector.close()
            session._connector = aiohttp.UnixConnector(self._path)
            try:
                found = await self._endpoint.call("POST", "/orders", effect=effect, body=b"{}", expected={404})
            finally:
                await self._endpoint.aclose()
        assert 200 <= found.status < 300 or found.status == 404
        return [found.status, found.body]
