"""Connections that fail: no byte of the order was sent, so nothing is in doubt."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from connector.http import endpoint as http
from connector.http import tls
from connector.sandbox.propeller.app import PropellerStandIn
from connector.sandbox.propeller.orders import propeller_orders
from tests.http.certificates import AUTHORITY, EARLY, EXPIRED, GOOD, OTHER_HOST, SELF_SIGNED
from tests.http.wire import said, wire
from tests.wire.between import Between
from tests.wire.guarded import drained
from tests.wire.life import Life, ends, lived
from tests.wire.test_one_order import SETTINGS


@contextmanager
def a_port() -> Iterator[socket.socket]:
    """Return a port without a listener."""
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken


async def cured(
    folder: Path,
    taken: socket.socket,
    cure: Callable[[], object],
    *,
    listen: bool = False,
    secure: ssl.SSLContext | None = None,
) -> Life:
    """
    Let an order live whose warehouse cannot be reached at first; `cure` fixes that once it was noticed.

    `listen`: the port has a listener from the beginning.
    """
    async with ends() as both, AsyncExitStack() as stack:
        between = Between(both.warehouse_at)
        serving = between.serving(taken=taken, tls=secure)
        if listen:
            await stack.enter_async_context(serving)

        async def mend() -> None:
            cure()
            if not listen:
                await stack.enter_async_context(serving)

        address = f"{'https' if secure else 'http'}://127.0.0.1:{taken.getsockname()[1]}"
        return await lived(folder, both, between, address, not_sent=mend)


def ended_well(found: Life, kind: str) -> bool:
    """Return True if the order was not sent for such a reason, was never in doubt, and was then delivered once."""
    assert {"not sent"} == set(found.noted)
    assert all(kind in why or "is paused" in why for why in found.why), found.why
    return ("delivered", 1, True, 1) == (found.state, found.records, found.told, found.creates)


@pytest.mark.fault(78)
async def test_a_refused_connection(tmp_path: Path) -> None:
    """Without a listener it is not sent, and it is delivered once there is one."""
    with a_port() as taken:
        found = await cured(tmp_path, taken, lambda: None)

    assert ended_well(found, "ClientConnectorError")


@pytest.mark.fault(78)
async def test_a_name_that_is_not_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The warehouse's name is unknown for a while."""
    lost = True
    find = socket.getaddrinfo

    def getaddrinfo(host: Any, *arguments: Any, **options: Any) -> Any:
        if lost and host == "localhost":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return find("127.0.0.1" if host == "localhost" else host, *arguments, **options)

    def found_again() -> None:
        nonlocal lost
        lost = False

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    async with ends() as both:
        between = Between(both.warehouse_at)
        async with between.serving() as address:

            async def mend() -> None:
                found_again()

            found = await lived(tmp_path, both, between, address.replace("127.0.0.1", "localhost"), not_sent=mend)

    assert ended_well(found, "ClientConnectorDNSError")


@pytest.mark.fault(79)
async def test_a_connection_that_is_not_accepted_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The host drops the first packet: a timeout, and yet not sent."""
    monkeypatch.setattr(http, "CONNECT_SECONDS", 0.2)
    with a_port() as taken:
        taken.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for client in waiting:
            client.setblocking(False)
            client.connect_ex(taken.getsockname())

        def give_way() -> None:
            for client in waiting:
                client.close()

        found = await cured(tmp_path, taken, give_way)

    assert ended_well(found, "ConnectionTimeoutError")


def certified(pem: str, folder: Path, context: ssl.SSLContext | None = None) -> ssl.SSLContext:
    """Return a TLS server context with a certificate, or replace the certificate of `context`."""
    context = context or ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    (folder / "server.pem").write_text(pem, "utf-8")
    context.load_cert_chain(folder / "server.pem")
    return context


@pytest.mark.fault(78)
@pytest.mark.attack(7)
@pytest.mark.parametrize(
    "pem", [SELF_SIGNED, EXPIRED, EARLY, OTHER_HOST], ids=["self-signed", "expired", "early", "another host's"]
)
async def test_a_certificate_that_is_not_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pem: str) -> None:
    """The order waits, nothing is in doubt, and it is delivered as soon as the certificate is valid."""
    client = tls.context.__wrapped__()
    client.load_verify_locations(cadata=AUTHORITY)
    monkeypatch.setattr(tls, "context", lambda: client)
    server = certified(pem, tmp_path)

    with a_port() as taken:
        found = await cured(tmp_path, taken, lambda: certified(GOOD, tmp_path, server), listen=True, secure=server)

    assert ended_well(found, "ClientConnectorCertificateError")


@pytest.mark.fault(137)
@pytest.mark.parametrize(
    ("pem", "why"),
    [
        (SELF_SIGNED, "is signed by an authority that this machine does not trust"),
        (EXPIRED, "has expired; the host's operator must renew it"),
        (EARLY, "is not valid yet; check the clock of this machine"),
        (OTHER_HOST, "is for another host; correct the address in the settings"),
    ],
    ids=["unknown authority", "expired", "early", "another host's"],
)
async def test_a_certificate_that_waiting_does_not_mend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pem: str, why: str
) -> None:
    """`run --once` does not promise that a retry helps: it names the problem and the remedy."""
    client = tls.context.__wrapped__()
    client.load_verify_locations(cadata=AUTHORITY)
    monkeypatch.setattr(tls, "context", lambda: client)
    async with wire(said(b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"), tls=certified(pem, tmp_path)) as address:
        text = SETTINGS.replace("{warehouse}", address)
        ended, found = await drained(tmp_path, text, shop=PropellerStandIn(propeller_orders(3)))

    assert f"its certificate {why}" in ended.failed["warehouse"]
    assert not ended.later
    assert not [state for state, *_ in found if "delivered" in state or "held" in state]


@pytest.mark.fault(137)
@pytest.mark.parametrize(
    ("code", "later"), [(socket.EAI_NONAME, False), (socket.EAI_AGAIN, True)], ids=["no such name", "no answer"]
)
async def test_a_host_name_that_does_not_exist(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, later: bool
) -> None:
    """An operator must correct a misspelt name; a name server that does not respond may recover."""
    real = socket.getaddrinfo

    def getaddrinfo(host: Any, *args: Any, **more: Any) -> Any:
        if host == "warehouse.misspelt":
            raise socket.gaierror(code, "no")
        return real(host, *args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    text = SETTINGS.replace("{warehouse}", "https://warehouse.misspelt")
    ended, _ = await drained(tmp_path, text, shop=PropellerStandIn(propeller_orders(3)))

    assert later is ended.later
    assert later is not ("there is no host of that name; correct the address" in ended.failed["warehouse"])


@pytest.mark.fault(137)
async def test_a_source_whose_host_does_not_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its poll fails in a lasting way, and the drain reports that after the first one."""

    def getaddrinfo(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "no")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    text = SETTINGS.replace("{shop}", "https://shop.misspelt").replace("{warehouse}", "https://warehouse.misspelt")
    ended, _ = await drained(tmp_path, text)

    assert not ended.later
    assert "there is no host of that name" in ended.failed["shop"]
