"""The life of one order between a shop and a warehouse, while something on the wire fails."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import anyio

from connector.app import Connector
from connector.events import OrderAcknowledged, OrderHeld, OrderRejected
from connector.journal.sqlite import MemoryJournal
from connector.registry import load_settings
from connector.sandbox.ewarehousing.app import EwarehousingStandIn
from connector.sandbox.propeller.app import PropellerStandIn
from connector.sandbox.propeller.orders import propeller_orders
from connector.sandbox.server import serving
from tests.wire.between import Between, Mishap

__all__ = ["Ends", "Life", "ends", "life", "lived"]

PATIENCE = 30.0
"""Seconds after which an order without a final state fails its test."""

SETTINGS = """
sources:
  shop:
    type: propeller
    base_url: {shop}
    token: sandbox-token
    ack_interval: 1ms
    retry: {{first: 10ms, longest: 50ms}}
receivers:
  warehouse:
    type: ewarehousing
    base_url: {warehouse}
    username: sandbox
    password: sandbox-secret
    wms_code: DEV
    customer_code: SANDBOX
    timeout: {timeout}
    settle: 50ms
    retry: {{first: 10ms, longest: 50ms}}
routes:
  - {{source: shop, receivers: [warehouse]}}
"""


class Life(NamedTuple):
    """The result: the delivery's state, the history on the way, and the records of both vendors."""

    state: str
    noted: list[str]
    why: list[str]
    """The details of the history."""
    asked: list[str]
    """The first lines of the requests that the warehouse received, in order."""
    records: int
    told: bool

    @property
    def creates(self) -> int:
        """The number of creates sent."""
        return sum(line.startswith("POST /wms/orders/ ") for line in self.asked)

    @property
    def looked_up_between(self) -> bool:
        """True if between any two creates there was a look-up."""
        steps = [line.split()[0] for line in self.asked if line.split()[1].startswith("/wms/orders/")]
        return all(pair != ("POST", "POST") for pair in pairwise(steps))


class Ends(NamedTuple):
    """The two ends of a route. The warehouse would accept an order twice."""

    shop: PropellerStandIn
    warehouse: EwarehousingStandIn
    shop_at: str
    warehouse_at: str


@asynccontextmanager
async def ends() -> AsyncIterator[Ends]:
    """Serve a shop with one order, and a warehouse."""
    shop, warehouse = PropellerStandIn(propeller_orders(1)), EwarehousingStandIn(unique_reference=False)
    async with serving(shop) as shop_at, serving(warehouse) as warehouse_at:
        yield Ends(shop, warehouse, shop_at, warehouse_at)


async def life(
    folder: Path,
    mishap: Mishap,
    *,
    times: int = 1,
    timeout: str = "20s",  # noqa: ASYNC109 - a setting's text
) -> Life:
    """Let the one order live, with `mishap` at its first `times` creates; `timeout` applies to the calls there."""
    async with ends() as both:
        between = Between(both.warehouse_at, mishap, times=times)
        async with between.serving() as address:
            return await lived(folder, both, between, address, timeout=timeout)


async def lived(
    folder: Path,
    both: Ends,
    between: Between,
    address: str,
    *,
    timeout: str = "20s",  # noqa: ASYNC109 - a setting's text
    not_sent: Callable[[], Awaitable[None]] | None = None,
) -> Life:
    """
    Run a connector, whose warehouse is at `address`, until the order has a final state.

    `not_sent` is called once when the journal records that the order could not be sent.
    """
    (folder / "settings.yaml").write_text(
        SETTINGS.format(shop=both.shop_at, warehouse=address, timeout=timeout), "utf-8"
    )
    journal = MemoryJournal()
    async with Connector(load_settings(folder / "settings.yaml"), journal=journal) as connector:
        events = connector.events()
        async with anyio.create_task_group() as tg:
            tg.start_soon(connector.run)
            if not_sent is not None:
                tg.start_soon(_once_noted, journal, not_sent)
            with anyio.fail_after(PATIENCE):
                async for event in events:
                    if isinstance(event, OrderAcknowledged | OrderHeld | OrderRejected):
                        break
            connector.stop()
        state, notes = await journal.read(_ending)
        noted, why = [what for what, _ in notes], [detail for _, detail in notes]
    told = [order["exportStatus"] for order in both.shop.orders.values()] == ["exported"]
    return Life(state, noted, why, between.asked, len(both.warehouse.orders), told)


async def _once_noted(journal: MemoryJournal, then: Callable[[], Awaitable[None]]) -> None:
    while not (await journal.read(_ending))[1]:  # noqa: ASYNC110 - no event tells of it
        await anyio.sleep(0.01)
    await then()


def _ending(db: sqlite3.Connection) -> tuple[str, list[tuple[str, str]]]:
    state = db.execute("SELECT state FROM deliveries").fetchone()
    return state[0] if state else "", db.execute("SELECT what, detail FROM history ORDER BY id").fetchall()
