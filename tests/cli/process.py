"""Runs the real command in a process of its own, between stand-in vendors inside the test."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from aiohttp import web

import connector
from connector.sandbox.ewarehousing.app import EwarehousingStandIn
from connector.sandbox.propeller.app import PropellerStandIn
from connector.sandbox.propeller.orders import propeller_orders
from connector.sandbox.server import Fault, StandIn, serving

__all__ = ["Ended", "Vendors", "ended", "is_create", "run", "said", "started"]

ROOT = Path(connector.__file__).parent.parent
PATIENCE = 40.0
"""Seconds after which a command that does not end has failed its test."""

SETTINGS = """
journal: connector.db
sources:
  shop:
    type: propeller
    base_url: {shop}
    client_id: sandbox
    client_secret: {client_secret}
    page_size: 50
    settle: {list_settles}
    retry: {{first: 50ms, longest: 200ms}}
receivers:
  warehouse:
    type: ewarehousing
    base_url: {warehouse}
    username: sandbox
    password: {password}
    wms_code: DEV
    customer_code: SANDBOX
    concurrency: 8
    settle: 1s
    retry: {{first: 50ms, longest: 200ms}}
routes:
  - source: shop
    receivers: [warehouse]
"""


class Ended(NamedTuple):
    """The exit code of a command, and its output."""

    code: int
    out: str
    err: str


@asynccontextmanager
async def started(*arguments: str, folder: Path, environ: Mapping[str, str] | None = None) -> AsyncIterator[Process]:
    """Start `connector ARGUMENTS` in `folder`; kill it if it still runs when the block is left."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "connector", *arguments),
        cwd=folder,
        env={"PATH": os.environ.get("PATH", ""), "PYTHONPATH": str(ROOT), **(environ or {})},
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def ended(process: Process, *, within: float = PATIENCE) -> Ended:
    """Wait for the end of `process`; fail if that takes longer than `within` seconds."""
    async with asyncio.timeout(within):
        out, err = await process.communicate()
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())


async def run(*arguments: str, folder: Path, environ: Mapping[str, str] | None = None) -> Ended:
    """Run `connector ARGUMENTS` in `folder` to its end."""
    async with started(*arguments, folder=folder, environ=environ) as process:
        return await ended(process)


async def said(process: Process, text: str) -> None:
    """Wait until `process` has logged a line with `text`; fail if it ends before."""
    assert process.stderr is not None
    async with asyncio.timeout(PATIENCE):
        async for line in process.stderr:
            if text in line.decode():
                return
    raise AssertionError(f"it ended without saying {text!r}")


def is_create(request: web.Request) -> bool:
    """Return whether a request creates an order at the warehouse."""
    return request.method == "POST" and request.path == "/wms/orders/"


class Vendors:
    """
    A shop and a warehouse; `serving` writes a settings.yaml with their addresses into `folder`.

    `list_settles` is the number of seconds by which the shop's list may lag behind its confirmations.
    """

    def __init__(
        self, folder: Path, orders: int, *, unique_reference: bool = True, list_settles: str = "30s", **kinds: int
    ) -> None:
        self.folder = folder
        self.list_settles = list_settles
        self.secrets = {"client_secret": "sandbox-secret", "password": "sandbox-secret"}
        self.shop = PropellerStandIn(propeller_orders(orders, **kinds))
        self.warehouse = EwarehousingStandIn(unique_reference=unique_reference)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Serve both vendors on free ports."""
        async with AsyncExitStack() as stack:
            addresses = [await stack.enter_async_context(serving(each)) for each in (self.shop, self.warehouse)]
            self.write(*addresses)
            yield

    def write(self, shop: str, warehouse: str) -> None:
        """Write settings.yaml with these addresses."""
        text = SETTINGS.format(shop=shop, warehouse=warehouse, list_settles=self.list_settles, **self.secrets)
        (self.folder / "settings.yaml").write_text(text, "utf-8")

    async def run_once(self, *more: str) -> Ended:
        """Run `connector run --once`."""
        return await run("run", "--once", *more, folder=self.folder)

    @property
    def created(self) -> Counter[str]:
        """The number of creates of each order, by external id."""
        return Counter(body["external_id"] for body in self.warehouse.created)

    @property
    def marked(self) -> Counter[int]:
        """The number of export marks of each order, by the shop's id."""
        return Counter(order_id for order_id, _ in self.shop.marked)

    @property
    def wanted(self) -> Counter[str]:
        """The external ids of all orders that can be delivered, each once."""
        return Counter(f"shop-{order_id}" for order_id, order in self.shop.orders.items() if _deliverable(order))

    @property
    def told(self) -> Counter[str]:
        """The external ids of the orders that the shop has as exported, each once."""
        exported = (key for key, order in self.shop.orders.items() if order["exportStatus"] == "exported")
        return Counter(f"shop-{order_id}" for order_id in exported)

    @property
    def writes(self) -> list[tuple[str, str]]:
        """Every request at a vendor that changes an order, applied or not."""
        calls = [(call.method, call.path) for each in (self.shop, self.warehouse) for call in each.history]
        return [call for call in calls if call[0] == "PATCH" or call == ("POST", "/wms/orders/")]

    def at_request(self, number: int, then: Callable[[], None], only: Callable[[web.Request], bool] = bool) -> None:
        """Call `then` before the response to the `number`th request from now on that `only` selects."""
        seen = 0

        def count(request: web.Request) -> bool:
            nonlocal seen
            seen += only(request)
            if only(request) and seen == number:
                then()
            return False

        standins: tuple[StandIn, ...] = (self.shop, self.warehouse)
        for standin in standins:
            standin.fault(Fault.HTML, on=count)  # it befalls none: only its question is wanted


def _deliverable(order: Mapping[str, Any]) -> bool:
    return bool(order["addresses"]) and order["type"] != "quotation"
