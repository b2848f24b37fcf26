"""A receiver of eWarehousing before its stand-in, for the calls after the create."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from aiohttp import web

from connector.clock import SystemClock
from connector.receivers.base import Delivery
from connector.receivers.ewarehousing.receiver import EwarehousingReceiver
from connector.receivers.ewarehousing.settings import EwarehousingSettings
from connector.sandbox.ewarehousing.app import EwarehousingStandIn
from connector.sandbox.server import serving
from connector.settings.values import Secret, Url
from tests.clients.ewarehousing.bench import ORDERS
from tests.receivers.ewarehousing.bench import REQUEST

__all__ = ["LATE", "OPEN", "delivery", "lines", "on", "sent", "warehouse"]

LATE = ["processing", "shipped", "cancelled", "on_hold", "backorder", "something_new"]
OPEN = ["created", "planned", "invalid_address"]


def on(method: str, ending: str) -> Callable[[web.Request], bool]:
    """Return a predicate for the requests of one kind."""
    return lambda request: request.method == method and request.path.endswith(ending)


def delivery(number: int = 1, **changes: Any) -> Delivery:
    """Return the seed's order as the pipeline hands it over, without prices: no answer shows them."""
    line = {key: value for key, value in REQUEST["order_lines"][0].items() if key != "price"}
    identity = {"external_reference": f"order-{number}", "external_id": f"order-{number}"}
    body = {**REQUEST, **identity, "order_lines": [line], **changes}
    return Delivery(f"order-{number}", msgspec.json.encode(body))


def lines(*quantities: int, **changes: Any) -> list[dict[str, Any]]:
    """Return order lines of different articles."""
    return [
        {"article_code": f"A-{number}", "quantity": quantity, "description": "x", **changes}
        for number, quantity in enumerate(quantities)
    ]


@asynccontextmanager
async def warehouse(**how: Any) -> AsyncIterator[tuple[EwarehousingReceiver, EwarehousingStandIn]]:
    """Point a receiver at a stand-in."""
    standin = EwarehousingStandIn(**how)
    async with serving(standin) as base_url:
        settings = EwarehousingSettings(
            base_url=Url.parse(base_url),
            username="sandbox",
            password=Secret("sandbox-secret"),
            wms_code="DEV",
            customer_code="SANDBOX",
        )
        receiver = EwarehousingReceiver("warehouse", settings, SystemClock())
        try:
            yield receiver, standin
        finally:
            await receiver.aclose()


def sent(standin: EwarehousingStandIn, method: str, ending: str = "/") -> list[Any]:
    """Return the bodies of the calls of one kind that reached the vendor."""
    return [
        msgspec.json.decode(call.body) if call.body else None
        for call in standin.history
        if call.method == method and call.path.startswith(ORDERS) and call.path.endswith(ending)
    ]
