"""Every place where a source reads a vendor's bytes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import msgspec

from connector.clock import SystemClock
from connector.pipeline.reports.comparison import contains
from connector.registry import source_types
from connector.sandbox.server import encode
from connector.settings.values import Secret
from connector.sources.ewarehousing.source import EwarehousingSource
from connector.sources.propeller.settings import PropellerSettings
from connector.sources.propeller.source import PropellerSource
from tests.clients.ewarehousing import seed
from tests.fuzz.feeding import AT, BASE, KEYS, SOURCE, acks, called, feed, orders, told, walked
from tests.fuzz.target import Line, Target
from tests.receivers.ewarehousing.bench import LISTED
from tests.sources.propeller.bench import found as propeller_page
from tests.sources.propeller.bench import order as propeller_order
from tests.sources.traede import bench as traede_bench
from tests.sources.zendera import bench as zendera_bench

__all__ = ["REPORT", "SESSION", "sources"]

SESSION = msgspec.json.encode({"token": "token-1", "refresh_token": "refresh-1", "iat": 0, "exp": 3600})
REPORT = encode(
    {
        "orderId": 12345,
        "status": "COMPLETE",
        "location": "DELIVERY",
        "completeInfo": {"date": "2026-06-11T10:00:00Z"},
    }
)


def sources() -> Iterator[Target]:
    """Yield the targets of every source."""
    yield from _propeller()
    yield from _traede()
    yield from _zendera()
    yield from _ewarehousing()


def _propeller() -> Iterator[Target]:
    def source() -> PropellerSource:
        return PropellerSource("shop", PropellerSettings(base_url=BASE, token=Secret("token-token")), SystemClock())

    page = encode(propeller_page(propeller_order(20106), propeller_order(7, type="quotation")))
    yield feed("propeller.search", source(), Line(), page)
    yield told("propeller.mark", source(), Line(), acks("20106"), b'{"id":20106,"exportStatus":"exported"}')
    yield orders("propeller.order", source(), encode(propeller_order(20106)))
    again, total = source(), source()
    yield walked("propeller.refetch", again, Line(), lambda: again.refetch(AT), page)
    yield called("propeller.check", Line(), total.endpoint, total.check, page, allowed=SOURCE)
    keys = {"client_id": "client", "client_secret": Secret("secret-secret")}
    login = PropellerSource("shop", PropellerSettings(base_url=BASE, **keys), SystemClock())  # type: ignore[arg-type]

    async def log_in() -> object:
        token, life = await login._log_in()
        assert token
        assert life > 0
        return token

    granted = b'{"access_token":"a.b.c","token_type":"bearer","expires_in":"1800"}'
    yield called("propeller.login", Line(), login.endpoint, log_in, granted, allowed=SOURCE)


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

        yield feed(f"traede.{export}.export", made(), Line(), encode({key: [order, {**order, id_key: 8}]}))
        yield told(f"traede.{export}.mark", made(), Line(), acks("7", "8", "9"), *marked)
        yield orders(f"traede.{export}.order", made(), one)
        page = encode({key: [order]})
        back, since, first = made(), made(), made()
        asked = partial(back.is_acknowledged, acks("7", "8"))
        yield called(f"traede.{export}.readback", Line(), back.endpoint, asked, page, allowed=SOURCE)
        yield walked(f"traede.{export}.refetch", since, Line(), partial(since.refetch, AT), page)
        yield called(f"traede.{export}.check", Line(), first.endpoint, first.check, page, allowed=SOURCE)


def _zendera() -> Iterator[Target]:
    def source(**given: Any) -> Any:
        return zendera_bench.offline(base_url=BASE, **given)

    one, two = zendera_bench.shipment(12345), zendera_bench.shipment(12346)
    page = encode({"shipments": [one, {**one, "id": 3}, two], "page": 1, "perPage": 50, "total": 3, "totalPages": 1})
    yield feed("zendera.export", source(), Line(), page)
    answers = [
        encode({"create": [{"orderId": 12345, "status": "ok"}, {"orderId": "12346", "error": "no such order"}]}),
        encode({"error": {"code": "X", "message": "no"}, "orderId": 12345}),
    ]
    yield told("zendera.status", source(), Line(), acks("12345", "12346"), *answers)
    yield orders("zendera.order", source(cash_on_delivery="each"), zendera_bench.group(one, {**one, "id": 3}))
    timeline = encode(
        {
            "updates": [
                {"type": "EVENT_TYPE_ORDER_EXPORTED", "date": "2026-06-11T10:00:00Z", "exported": {"success": True}},
                {"type": "EVENT_TYPE_STATUS", "status": "COMPLETE", "location": "DELIVERY", "date": 1781172000000},
            ]
        }
    )
    reports, attempts, update, listed, first = source(), source(), source(), source(), source()

    async def reported() -> object:
        events = await reports.reported("12345") or []
        return [contains(REPORT, events), contains(REPORT, events, [REPORT])]

    yield called("zendera.timeline", Line(), reports.endpoint, reported, timeline, allowed=SOURCE)
    asked = [*acks("12345"), *acks("12346", outcome="failed"), *acks("12347")]
    line = Line({"/orders/export": page})
    yield called(
        "zendera.readback", line, attempts.endpoint, lambda: attempts.is_acknowledged(asked), timeline, allowed=SOURCE
    )
    line = Line({"/external-updates": timeline})
    yield called(
        "zendera.readback of the feed",
        line,
        listed.endpoint,
        lambda: listed.is_acknowledged(asked),
        page,
        allowed=SOURCE,
    )
    yield called("zendera.check", Line(), first.endpoint, first.check, page, allowed=SOURCE)
    yield called(
        "zendera.update", Line(), update.endpoint, lambda: update.report("12345", b"{}"), *answers, allowed=SOURCE
    )


def _ewarehousing() -> Iterator[Target]:
    kind = source_types()["ewarehousing"].settings
    page = encode([LISTED, {**LISTED, "id": "2", "external_id": "order-2"}])

    def source() -> EwarehousingSource:
        return EwarehousingSource("mirror", kind(**KEYS, statuses=["created"]), SystemClock())

    def usual(**more: bytes) -> Line:
        return Line({"/auth/login/": SESSION, "/auth/refresh/": SESSION, **more})

    yield feed("ewarehousing.feed", source(), usual(), page)
    line = usual(**{"/wms/orders/": encode([{"id": "c9165f93", "status": "created"}])})
    yield feed("ewarehousing.feed of orders", source(), line, seed.RETRIEVE)
    yield orders("ewarehousing.order", source(), seed.RETRIEVE)
    first = source()
    yield called("ewarehousing.check of the source", usual(), first.endpoint, first.check, page, allowed=SOURCE)
