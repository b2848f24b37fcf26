"""Four vendors, the orders that they must hold in the end, and the faults if they do not."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from aiohttp import web

from connector.order import external_id
from connector.sandbox.ewarehousing.app import EwarehousingStandIn
from connector.sandbox.propeller.app import PropellerStandIn
from connector.sandbox.propeller.orders import propeller_orders
from connector.sandbox.server import StandIn, decode, serving
from connector.sandbox.traede.app import TraedeStandIn
from connector.sandbox.traede.orders import traede_orders
from connector.sandbox.zendera.app import ZenderaStandIn
from connector.sandbox.zendera.shipments import zendera_shipments
from tests.processes.gate import Call, Gate
from tests.processes.launch import to_its_end

__all__ = ["Verdict", "World", "finished", "unsound"]

SETTINGS = """
journal: {journal}
server: {{host: 127.0.0.1, port: {port}}}
sources:
  shop:
    type: propeller
    base_url: {shop}
    client_id: sandbox
    client_secret: sandbox-secret
    page_size: 20
    {quick}
  wholesale:
    type: traede_orders
    base_url: {wholesale}
    token: sandbox-token
    app_key: sandbox-app-key
    system_id: erp
    regulate_inventory: true
    {quick}
  transport:
    type: zendera
    base_url: {transport}/api
    api_key: sandbox-key
    {quick}
receivers:
  warehouse:
    type: ewarehousing
    base_url: {warehouse}
    username: sandbox
    password: sandbox-secret
    wms_code: DEV
    customer_code: SANDBOX
    concurrency: 4
    settle: 1s
    retry: {{first: 20ms, longest: 100ms}}
routes:
  - {{source: shop, receivers: [warehouse]}}
  - {{source: wholesale, receivers: [warehouse]}}
  - {{source: transport, receivers: [warehouse]}}
"""
QUICK = """poll_interval: 100ms
    ack_interval: 20ms
    settle: 1s
    retry: {first: 20ms, longest: 100ms}"""

NAMELESS_EVERY = 6
"""One in so many of the carrier's orders has no address: it fails, and a failure is a strike."""


@dataclass
class Verdict:
    """The faults, each with its name; nothing, if all is well. `orders` counts the orders that were checked."""

    orders: int = 0
    lost: list[str] = field(default_factory=list)
    """Not at the receiver."""
    doubled: list[str] = field(default_factory=list)
    """At the receiver more than once, or although it cannot be delivered."""
    untold: list[str] = field(default_factory=list)
    """Its source did not get its acknowledgement."""
    unfounded: list[str] = field(default_factory=list)
    """Its source got `exported` before the receiver had it, or `failed` although it had."""
    regulated_twice: list[str] = field(default_factory=list)
    struck_twice: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    """The journal has it in a state in which nothing should be left."""
    unsound: list[str] = field(default_factory=list)
    """SQLite's findings about the file."""

    @property
    def good(self) -> bool:
        """True if nothing is wrong."""
        return not self.wrong

    @property
    def kinds(self) -> dict[str, list[str]]:
        """The faults by kind; kinds without any are there, too."""
        return {each.name: getattr(self, each.name) for each in fields(self) if each.name != "orders"}

    @property
    def wrong(self) -> dict[str, list[str]]:
        """The kinds of which there is something."""
        return {name: found for name, found in self.kinds.items() if found}


class World:
    """
    A shop, a wholesaler whose stock is moved by each mark, a carrier, and a warehouse that takes an order twice.

    Each gets its orders bit by bit, by `more`; at most `most` times. `serving` serves them, and puts a settings.yaml
    that leads to them into `folder`; `port` is where the connector serves its health. `witness`: its journal has one.
    """

    def __init__(self, folder: Path, *, most: int = 40, each: int = 6, port: int = 0, witness: bool = False) -> None:
        self.folder = folder
        self.journal = folder / "connector.db"
        self.witness = witness
        self.shop = PropellerStandIn()
        self.wholesale = TraedeStandIn()
        self.transport = ZenderaStandIn()
        self.warehouse = EwarehousingStandIn(unique_reference=False)
        self.port = port
        self.gate = Gate(self._witness)
        self.standins: tuple[StandIn, ...] = (self.shop, self.wholesale, self.transport, self.warehouse)
        for standin in self.standins:
            self.gate.put_before(standin)
        self._unfounded: list[str] = []
        self._each = each
        self._shop = iter(propeller_orders(most * each))
        self._wholesale = iter(traede_orders(most * (each // 2)))
        few = most * (each // 2)
        self._transport = _by_order(zendera_shipments(few, without_address=few // NAMELESS_EVERY))

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Serve all of them, on free ports."""
        async with AsyncExitStack() as stack:
            names = ("shop", "wholesale", "transport", "warehouse")
            addresses = [await stack.enter_async_context(serving(each)) for each in self.standins]
            text = SETTINGS.format(
                journal=self.journal, port=self.port, quick=QUICK, **dict(zip(names, addresses, strict=True))
            )
            if self.witness:
                text += "witness: elsewhere/seen\n"
                (self.folder / "elsewhere").mkdir(exist_ok=True)
            (self.folder / "settings.yaml").write_text(text, "utf-8")
            yield

    def more(self) -> None:
        """Let some more orders be placed with each of the three."""
        for _ in range(self._each):
            self.shop.add(next(self._shop))
        for _ in range(self._each // 2):
            order = next(self._wholesale)
            self.wholesale.orders[order["order_id"]] = order
            self.transport.shipments += next(self._transport)

    @property
    def writes(self) -> int:
        """The number of requests that reached a vendor and would change something there."""
        calls = [call for each in self.standins for call in each.history]
        return sum(call.method == "PATCH" or call.path.endswith(WRITTEN) for call in calls if call.method != "GET")

    def deliverable(self) -> dict[str, bool]:
        """Return every order by its external id, with whether it can be delivered."""
        found = {external_id("shop", str(each)): True for each in self.shop.orders}
        found |= {external_id("wholesale", str(each)): True for each in self.wholesale.orders}
        for each in self.transport.shipments:
            found[external_id("transport", str(each["orderId"]))] = bool(each["delivery"]["address"])
        return found

    def exported(self) -> set[str]:
        """Return the external ids of the orders that their sources hold for exported."""
        shop = {str(key) for key, order in self.shop.orders.items() if order["exportStatus"] == "exported"}
        wholesale = {str(key) for _, _, key in self.wholesale.exported}
        told = (("shop", shop), ("wholesale", wholesale), ("transport", self.transport.exported))
        return {external_id(name, each) for name, ids in told for each in ids}

    def verdict(self) -> Verdict:
        """Compare the vendors' orders with the expected ones, and check the journal; no process may have it open."""
        there = Counter(order["external_id"] for order in self.warehouse.orders.values())
        deliverable, exported = self.deliverable(), self.exported()
        strikes = {external_id("transport", each): count for each, count in self.transport.strikes.items() if count}
        found = Verdict(orders=len(deliverable), unfounded=list(self._unfounded))
        for each, good in deliverable.items():
            if good and not there[each]:
                found.lost.append(each)
            if there[each] > good:
                found.doubled.append(each)
            if each not in exported if good else each not in strikes:
                found.untold.append(each)
            if good and each in strikes:
                found.unfounded.append(each)
        found.regulated_twice += [str(each) for each, count in self.wholesale.regulated.items() if count > 1]
        found.struck_twice += [each for each, count in strikes.items() if count > 1]
        found.stuck += stuck(self.journal)
        found.unsound += unsound(self.journal)
        return found

    def _witness(self, _request: web.Request, call: Call, body: bytes) -> None:
        """Check that no source receives a false acknowledgement."""
        if call != "tell":
            return
        for each, good in _told(_request, body):
            if good != bool(self.warehouse.by_external_id(each)):
                self._unfounded.append(each)


WRITTEN = ("/wms/orders/", "/mark-as-exported", "/export/status")


def _told(request: web.Request, body: bytes) -> Iterator[tuple[str, bool]]:
    """Yield the acknowledgements in a request: external ids, and if each is exported."""
    if request.method == "PATCH":
        yield external_id("shop", request.path.rpartition("/")[2]), True
        return
    content = decode(body)
    for mark in content.get("orders", ()):
        yield external_id("wholesale", str(mark["order_id"])), True
    for entry in content.get("create", ()):
        yield external_id("transport", str(entry["orderId"])), entry["status"] != "FAILED"


def _by_order(shipments: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    orders: dict[int, list[dict[str, Any]]] = {}
    for shipment in shipments:
        orders.setdefault(shipment["orderId"], []).append(shipment)
    return iter(orders.values())


async def finished(world: World) -> list[str]:
    """Let a connector do the remaining work, and another one see that there is none; return their faults."""
    complaints = []
    for rest in ("", "that had nothing to do "):
        before = world.writes
        try:
            code = await to_its_end(world.folder, "run", "--once")
        except TimeoutError:
            complaints.append(f"a run {rest}that nobody disturbed did not come to its end")
            continue
        if code not in (0, 1):  # 1: there are orders without an address
            complaints.append(f"a run {rest}that nobody disturbed ended with {code}")
        if rest and world.writes != before:
            complaints.append(f"a run {rest}made {world.writes - before} writes")
    return complaints


def stuck(journal: Path) -> list[str]:
    """Return the orders of `journal` that are not at a good end, each with where it stands."""
    with closing(sqlite3.connect(f"file:{journal}?mode=ro", uri=True)) as db:
        return [
            f"{order}: {state}, {ack}"
            for order, state, ack in db.execute(
                "SELECT external_id, state, ack_state FROM deliveries JOIN orders USING (key)"
                " WHERE state NOT IN ('delivered', 'rejected') OR ack_state <> 'confirmed'"
            )
        ]


def unsound(journal: Path) -> list[str]:
    """Return SQLite's findings about the file."""
    with closing(sqlite3.connect(f"file:{journal}?mode=ro", uri=True)) as db:
        return [text for (text,) in db.execute("PRAGMA integrity_check") if text != "ok"]
