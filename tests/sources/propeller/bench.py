"""Propeller for the contract of all sources: the stand-in at the end of a real socket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from aiohttp import web
from aioresponses import aioresponses

from connector.clock import SystemClock
from connector.sandbox.propeller.app import PropellerStandIn
from connector.sandbox.propeller.orders import seed_order
from connector.sandbox.server import Fault, encode, serving
from connector.settings.values import Secret, Url
from connector.sources.base import FeedItem
from connector.sources.propeller.settings import PropellerSettings
from connector.sources.propeller.source import PropellerSource
from tests.contracts.source_harness import Call, SourceHarness, closed_port

__all__ = ["BASE", "SEARCH", "TOKEN", "PropellerHarness", "bodies", "found", "listed", "order", "propeller", "walk"]

BASE = "https://api.helice.cloud"
SEARCH = f"{BASE}/v2/orders/search?expands=ORDER_ITEMS,ADDRESSES"
TOKEN = Secret("token-of-the-tenant")

CLIENT_SECRET = "sandbox-secret"
PATHS: dict[Call, str] = {"fetch": "/v2/orders/search", "ack": "/v2/orders/id/"}


class PropellerHarness(SourceHarness):
    """The source, and the stand-in that holds its orders."""

    def __init__(self, source: PropellerSource, vendor: PropellerStandIn) -> None:
        self.source: PropellerSource = source
        self.vendor = vendor

    @property
    def secrets(self) -> tuple[str, ...]:
        """Return the client's secret, and every token that was used."""
        used = {call.headers.get("authorization", "").rpartition(" ")[2] for call in self.vendor.history}
        return (CLIENT_SECRET, *(used - {""}))

    def acknowledged(self) -> list[str]:
        """Return the ids of the marks that were applied."""
        return [str(order_id) for order_id, _ in self.vendor.marked]

    def spoil(self, order_id: str) -> None:
        """Give the order a quantity in words."""
        self.vendor.orders[int(order_id)]["items"][0]["quantity"] = "two"

    def fault(self, call: Call, fault: Fault, *, times: int = 1) -> None:
        """Let `fault` befall searches or marks."""

        def on(request: web.Request) -> bool:
            return request.path.startswith(PATHS[call])

        self.vendor.fault(fault, times=times, on=on)


def order(order_id: str | int, **changes: Any) -> dict[str, Any]:
    """Return the seed's order under another id."""
    return {**seed_order(), "id": int(order_id), **changes}


def listed(changes: dict[str, Any]) -> bytes:
    """Return the seed's order as the feed lists it, with `changes`."""
    return encode({**seed_order(), **changes})


@asynccontextmanager
async def propeller(
    orders: Iterable[dict[str, Any]], *, up: bool = True, largest_page: int = 100, **settings: Any
) -> AsyncIterator[PropellerHarness]:
    """Serve `orders` and point a source at them."""
    vendor = PropellerStandIn(orders, largest_page=largest_page)
    async with serving(vendor) as base:
        with closed_port() as closed:
            given = {"client_id": "sandbox", "client_secret": Secret(CLIENT_SECRET), "page_size": 5, **settings}
            made = PropellerSettings(base_url=Url(base if up else closed), **given)
            source = PropellerSource("shop", made, SystemClock())
            try:
                yield PropellerHarness(source, vendor)
            finally:
                await source.aclose()


def found(*items: Any, **changes: Any) -> dict[str, Any]:
    """Return a page of the search as the seed shows it."""
    page = {"items": list(items), "itemsFound": len(items), "offset": 50, "page": 1, "pages": 1}
    return {key: value for key, value in {**page, **changes}.items() if value is not ...}


async def walk(tenant: PropellerSource) -> list[FeedItem]:
    """Walk the feed once."""
    return [item async for page in tenant.fetch(lambda: 0) for item in page.items]


def bodies(vendor: aioresponses, method: str) -> list[Any]:
    """Return the bodies that were sent."""
    return [
        msgspec.json.decode(call.kwargs["data"])
        for (verb, _), calls in vendor.requests.items()
        for call in calls
        if verb == method
    ]
