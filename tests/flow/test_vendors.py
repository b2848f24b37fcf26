"""Whole routes between the stand-ins of real vendors, over real HTTP, with the feed of each seed."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest

from connector.app import Connector
from connector.events import OrderDelivered
from connector.journal.sqlite import SqliteJournal
from connector.journal.views.orders import matching, orders
from connector.mapping.mapper import checker
from connector.registry import receiver_types, source_types
from connector.sandbox.ewarehousing.app import EwarehousingStandIn
from connector.sandbox.propeller.app import PropellerStandIn
from connector.sandbox.propeller.orders import seed_order
from connector.sandbox.server import Fault, StandIn, serving
from connector.sandbox.traede.app import TraedeStandIn
from connector.sandbox.traede.orders import production_orders, traede_orders
from connector.sandbox.webhook import WebhookStandIn
from connector.sandbox.zendera.app import ZenderaStandIn
from connector.sandbox.zendera.shipments import zendera_shipments
from connector.settings import Settings, parse

WAREHOUSE = """
receivers:
  warehouse:
    type: ewarehousing
    base_url: {warehouse}
    username: sandbox
    password: sandbox-secret
    wms_code: DEV
    customer_code: SANDBOX
    settle: 1s
    retry: {{first: 50ms, longest: 200ms}}
"""
ZENDERA = """
sources:
  transport:
    type: zendera
    base_url: {transport}/api
    api_key: sandbox-key
    retry: {{first: 50ms, longest: 200ms}}
routes:
  - source: transport
    receivers: [warehouse]
"""


def read(text: str, folder: Path, **addresses: str) -> Settings:
    """Return the settings of `text` with a journal in `folder` and the stand-ins' addresses."""
    sources, receivers = source_types(), receiver_types()
    return parse(
        f"journal: {folder / 'connector.db'}\n" + text.format(**addresses),
        sources={name: kind.settings for name, kind in sources.items()},
        receivers={name: kind.settings for name, kind in receivers.items()},
        environ={},
        mappings=checker({name: kind.request for name, kind in receivers.items()}),
    )


@asynccontextmanager
async def flowing(text: str, folder: Path, **standins: StandIn) -> AsyncIterator[Connector]:
    """Run a connector between `standins`, and stop it when the block ends."""
    async with AsyncExitStack() as stack:
        addresses = {name: await stack.enter_async_context(serving(each)) for name, each in standins.items()}
        connector = await stack.enter_async_context(Connector(read(text, folder, **addresses)))
        tg = await stack.enter_async_context(anyio.create_task_group())
        tg.start_soon(connector.run, name="run the connector")
        with anyio.fail_after(40):
            yield connector
        connector.stop()


async def test_zendera_hears_of_each_order_once(tmp_path: Path) -> None:
    """Seed 003: of 64 orders two lack their address; 62 are accepted, two fail with a reason, and no strike follows."""
    transport, warehouse = ZenderaStandIn(zendera_shipments(64, without_address=2)), EwarehousingStandIn()
    async with flowing(WAREHOUSE + ZENDERA, tmp_path, transport=transport, warehouse=warehouse) as connector:
        for _ in range(11):
            await connector.drain()
        journal = connector.journal
        assert isinstance(journal, SqliteJournal)
        failed = await journal.read(lambda db: orders(db, matching(db, source="transport", state="rejected")))

    told = Counter(entry["status"] for entry in transport.statuses)
    reasons = {entry["failureReason"] for entry in transport.statuses if entry["status"] == "FAILED"}
    assert {"EXPORTED_SUCCESSFULLY": 62, "FAILED": 2} == told
    assert {"missing field: delivery_address: shipment"} == {reason.rpartition(" ")[0] for reason in reasons}
    assert Counter({1: 2}) == Counter(transport.strikes.values())
    assert [1, 1] == [order.failures for order in failed]
    assert 62 == len(warehouse.created) == len({body["external_id"] for body in warehouse.created})


TRAEDE = """
sources:
  wholesale:
    type: traede_orders
    base_url: {wholesale}
    token: sandbox-token
    app_key: sandbox-app-key
    system_id: erp
    regulate_inventory: false
    include_cancelled: true
    retry: {{first: 50ms, longest: 200ms}}
routes:
  - source: wholesale
    receivers: [warehouse]
"""
SINCE = datetime(2020, 1, 1, tzinfo=UTC)


async def test_an_order_that_changed_is_updated_and_one_that_was_cancelled_is_cancelled(tmp_path: Path) -> None:
    """Seeds 001 and 004: delivered, changed, replayed: updated, not duplicated; cancelled while that is allowed."""
    wholesale, warehouse = TraedeStandIn(traede_orders(3)), EwarehousingStandIn()
    changed, cancelled, late = wholesale.orders
    async with flowing(WAREHOUSE + TRAEDE, tmp_path, wholesale=wholesale, warehouse=warehouse) as connector:
        await connector.drain()
        assert 3 == len(warehouse.created)
        ids = {number: warehouse.by_external_id(f"wholesale-{number}")[0]["id"] for number in wholesale.orders}

        wholesale.orders[changed]["lines"] = wholesale.orders[changed]["lines"][:1]
        for _ in range(2):
            await connector.replay("wholesale", SINCE)
            await connector.drain()
        assert 1 == len(warehouse.orders[ids[changed]]["order_lines"])
        assert [1] == [len(warehouse.by_external_id(f"wholesale-{number}")) for number in [changed]]

        warehouse.move(ids[late], "processing")
        for number in (cancelled, late):
            wholesale.orders[number]["status"] = "cancelled"
        for _ in range(2):
            await connector.replay("wholesale", SINCE)
            await connector.drain()
        journal = connector.journal
        assert isinstance(journal, SqliteJournal)
        states = await journal.read(
            lambda db: dict(db.execute("SELECT order_id, s.state FROM orders JOIN order_states s USING (key)"))
        )
        held = await journal.read(lambda db: db.execute("SELECT reason FROM changes WHERE state = 'held'").fetchall())

    assert "cancelled" == warehouse.orders[ids[cancelled]]["status"]
    assert "processing" == warehouse.orders[ids[late]]["status"]
    assert {str(changed): "acknowledged", str(cancelled): "cancelled", str(late): "held"} == states
    assert ["processing" in reason for (reason,) in held] == [True]
    assert 3 == len(warehouse.created) == len(wholesale.marked)


PRODUCTION = """
sources:
  production:
    type: traede_production_orders
    base_url: {production}
    token: sandbox-token
    app_key: sandbox-app-key
    system_id: erp
    include: [lines.variant, supplier]
    retry: {{first: 50ms, longest: 200ms}}
receivers:
  erp:
    type: webhook
    url: {erp}/orders
    secret: whsec_c2FuZGJveC1zZWNyZXQtb2YtdGhlLXN0YW5kLWlu
    idempotent: true
    concurrency: 2
    settle: 100ms
    retry: {{first: 20ms, longest: 50ms}}
routes:
  - source: production
    receivers: [erp]
"""


async def test_production_orders_reach_a_webhook_that_fails_half_of_the_time(tmp_path: Path) -> None:
    """Seed 002: each of 23 arrives under one webhook-id however often it is sent, properly signed, and is marked."""
    production, erp = TraedeStandIn(production_orders=production_orders(23)), WebhookStandIn()
    turn = count()
    for fault in (Fault.SERVER_ERROR, Fault.SERVER_ERROR_APPLIED):
        erp.fault(fault, times=12, on=lambda request: request.method == "POST" and next(turn) % 2 == 0)
    async with flowing(PRODUCTION, tmp_path, production=production, erp=erp) as connector:
        while len(production.marked) < 23:
            await connector.drain()

    posts = Counter(call.headers["webhook-id"] for call in erp.history if call.method == "POST")
    assert {f"production-{number}" for number in production.production_orders} == set(posts)
    assert posts.total() > 23
    assert 23 == len(erp.records) == len(production.marked)
    assert all(verified for _, verified in erp.signatures)


PROPELLER = """
sources:
  shop:
    type: propeller
    base_url: {shop}
    client_id: sandbox
    client_secret: sandbox-secret
routes:
  - source: shop
    receivers: [warehouse]
"""


async def test_the_order_of_the_seed_is_carried_from_propeller_to_the_warehouse(tmp_path: Path) -> None:
    """Seeds 000 and 004: the example order is created as the warehouse documents it, and marked with its number."""
    shop, warehouse = PropellerStandIn([seed_order()]), EwarehousingStandIn()
    async with flowing(WAREHOUSE + PROPELLER, tmp_path, shop=shop, warehouse=warehouse) as connector:
        await connector.drain()

    (created,) = warehouse.created
    (record,) = warehouse.orders.values()
    ((order_id, mark),) = shop.marked
    assert ("shop-20106", "shop-20106") == (created["external_id"], created["external_reference"])
    assert 12924 == created["order_amount"]
    assert [("#117", 2, 4999)] == [
        (each["article_code"], each["quantity"], each["price"]) for each in created["order_lines"]
    ]
    assert (20106, "exported") == (order_id, mark["exportStatus"])
    assert record["reference"] in mark["exportMessage"]


async def test_an_order_that_propeller_shows_as_cancelled(tmp_path: Path) -> None:
    """Seed 000: not delivered if it was cancelled before; cancelled at the warehouse if a later replay shows it."""
    shop, warehouse = PropellerStandIn([{**seed_order(), "id": number} for number in (1, 2, 3)]), EwarehousingStandIn()
    shop.orders[3]["status"] = "GEANNULEERD"
    text = (WAREHOUSE + PROPELLER).replace("client_id", "cancelled_statuses: [geannuleerd, GEANNULEERD]\n    client_id")
    async with flowing(text, tmp_path, shop=shop, warehouse=warehouse) as connector:
        await connector.drain()
        ids = {number: warehouse.by_external_id(f"shop-{number}")[0]["id"] for number in (1, 2)}
        shop.orders[1]["status"] = "GEANNULEERD"
        for _ in range(2):
            await connector.replay("shop", SINCE)
            await connector.drain()
        journal = connector.journal
        assert isinstance(journal, SqliteJournal)
        states = await journal.read(
            lambda db: dict(db.execute("SELECT order_id, s.state FROM orders JOIN order_states s USING (key)"))
        )

    assert {"1": "cancelled", "2": "acknowledged", "3": "cancelled"} == states
    assert ["cancelled", "created"] == [warehouse.orders[ids[number]]["status"] for number in (1, 2)]
    assert [1, 2] == sorted(order_id for order_id, _ in shop.marked)
    assert 2 == len(warehouse.created)


ERP = """
  erp:
    type: webhook
    url: {erp}/orders
    secret: whsec_c2FuZGJveC1zZWNyZXQtb2YtdGhlLXN0YW5kLWlu
"""


async def cancelled_orders(tmp_path: Path, route: str) -> tuple[TraedeStandIn, list[str], list[Any], Any]:
    """Carry three orders, the last of them cancelled; return Traede, the orders at both receivers, and states."""
    wholesale, warehouse, erp = TraedeStandIn(traede_orders(3)), EwarehousingStandIn(), WebhookStandIn()
    last = [*wholesale.orders][-1]
    wholesale.orders[last] |= {"status": "cancelled", "cancelled_at": "2026-03-24 09:00:00"}
    text = WAREHOUSE + ERP + TRAEDE.replace("[warehouse]", route)
    async with flowing(text, tmp_path, wholesale=wholesale, warehouse=warehouse, erp=erp) as connector:
        await connector.drain()
        journal = connector.journal
        assert isinstance(journal, SqliteJournal)
        (row,) = await journal.read(lambda db: orders(db, matching(db, source="wholesale"))[-1:])
    there = [
        external_id
        for external_id in (f"wholesale-{each}" for each in wholesale.orders)
        if warehouse.by_external_id(external_id)
    ]
    return wholesale, there, [msgspec.json.decode(record.body) for record in erp.records], row


@pytest.mark.fault(142)
async def test_a_cancelled_order_is_held_for_a_warehouse(tmp_path: Path) -> None:
    """Seed 001: `include_cancelled` exports cancelled orders; a warehouse would ship them, so they are held."""
    wholesale, there, _, row = await cancelled_orders(tmp_path, "[warehouse]")
    assert 2 == len(there) == len(wholesale.marked)
    assert ("held", "cancelled at the source") == (row.state, row.cause)


@pytest.mark.fault(142)
async def test_a_webhook_gets_a_cancelled_order_marked_as_such(tmp_path: Path) -> None:
    """And it is acknowledged to Traede."""
    wholesale, _, received, row = await cancelled_orders(tmp_path, "[erp]")
    assert 3 == len(received) == len(wholesale.marked)
    assert [False, False, True] == [bool(order.get("cancelled")) for order in received]
    assert "acknowledged" == row.state


@pytest.mark.fault(142)
@pytest.mark.parametrize(
    ("cancelled", "created", "state"), [("deliver", 3, "acknowledged"), ("hold", 2, "held"), ("leave", 2, "cancelled")]
)
async def test_the_route_says_what_becomes_of_cancelled_orders(
    tmp_path: Path, cancelled: str, created: int, state: str
) -> None:
    """Delivered like any other order, held, or left in the feed."""
    wholesale, there, _, row = await cancelled_orders(tmp_path, f"[warehouse]\n    cancelled: {cancelled}")
    assert created == len(there) == len(wholesale.marked)
    assert state == row.state


@pytest.mark.fault(91)
async def test_traede_orders_are_marked_in_tens_and_one_without_lines_is_held(tmp_path: Path) -> None:
    """Seed 001: of 75 orders one has no lines: 74 are delivered and marked in eight calls, and one is held."""
    wholesale, warehouse = TraedeStandIn(traede_orders(75, without_lines=1)), EwarehousingStandIn()
    text = (WAREHOUSE + TRAEDE).replace("    regulate", "    ack_interval: 5s\n    regulate")
    async with flowing(text, tmp_path, wholesale=wholesale, warehouse=warehouse) as connector:
        await connector.drain()

    calls = [call for call in wholesale.history if call.path.endswith("mark-as-exported")]
    assert 74 == len(warehouse.created) == len(wholesale.marked)
    assert 8 == len(calls)


@pytest.mark.fault(90, 96)
async def test_one_order_that_traede_does_not_know_costs_its_neighbours_nothing(tmp_path: Path) -> None:
    """Seed 001: a mark call with one unknown id: nine are marked, and that one alone is refused."""
    wholesale, warehouse = TraedeStandIn(traede_orders(10)), EwarehousingStandIn()
    text = (WAREHOUSE + TRAEDE).replace("    regulate", "    ack_interval: 1s\n    regulate")
    async with flowing(text, tmp_path, wholesale=wholesale, warehouse=warehouse) as connector:
        async for event in connector.events():
            if isinstance(event, OrderDelivered) and len(warehouse.created) == 10:
                break
        gone = next(iter(wholesale.orders))
        del wholesale.orders[gone]
        await connector.drain()
        journal = connector.journal
        assert isinstance(journal, SqliteJournal)
        parked = await journal.read(
            lambda db: db.execute("SELECT order_id FROM orders WHERE ack_state = 'parked'").fetchall()
        )

    assert {*wholesale.orders} == {mark["order_id"] for _, mark in wholesale.marked}
    assert [(str(gone),)] == parked
