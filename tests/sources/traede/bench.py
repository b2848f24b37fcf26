"""Traede for the contract of all sources: the stand-in at the end of a real socket, for either export."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
from aiohttp import web

from connector.clock import SystemClock
from connector.sandbox.server import Call as Seen
from connector.sandbox.server import Fault, serving
from connector.sandbox.traede.app import TraedeStandIn
from connector.sandbox.traede.orders import production_orders, traede_orders
from connector.settings.values import Secret, Url
from connector.sources.base import Acknowledgement, FeedItem, SupportsAckLookup, SupportsReplay
from connector.sources.traede.settings import TraedeOrdersSettings, TraedeProductionOrdersSettings
from connector.sources.traede.source import TraedeOrders, TraedeProductionOrders
from tests.contracts.source_harness import Call, SourceHarness, closed_port

__all__ = [
    "BASE",
    "KEYS",
    "Export",
    "TraedeHarness",
    "marks",
    "order",
    "production_order",
    "queries",
    "settings",
    "source",
    "told",
    "traede",
]

BASE = "https://api.traede.com"
TOKEN, APP_KEY = "sandbox-token", "sandbox-app-key"
KEYS: dict[str, Any] = {"token": Secret(TOKEN), "app_key": Secret(APP_KEY), "system_id": "erp"}

Export = Literal["orders", "production-orders"]
PATHS: dict[Call, str] = {"fetch": "export", "ack": "mark-as-exported"}


class TraedeHarness(SourceHarness):
    """The source, and the stand-in that holds its orders."""

    def __init__(self, made: Any, vendor: TraedeStandIn, export: Export) -> None:
        self.source = made
        self.vendor = vendor
        self.export = export

    @property
    def held(self) -> dict[int, dict[str, Any]]:
        """Return the vendor's orders of this export."""
        return self.vendor.orders if self.export == "orders" else self.vendor.production_orders

    @property
    def secrets(self) -> tuple[str, ...]:
        """Return both keys."""
        return TOKEN, APP_KEY

    def acknowledged(self) -> list[str]:
        """Return the ids of the marks that were applied."""
        return [str(mark.get("order_id", mark.get("production_order_id"))) for _, mark in self.vendor.marked]

    def spoil(self, order_id: str) -> None:
        """Give the order a quantity in words, whatever it is called."""
        self.held[int(order_id)]["lines"][0] |= {"quantity": "two", "ordered": "two"}

    def fault(self, call: Call, fault: Fault, *, times: int = 1) -> None:
        """Let `fault` befall exports or marks."""

        def on(request: web.Request) -> bool:
            return request.path.endswith(PATHS[call])

        self.vendor.fault(fault, times=times, on=on)

    async def known(self, acks: Sequence[Acknowledgement]) -> Mapping[str, bool]:
        """Read acknowledgements back."""
        assert isinstance(self.source, SupportsAckLookup)
        return await self.source.is_acknowledged(acks)

    async def refetched(self, since: Any) -> list[FeedItem]:
        """Poll the orders exported since then as well."""
        assert isinstance(self.source, SupportsReplay)
        return [item async for page in self.source.refetch(since) for item in page.items]


def order(order_id: str | int, **changes: Any) -> dict[str, Any]:
    """Return an order of the stand-in under another id."""
    return {**traede_orders(1)[0], "order_id": int(order_id), **changes}


def production_order(order_id: str | int, **changes: Any) -> dict[str, Any]:
    """Return a production order of the stand-in under another id."""
    return {**production_orders(1)[0], "production_order_id": int(order_id), **changes}


def settings(export: Export = "orders", **changes: Any) -> Any:
    """Return settings with both keys and a system, and `changes`."""
    if export == "orders":
        return TraedeOrdersSettings(**{**KEYS, "regulate_inventory": False, **changes})
    return TraedeProductionOrdersSettings(**{**KEYS, **changes})


def source(export: Export = "orders", name: str = "wholesale", **changes: Any) -> Any:
    """Return a source; it makes no call by itself."""
    made = settings(export, **changes)
    kind: Callable[..., Any] = TraedeOrders if export == "orders" else TraedeProductionOrders
    return kind(name, made, SystemClock())


@asynccontextmanager
async def traede(
    held: Iterable[dict[str, Any]], export: Export = "orders", *, up: bool = True, pages: bool = True, **changes: Any
) -> AsyncIterator[TraedeHarness]:
    """Serve these orders and point a source at them; `pages=False` is a vendor that ignores the paging."""
    given: dict[str, Any] = {"orders" if export == "orders" else "production_orders": held}
    vendor = TraedeStandIn(**given, pages=pages)
    async with serving(vendor) as base:
        with closed_port() as closed:
            made = source(export, base_url=Url(base if up else closed), **changes)
            try:
                yield TraedeHarness(made, vendor, export)
            finally:
                await made.aclose()


def told(
    order_id: str, outcome: Literal["exported", "failed"] = "exported", message: str = "erp: 1"
) -> Acknowledgement:
    """Return the acknowledgement of an order."""
    return Acknowledgement(key=1, order_id=order_id, outcome=outcome, at=datetime.now(UTC), message=message)


def queries(vendor: TraedeStandIn) -> list[list[tuple[str, str]]]:
    """Return the query of every export, in order."""
    return [call.query for call in vendor.history if call.method == "GET"]


def marks(vendor: TraedeStandIn) -> list[Any]:
    """Return the body of every mark that reached the vendor, in order."""
    return [_body(call) for call in vendor.history if call.method == "POST"]


def _body(call: Seen) -> Any:
    return msgspec.json.decode(call.body)
