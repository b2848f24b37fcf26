"""
A rejection that names no culprit, for one order of many: the others flow,
and that order waits under its own cause.
"""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

import anyio
import msgspec
import pytest
from aiohttp import web

from connector.journal.sqlite import MemoryJournal
from connector.progress import Progress
from connector.sandbox.ewarehousing.app import EwarehousingStandIn
from connector.sandbox.propeller.app import PropellerStandIn
from connector.sandbox.propeller.orders import propeller_orders
from connector.sandbox.webhook import WebhookStandIn
from connector.sandbox.zendera.app import ZenderaStandIn
from connector.sandbox.zendera.shipments import zendera_shipments
from tests.wire.guarded import Guarded, drained, running, states

SETTINGS = """
sources:
  shop:
    type: propeller
    base_url: {shop}
    token: sandbox-token
    ack_interval: 1ms
    retry: {{first: 10ms, longest: 200ms}}
receivers:
  warehouse:
    type: ewarehousing
    base_url: {warehouse}
    username: sandbox
    password: sandbox-secret
    wms_code: DEV
    customer_code: SANDBOX
    concurrency: 4
    settle: 50ms
    look_up_first: never
    retry: {{first: 10ms, longest: 200ms}}
routes:
  - {{source: shop, receivers: [warehouse]}}
"""
ORDERS = 130
PLACES = [pytest.param(0, marks=pytest.mark.slow), 39, pytest.param(129, marks=pytest.mark.slow)]
NOON = datetime(2026, 3, 24, 12, tzinfo=UTC)


def create_of(request: web.Request, body: bytes, *external_ids: str) -> bool:
    """Return True if a request creates one of these orders."""
    if request.method != "POST" or request.path != "/wms/orders/":
        return False
    return any(f'"external_id":"{each}"'.encode() in body for each in external_ids)


@pytest.mark.fault(133)
@pytest.mark.parametrize("status", [403, 413, 404, 405, 415, 451, 302, 401, 418, 431])
@pytest.mark.parametrize("place", PLACES, ids=["first", "amid", "last"])
async def test_one_order_that_a_firewall_dislikes_waits_alone(tmp_path: Path, status: int, place: int) -> None:
    """129 of 130 are delivered and acknowledged; one is held under its own cause, and its source gets no report."""
    shop = PropellerStandIn(propeller_orders(ORDERS))
    bad = f"shop-{list(shop.orders)[place]}"
    warehouse = EwarehousingStandIn()
    guarded = Guarded(warehouse, lambda request, body: status if create_of(request, body, bad) else 0)

    ended, found = await drained(tmp_path, SETTINGS, shop=shop, warehouse=guarded)

    cause = f"warehouse refuses this order alone ({status})"
    assert [("delivered confirmed", ORDERS - 1, "", ""), ("held none", 1, cause, "")] == found
    assert {} == ended.failed
    assert len(guarded.refused) <= 6


async def test_a_look_up_that_is_refused_for_one_order_holds_that_order(tmp_path: Path) -> None:
    """Its presence is unknown, so it is never created; the others are looked up and delivered."""
    shop = PropellerStandIn(propeller_orders(3))  # more would be looked up in one reading
    bad = f"shop-{list(shop.orders)[1]}"
    guarded = Guarded(EwarehousingStandIn(), lambda request, _: 403 if request.query.get("external_id") == bad else 0)
    text = SETTINGS.replace("look_up_first: never", "look_up_first: always")

    ended, found = await drained(tmp_path, text, shop=shop, warehouse=guarded)

    cause = "warehouse refuses this order alone (403)"
    assert [("delivered confirmed", 2, "", ""), ("held none", 1, cause, "")] == found
    assert {} == ended.failed
    assert bad not in {order["external_id"] for order in guarded.inner.orders.values()}  # type: ignore[attr-defined]


@pytest.mark.fault(82)
@pytest.mark.parametrize("status", [401, 403])
async def test_when_every_order_is_refused_the_receiver_is_paused(tmp_path: Path, status: int) -> None:
    """Nothing is held or reported; each probe is another order, and the reason names the status."""
    shop = PropellerStandIn(propeller_orders(20))
    tried: list[str] = []

    def rule(request: web.Request, body: bytes) -> int:
        if (request.method, request.path) != ("POST", "/wms/orders/"):
            return 0
        tried.append(msgspec.json.decode(body)["external_id"])
        return status

    def probes() -> list[str]:
        """The first four were in flight together; a 401 is repeated with a new token."""
        return [order for order, _ in groupby(tried)][4:]

    journal = MemoryJournal()
    ends = {"shop": shop, "warehouse": Guarded(EwarehousingStandIn(), rule)}
    async with running(tmp_path, SETTINGS, journal, **ends) as connector:
        ended = await connector.drain()
        with anyio.fail_after(30):
            while len(probes()) < 8:  # noqa: ASYNC110 - no event tells of it
                await anyio.sleep(0.01)
        waiting = {"new none", "ready none", "intent none"}
        assert waiting >= {state for state, *_ in await journal.read(states)}
    assert len(set(probes()[:8])) == 8
    assert f": {status}: " in ended.failed["warehouse"]
    assert not ended.later


WEBHOOK = (
    SETTINGS[: SETTINGS.index("receivers:")]
    + """
receivers:
  erp:
    type: webhook
    url: "{erp}/orders"
    secret: whsec_c2FuZGJveC1zZWNyZXQtb2YtdGhlLXN0YW5kLWlu
    retry: {{first: 10ms, longest: 200ms}}
routes:
  - {{source: shop, receivers: [erp]}}
"""
)


@pytest.mark.fault(133)
@pytest.mark.parametrize("place", [0, 7, 29], ids=["first", "amid", "last"])
async def test_a_webhook_that_is_refused_for_one_order(tmp_path: Path, place: int) -> None:
    """The same for a receiver without look-ups: the rejected order was not applied, so it is not in doubt."""
    shop = PropellerStandIn(propeller_orders(30))
    bad = f"shop-{list(shop.orders)[place]}"
    guarded = Guarded(WebhookStandIn(), lambda request, _: 413 if request.headers.get("webhook-id") == bad else 0)

    ended, found = await drained(tmp_path, WEBHOOK, shop=shop, erp=guarded)

    cause = "erp refuses this order alone (413)"
    assert [("delivered confirmed", 29, "", ""), ("held none", 1, cause, "")] == found
    assert {} == ended.failed


@pytest.mark.fault(133)
async def test_a_change_that_is_refused_for_one_order(tmp_path: Path) -> None:
    """Of eight changed orders, seven are updated, and the change of one is held with the message of the rejection."""
    shop = PropellerStandIn(propeller_orders(8))
    warehouse = EwarehousingStandIn()
    guarded = Guarded(warehouse, lambda request, body: 403 if request.method == "PATCH" and bad in request.path else 0)
    journal = MemoryJournal()
    async with running(tmp_path, SETTINGS, journal, shop=shop, warehouse=guarded) as connector:
        await connector.drain()
        bad = list(warehouse.orders)[3]
        for order in shop.orders.values():
            order["items"][0]["quantity"] += 1
        await connector.replay("shop", datetime(2020, 1, 1, tzinfo=UTC))
        await connector.drain()
        changes = await journal.read(
            lambda db: db.execute("SELECT state, count(*), max(reason) FROM changes GROUP BY 1 ORDER BY 1").fetchall()
        )
    assert [("done", 7), ("held", 1)] == [each[:2] for each in changes]
    assert "warehouse refuses this order alone (403): warehouse: PATCH" in changes[1][2]


ACKS = """
sources:
  transport:
    type: zendera
    base_url: "{transport}/api"
    api_key: sandbox-key
    ack_interval: 10ms
    settle: 50ms
    retry: {{first: 10ms, longest: 200ms}}
receivers:
  erp:
    type: webhook
    url: "{erp}/orders"
    secret: whsec_c2FuZGJveC1zZWNyZXQtb2YtdGhlLXN0YW5kLWlu
    idempotent: true
routes:
  - {{source: transport, receivers: [erp]}}
"""


@pytest.mark.fault(133)
@pytest.mark.parametrize("status", [403, 413, 302])
async def test_an_acknowledgement_that_is_refused_for_one_order_of_a_batch(tmp_path: Path, status: int) -> None:
    """The batch is split until that order is alone; the others are acknowledged, and it is parked with the message."""
    transport = ZenderaStandIn(zendera_shipments(60))
    bad = str(transport.shipments[0]["orderId"])

    def rule(request: web.Request, body: bytes) -> int:
        return status if request.path.endswith("/export/status") and bad in body.decode() else 0

    guarded = Guarded(transport, rule)
    _, found = await drained(tmp_path, ACKS, transport=guarded, erp=WebhookStandIn())

    told, parked = found
    assert ("delivered parked", 1) == parked[:2]
    assert f"transport refuses this order alone ({status})" in parked[3]
    assert "delivered confirmed" == told[0]
    assert bad not in transport.exported
    assert len(transport._ids()) - 1 == told[1] == len(transport.exported)


@pytest.mark.fault(133)
@pytest.mark.parametrize("status", [500, 418])
async def test_an_acknowledgement_that_fails_for_one_order_of_a_batch(tmp_path: Path, status: int) -> None:
    """
    After two errors for the same batch, each of its orders gets a call of its
    own, and the others are acknowledged.
    """
    transport = ZenderaStandIn(zendera_shipments(12))
    bad = str(transport.shipments[0]["orderId"])

    def rule(request: web.Request, body: bytes) -> int:
        return status if request.path.endswith("/export/status") and bad in body.decode() else 0

    _, found = await drained(tmp_path, ACKS, transport=Guarded(transport, rule), erp=WebhookStandIn())

    assert ("delivered confirmed", len(transport._ids()) - 1) == found[0][:2]
    assert transport._ids() - {bad} == transport.exported


@pytest.mark.fault(133)
async def test_a_batch_that_is_too_large_is_told_in_smaller_ones(tmp_path: Path) -> None:
    """The size of a call is limited, and no order is at fault: all are acknowledged, and none is parked."""
    transport = ZenderaStandIn(zendera_shipments(60))

    def rule(request: web.Request, body: bytes) -> int:
        return 413 if request.path.endswith("/export/status") and len(msgspec.json.decode(body)["create"]) > 9 else 0

    _, found = await drained(tmp_path, ACKS, transport=Guarded(transport, rule), erp=WebhookStandIn())

    assert [("delivered confirmed", len(transport.exported), "", "")] == found
    assert transport._ids() == transport.exported


@pytest.mark.fault(133)
async def test_a_report_that_is_refused_for_one_order(tmp_path: Path) -> None:
    """It is parked, and the reports of the other orders are sent."""
    transport = ZenderaStandIn(zendera_shipments(12))
    ids = sorted(transport._ids())

    def rule(request: web.Request, body: bytes) -> int:
        return 403 if request.path.endswith("/update") and ids[2] in body.decode() else 0

    journal = MemoryJournal()
    async with running(tmp_path, ACKS, journal, transport=Guarded(transport, rule), erp=WebhookStandIn()) as connector:
        await connector.drain()
        for order_id in ids:
            await connector.report("transport", order_id, Progress(status="COMPLETE", location="PICKUP", at=NOON))
        await connector.drain()
        reports = await journal.read(
            lambda db: db.execute("SELECT state, count(*), max(reason) FROM reports GROUP BY 1 ORDER BY 1").fetchall()
        )
    assert [("confirmed", len(ids) - 1), ("parked", 1)] == [each[:2] for each in reports]
    assert "transport refuses this order alone (403)" in reports[1][2]
