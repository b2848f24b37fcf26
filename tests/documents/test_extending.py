"""The source and the receiver of docs/extending.md keep the contracts, and deliver orders as plugins."""

from __future__ import annotations

import importlib.util
import sys
import tomllib
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import anyio
import msgspec
import pytest
from aiohttp import web

from connector import Connector, load_settings, registry
from connector.clock import SystemClock
from connector.sandbox.server import Fault, serving
from connector.settings import Secret, Url
from connector.sources.base import Source
from tests.contracts.receiver import ReceiverContract
from tests.contracts.receiver_harness import Call, Harness, Vendor
from tests.contracts.source import SourceContract
from tests.contracts.source_harness import Call as SourceCall
from tests.contracts.source_harness import SourceHarness, closed_port, numbers
from tests.documents.extracted import block
from tests.documents.vendors import KEY, ErpStandIn, ShopStandIn, shop_order

PAGE = "docs/extending.md"


def module(name: str, mark: str) -> ModuleType:
    """Import a code block of the page as the module `name`."""
    spec = importlib.util.spec_from_loader(name, loader=None)
    assert spec is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules[name] = made
    exec(compile(block(PAGE, mark), f"{PAGE}:{name}", "exec"), made.__dict__)  # noqa: S102 - our own document
    return made


shop = module("example_shop", "source")
erp = module("example_erp", "receiver")


class ShopHarness(SourceHarness):
    """The source of the page, and the shop's stand-in."""

    CALLS: ClassVar[dict[str, SourceCall]] = {"/orders": "fetch", "/exports": "ack"}

    def __init__(self, standin: ShopStandIn, base_url: str) -> None:
        self.standin = standin
        settings = shop.ShopSettings(base_url=Url(base_url), api_key=Secret(KEY), page_size=10)
        self.source = shop.ExampleShop("shop", settings, SystemClock())

    @property
    def secrets(self) -> tuple[str, ...]:
        """Return the key."""
        return (KEY,)

    def acknowledged(self) -> list[str]:
        """Return the marks, each as often as it was made."""
        return list(self.standin.marked.elements())

    def spoil(self, order_id: str) -> None:
        """Write text in the place of the order's rows."""
        self.standin.orders[order_id]["items"] = "none"

    def fault(self, call: SourceCall, fault: Fault, *, times: int = 1) -> None:
        """Plan a fault."""
        self.standin.fault(fault, times=times, on=lambda request: self.CALLS.get(request.path) == call)


class TestExampleShop(SourceContract):
    """The contract of sources, for the example shop."""

    source: ClassVar[type[Any]] = shop.ExampleShop
    page_limit: ClassVar[int] = 10

    @asynccontextmanager
    async def make(self, ids: list[str], *, up: bool = True) -> AsyncIterator[SourceHarness]:
        """Serve the stand-in, or leave it down."""
        standin = ShopStandIn(ids)
        async with AsyncExitStack() as stack:
            if up:
                base_url = await stack.enter_async_context(serving(standin))
            else:
                base_url = stack.enter_context(closed_port())
            harness = ShopHarness(standin, base_url)
            stack.push_async_callback(harness.source.aclose)
            yield harness

    def offline(self) -> Source:
        """Return a source that makes no call."""
        return ShopHarness(ShopStandIn(()), "http://127.0.0.1:1").source

    def sample(self) -> bytes:
        """Return an order with every field."""
        return msgspec.json.encode(shop_order("1"))


@dataclass
class Scripted:
    """A response that waits for its call."""

    call: Call
    status: int
    body: bytes
    applied: bool
    times: int
    echo: bool


class ScriptedErp(ErpStandIn):
    """The ERP system's stand-in, with responses that a test scripted."""

    CALLS: ClassVar[dict[str, Call]] = {"POST": "create", "GET": "find"}

    def __init__(self, vendor: Vendor) -> None:
        super().__init__(fuzzy=vendor.fuzzy)
        self.scripted: list[Scripted] = []

    def carried_out(self, request: web.Request, body: bytes) -> web.Response:
        """Give the oldest scripted response for this kind of call, else the stand-in's own."""
        for script in self.scripted:
            if script.times and script.call == self.CALLS.get(request.method):
                script.times -= 1
                if script.applied:
                    super().carried_out(request, body)
                said = script.body + (repr(dict(request.headers)).encode() + body if script.echo else b"")
                headers = {"Retry-After": "7"} if script.status == 429 else {}
                return web.Response(status=script.status, body=said, headers=headers)
        return super().carried_out(request, body)


class ErpHarness(Harness):
    """The receiver of the page, and the ERP system's stand-in."""

    def __init__(self, standin: ScriptedErp, base_url: str) -> None:
        self.standin = standin
        settings = erp.ErpSettings(base_url=Url(base_url), api_key=Secret(KEY))
        self.receiver = erp.ExampleErp("erp", settings, SystemClock())

    @property
    def secrets(self) -> tuple[str, ...]:
        """Return the key."""
        return (KEY,)

    def ids(self, external_id: str) -> list[str]:
        """Return the stand-in's ids."""
        return [record["id"] for record in self.standin.records if record["external_id"] == external_id]

    def put(self, external_id: str, *, cancelled: bool = False) -> str:
        """Put a record into the stand-in."""
        return self.standin.put(external_id, "cancelled" if cancelled else "received")["id"]

    def requests(self, call: Call) -> int:
        """Count in the stand-in's history."""
        return sum(self.standin.CALLS.get(one.method) == call for one in self.standin.history)

    def lose(self, call: Call, *, applied: bool) -> None:
        """Plan a fault."""
        fault = Fault.LOSE_ANSWER if applied else Fault.LOSE_REQUEST
        self.standin.fault(fault, on=lambda request: self.standin.CALLS.get(request.method) == call)

    def answer(
        self, call: Call, status: int, body: bytes = b"", *, applied: bool = False, times: int = 1, echo: bool = False
    ) -> None:
        """Script a response."""
        self.standin.scripted.append(Scripted(call, status, body, applied, times, echo))

    def refusal(self, reason: str) -> bytes:
        """Return the reason as plain text."""
        return reason.encode()

    def created(self, external_id: str) -> bytes:
        """Return the record of another order."""
        return msgspec.json.encode({"id": "E-1", "external_id": external_id})


class TestExampleErp(ReceiverContract):
    """The contract of receivers, for the example ERP system."""

    receiver: ClassVar[type[Any]] = erp.ExampleErp
    logs_in: ClassVar[bool] = False

    @asynccontextmanager
    async def make(self, vendor: Vendor) -> AsyncIterator[Harness]:
        """Serve the stand-in, or leave it down."""
        standin = ScriptedErp(vendor)
        async with AsyncExitStack() as stack:
            if vendor.up:
                base_url = await stack.enter_async_context(serving(standin))
            else:
                base_url = stack.enter_context(closed_port())
            harness = ErpHarness(standin, base_url)
            stack.push_async_callback(harness.receiver.aclose)
            yield harness


async def test_the_examples_deliver_orders_as_plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the page's entry points and settings, each order is created once and acknowledged once."""
    groups = tomllib.loads(block(PAGE, "entry points"))["project"]["entry-points"]

    def entry_points(*, group: str) -> list[EntryPoint]:
        return [EntryPoint(name, value, group) for name, value in groups[group].items()]

    monkeypatch.setattr(registry, "entry_points", entry_points)
    (tmp_path / "settings.yaml").write_text(block(PAGE, "settings"), "utf-8")
    ids = numbers(120)
    orders, records = ShopStandIn(ids), ErpStandIn()
    async with serving(orders) as shop_url, serving(records) as erp_url:
        environ = {"SHOP_URL": shop_url, "SHOP_KEY": KEY, "ERP_URL": erp_url, "ERP_KEY": KEY}
        connector = Connector(load_settings(tmp_path / "settings.yaml", environ))
        async with connector, anyio.create_task_group() as tg:
            tg.start_soon(connector.run)
            with anyio.fail_after(30):
                drained = await connector.drain()
            connector.stop()

    assert {} == dict(drained.failed)
    assert Counter(f"shop-{order_id}" for order_id in ids) == Counter(each["external_id"] for each in records.records)
    assert Counter(ids) == orders.marked
