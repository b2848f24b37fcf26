"""Every place where a vendor's bytes are read, ready to be fed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

import msgspec

from connector.ack import Acknowledgement
from connector.clock import SystemClock
from connector.errors import (
    AuthError,
    ConflictError,
    EndpointError,
    InDoubtError,
    RejectedError,
    SettingsError,
    TransientError,
    Unmappable,
)
from connector.mapping.custom import checker
from connector.order import Document, Order
from connector.readback import outline, shown
from connector.receivers.base import Delivery, Receipt
from connector.receivers.ewarehousing import EwarehousingReceiver
from connector.receivers.file_columns import PER_LINE
from connector.receivers.file_rows import CsvRows, JsonLines
from connector.receivers.webhook import WebhookReceiver
from connector.registry import receiver_types, source_types
from connector.sandbox.standin import encode
from connector.settings import parse
from connector.settings.values import Secret, Url
from connector.sources.base import FeedItem
from connector.sources.ewarehousing import EwarehousingSource
from connector.sources.intake import arrival_of
from connector.sources.propeller import PropellerSettings, PropellerSource
from tests.fuzz.target import Line, Target
from tests.receivers import ewarehousing_seed as seed
from tests.receivers.ewarehousing_bench import CREATED, DELIVERY, LISTED
from tests.sources import traede_bench, zendera_bench
from tests.sources.propeller_bench import found as propeller_page
from tests.sources.propeller_bench import order as propeller_order

__all__ = ["SETTINGS", "targets", "warehouse"]

AT = datetime(2026, 6, 11, 10, 0, tzinfo=UTC)
BASE = Url("https://vendor.example")
SOURCE = (TransientError, InDoubtError, RejectedError, AuthError, EndpointError)
"""What a source may raise, by its protocol."""
RECEIVER = (*SOURCE, ConflictError)
SESSION = msgspec.json.encode({"token": "token-1", "refresh_token": "refresh-1", "iat": 0, "exp": 3600})
RECEIPT = Receipt(id=str(CREATED["id"]), reference="ORD00000005939")
TITLE = str(msgspec.json.decode(seed.DOCUMENT_LIST)[0]["title"])
REPORT = encode(
    {
        "orderId": 12345,
        "status": "COMPLETE",
        "location": "DELIVERY",
        "completeInfo": {"date": "2026-06-11T10:00:00Z"},
    }
)
SETTINGS: dict[str, Any] = {
    "environment": "sandbox",
    "server": {"host": "127.0.0.1", "port": 8080},
    "tables": {"carriers": {"a": "B", "c": 1}},
    "sources": {
        "shop": {
            "type": "propeller",
            "token": "${TOKEN:-secret-token}",
            "statuses": ["NEW"],
            "poll_interval": "60s",
            "rate_limit": "60/min",
            "retry": {"first": "1s", "longest": "5m"},
        },
        "transport": {"type": "zendera", "base_url": "https://zendera.example/api", "api_key": "abcdef"},
    },
    "receivers": {
        "erp": {"type": "webhook", "url": "https://erp.example.com/orders", "secret": "s" * 24, "idempotent": True},
        "archive": {"type": "file", "path": "orders.jsonl"},
    },
    "routes": [
        {"source": "shop", "receivers": ["erp"], "mapping": {"notes": "=notes", "currency": "EUR"}},
        {"source": "transport", "receivers": ["archive"], "totals": {"tolerance": "0.05"}},
    ],
}
"""As JSON, which is YAML."""


def targets() -> dict[str, Target]:
    """Return every target by its name."""
    return {target.name: target for target in [*_propeller(), *_traede(), *_zendera(), *_warehouse(), *_others()]}


def _acks(*ids: str, outcome: Any = "exported") -> list[Acknowledgement]:
    return [Acknowledgement(key=1, order_id=each, outcome=outcome, at=AT, message="ORD1") for each in ids]


def warehouse() -> EwarehousingReceiver:
    """Return a receiver that makes no call by itself."""
    own = {"username": "u", "password": Secret("p" * 8), "wms_code": "DEV", "customer_code": "C"}
    return EwarehousingReceiver("wms", receiver_types()["ewarehousing"].settings(**own), SystemClock())


def _receivers() -> list[Any]:
    """Return a receiver of each form: orders are mapped for them as far as the wire."""
    own = receiver_types()["webhook"].settings(url=BASE, secret=Secret("s" * 24))
    return [warehouse(), WebhookReceiver("erp", own, SystemClock())]


def _reader(source: Any) -> Callable[[FeedItem], list[Any]]:
    """Return what takes an order in: the journal's row, then the request for each receiver, and the file's lines."""
    receivers = _receivers()
    csv, lines = CsvRows(PER_LINE, per_line=True), JsonLines()

    def read(item: FeedItem) -> list[Any]:
        arrival, order = arrival_of(source, item, [("wms", True)])
        assert arrival.order_id
        assert len(arrival.cause) <= 200
        assert len(arrival.detail) <= 500
        made: list[Any] = [arrival]
        for receiver in receivers if order is not None else ():
            try:
                body = msgspec.json.encode(receiver.default(order))
            except Unmappable:
                continue
            made.append(body)
            if receiver.name == "erp":
                delivery = Delivery(arrival.external_id, body)
                assert csv.written(delivery).endswith(b"\n")
                assert lines.written(delivery).count(b"\n") == 1
        return made

    return read


def _orders(name: str, source: Any, *samples: bytes) -> Target:
    """Return the reading of one order, as it stands in the journal."""
    read = _reader(source)

    async def feed(body: bytes, status: int) -> object:
        del status
        made = read(FeedItem("1", body))
        try:
            order = source.to_order(body)
        except Unmappable:
            return made
        assert isinstance(order, Order)
        assert source.to_order(body) == order
        return [msgspec.structs.replace(order, raw=b""), made]

    return Target(name, samples, feed, (), source)


def _feed(name: str, source: Any, line: Line, *samples: bytes) -> Target:
    """Return a walk over a feed, whose every page is the body; what it lists is taken in."""
    read = _reader(source)
    line.join(source.endpoint)

    async def feed(body: bytes, status: int) -> object:
        line.body, line.status = body, status
        made: list[Any] = []
        async for page in source.fetch(lambda: 0):
            made += [read(item) for item in page.items]
            assert page.total is None or 0 <= page.total < 2**63
        return made

    return Target(name, samples, feed, SOURCE)


def _told(name: str, source: Any, line: Line, acks: Sequence[Acknowledgement], *samples: bytes) -> Target:
    """Return the answer to an acknowledgement."""
    line.join(source.endpoint)

    async def feed(body: bytes, status: int) -> object:
        line.body, line.status = body, status
        outcomes = await source.acknowledge(acks)
        assert set(outcomes) <= {ack.order_id for ack in acks}
        return outcomes

    return Target(name, samples, feed, SOURCE)


def _called(
    name: str,
    line: Line,
    endpoint: Any,
    call: Callable[[], Any],
    *samples: bytes,
    allowed: tuple[type[Exception], ...] = RECEIVER,
) -> Target:
    """Return one call whose answer is the body."""
    line.join(endpoint)

    async def feed(body: bytes, status: int) -> object:
        line.body, line.status = body, status
        return await call()

    return Target(name, samples, feed, allowed)


def _propeller() -> Iterator[Target]:
    def source() -> PropellerSource:
        return PropellerSource("shop", PropellerSettings(base_url=BASE, token=Secret("token-token")), SystemClock())

    page = encode(propeller_page(propeller_order(20106), propeller_order(7, type="quotation")))
    yield _feed("propeller.search", source(), Line(), page)
    yield _told("propeller.mark", source(), Line(), _acks("20106"), b'{"id":20106,"exportStatus":"exported"}')
    yield _orders("propeller.order", source(), encode(propeller_order(20106)))
    keys = {"client_id": "client", "client_secret": Secret("secret-secret")}
    login = PropellerSource("shop", PropellerSettings(base_url=BASE, **keys), SystemClock())  # type: ignore[arg-type]

    async def log_in() -> object:
        token, life = await login._log_in()
        assert token
        assert life > 0
        return token

    granted = b'{"access_token":"a.b.c","token_type":"bearer","expires_in":"1800"}'
    yield _called("propeller.login", Line(), login.endpoint, log_in, granted, allowed=SOURCE)


def _traede() -> Iterator[Target]:
    samples = {
        "orders": ("orders", "order_id", traede_bench.order(7)),
        "production-orders": ("production_orders", "production_order_id", traede_bench.production_order(7)),
    }
    for export, (key, id_key, order) in samples.items():
        one = encode(order)
        marked = [
            encode({"errors": {f"{key}.1.order_id": ["The selected id is invalid."]}, "message": "No."}),
            encode({"data": [{id_key: 7, "status": "ok"}, {id_key: 8, "status": "failed", "error": "gone"}]}),
            encode({"success": False, "error": ["a", {"b": 1}]}),
        ]

        def made(export: Any = export) -> Any:
            return traede_bench.source(export, base_url=BASE)

        yield _feed(f"traede.{export}.export", made(), Line(), encode({key: [order, {**order, id_key: 8}]}))
        yield _told(f"traede.{export}.mark", made(), Line(), _acks("7", "8", "9"), *marked)
        yield _orders(f"traede.{export}.order", made(), one)
        again = made()
        yield _called(
            f"traede.{export}.readback",
            Line(),
            again.endpoint,
            partial(again.is_acknowledged, _acks("7", "8")),
            encode({key: [order]}),
            allowed=SOURCE,
        )


def _zendera() -> Iterator[Target]:
    def source(**given: Any) -> Any:
        return zendera_bench.offline(base_url=BASE, **given)

    one, two = zendera_bench.shipment(12345), zendera_bench.shipment(12346)
    page = encode({"shipments": [one, {**one, "id": 3}, two], "page": 1, "perPage": 50, "total": 3, "totalPages": 1})
    yield _feed("zendera.export", source(), Line(), page)
    told = [
        encode({"create": [{"orderId": 12345, "status": "ok"}, {"orderId": "12346", "error": "no such order"}]}),
        encode({"error": {"code": "X", "message": "no"}, "orderId": 12345}),
    ]
    yield _told("zendera.status", source(), Line(), _acks("12345", "12346"), *told)
    yield _orders("zendera.order", source(cash_on_delivery="each"), zendera_bench.group(one, {**one, "id": 3}))
    timeline = encode(
        {
            "updates": [
                {"type": "EVENT_TYPE_ORDER_EXPORTED", "date": "2026-06-11T10:00:00Z", "exported": {"success": True}},
                {"type": "EVENT_TYPE_STATUS", "status": "COMPLETE", "location": "DELIVERY", "date": 1781172000000},
            ]
        }
    )
    reports, attempts, update = source(), source(), source()

    async def reported() -> object:
        events = await reports.reported("12345") or []
        return [shown(REPORT, events), shown(REPORT, events, [REPORT])]

    yield _called("zendera.timeline", Line(), reports.endpoint, reported, timeline, allowed=SOURCE)
    asked = [*_acks("12345"), *_acks("12346", outcome="failed"), *_acks("12347")]
    line = Line({"/orders/export": page})
    yield _called(
        "zendera.readback", line, attempts.endpoint, lambda: attempts.is_acknowledged(asked), timeline, allowed=SOURCE
    )
    yield _called(
        "zendera.update", Line(), update.endpoint, lambda: update.report("12345", b"{}"), *told, allowed=SOURCE
    )


def _warehouse() -> Iterator[Target]:
    def wms(line: Line) -> Any:
        receiver = _receivers()[0]
        line.join(receiver.endpoint)
        return receiver

    def usual() -> Line:
        return Line({"/auth/login/": SESSION, "/auth/refresh/": SESSION})

    refusal = encode({"errors": {"0": "No.", "externalReference": ["Reference is not unique"]}, "message": "no"})
    listed, created = encode([LISTED, {**LISTED, "id": "2", "external_id": "order-2"}]), encode(CREATED)
    whole = {**msgspec.json.decode(seed.RETRIEVE), **CREATED}
    whole["order_lines"][0]["quantity"] = 2  # as it is sent
    calls: dict[str, tuple[Callable[[Any], Any], tuple[bytes, ...]]] = {
        "find": (lambda r: r.find("order-10001"), (listed, refusal)),
        "create": (lambda r: r.create(DELIVERY), (created, refusal)),
        "update": (lambda r: r.update(RECEIPT, DELIVERY), (encode(whole),)),
        "cancel": (lambda r: r.cancel(RECEIPT), (created, encode({**CREATED, "status": "cancelled"}), refusal)),
        "attach": (lambda r: r.attach(RECEIPT, [Document(title=TITLE, content=b"%PDF")]), (seed.DOCUMENT_LIST,)),
        "progress": (lambda r: r.progress([RECEIPT]), (created,)),
        "progress of many": (lambda r: r.progress([Receipt(id=str(n)) for n in range(12)]), (listed,)),
        "shipments": (
            lambda r: r._client.shipments(["WEB-10001"]),
            (encode([{"id": "s", "order_external_reference": ["WEB-10001"], "shipment_labels": [{"label_code": 1}]}]),),
        ),
        "get": (lambda r: r._client.get("1"), (seed.RETRIEVE,)),
        "document": (lambda r: r._client.document("1"), (seed.DOCUMENT,)),
    }
    for name, (call, samples) in calls.items():
        line = usual()
        receiver = wms(line)
        yield _called(f"ewarehousing.{name}", line, receiver.endpoint, partial(call, receiver), *samples)
    for name, path in (("login", "/auth/refresh/"), ("refresh", "/auth/login/")):
        line = Line({path: SESSION} if name == "refresh" else {})
        receiver = wms(line)
        session = receiver._client._calls._session

        async def fetch(session: Any = session, refresh: bool = name == "refresh") -> object:
            session._refresh_token = "refresh-1" if refresh else ""
            return await session.fetch()

        yield _called(f"ewarehousing.{name}", line, receiver.endpoint, fetch, SESSION)

    kind = source_types()["ewarehousing"].settings
    keys = {"username": "u", "password": Secret("p" * 8), "wms_code": "DEV", "customer_code": "C"}

    def source() -> EwarehousingSource:
        return EwarehousingSource("mirror", kind(**keys, statuses=["created"]), SystemClock())

    yield _feed("ewarehousing.feed", source(), usual(), listed)
    line = Line({"/auth/login/": SESSION, "/wms/orders/": encode([{"id": "c9165f93", "status": "created"}])})
    yield _feed("ewarehousing.feed of orders", source(), line, seed.RETRIEVE)
    yield _orders("ewarehousing.order", source(), seed.RETRIEVE)


def _others() -> Iterator[Target]:
    kind = receiver_types()["webhook"].settings
    own = kind(url=BASE, secret=Secret("s" * 24), find_url=Url("https://vendor.example/find"))
    delivery = Delivery("shop-1", b"{}")
    record = encode({"external_id": "shop-1", "id": 5, "status": "received"})
    for name, call, samples in (
        ("create", lambda r: r.create(delivery), (record,)),
        ("find", lambda r: r.find("shop-1"), (record, encode([{"external_id": "shop-1", "id": "x"}]))),
    ):
        receiver, line = WebhookReceiver("erp", own, SystemClock()), Line()
        yield _called(f"webhook.{name}", line, receiver.endpoint, partial(call, receiver), *samples)

    csv, per_line, json = CsvRows(["reference"], per_line=False), CsvRows(["sku"], per_line=True), JsonLines()

    async def lines(body: bytes, status: int) -> object:
        del status
        return [
            [rows.seen(line), rows.torn(line), rows.lacks_end(line)]
            for rows in (csv, per_line, json)
            for line in body.splitlines(keepends=True)
        ]

    yield Target(
        "file.lines", (b'{"external_id":"shop-1","reference":"x"}', b'"shop-1,2,3\\n"', b'"shop-1"'), lines, ()
    )

    async def report(body: bytes, status: int) -> object:
        del status
        return [outline(body), shown(body, []), shown(body, [{"date": "0001-01-01T00:00:00+14:00"}], [body])]

    yield Target("journal.report", (REPORT,), report, ())

    sources = {name: each.settings for name, each in source_types().items()}
    receivers = {name: each.settings for name, each in receiver_types().items()}
    trees = checker({name: each.request for name, each in receiver_types().items()})

    async def settings(body: bytes, status: int) -> object:
        del status
        text = body.decode("utf-8", "replace")
        return parse(text, sources=sources, receivers=receivers, environ={}, mappings=trees).journal

    yield Target("settings", (msgspec.json.encode(SETTINGS),), settings, (SettingsError,))
