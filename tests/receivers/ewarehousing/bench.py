"""A vendor with scripted responses, and otherwise the examples of eWarehousing's documents (seed 004)."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec
from aiohttp import web
from aiohttp.test_utils import TestServer

from connector.receivers.base import Delivery
from connector.receivers.ewarehousing.receiver import EwarehousingReceiver
from connector.receivers.ewarehousing.settings import EwarehousingSettings
from connector.settings.values import Secret, Url

PASSWORD = "canary-password"
LOGIN, REFRESH, ORDERS = "/wms/auth/login/", "/wms/auth/refresh/", "/wms/orders/"

# Seed 004, "Create an order".
REQUEST: dict[str, Any] = {
    "external_reference": "WEB-10001",
    "external_id": "order-10001",
    "po_number": "PO-841612",
    "shipping_contactperson": "Warehouse Team",
    "shipping_email": "outbound@example.com",
    "requested_delivery_date": "2026-04-18",
    "note": "Leave the parcel at the front desk.",
    "customer_note": "Gift order",
    "language": "en",
    "currency": "EUR",
    "order_amount": 4599,
    "assured_amount": 4599,
    "meta_data": {"sales_channel": "webshop", "priority": "normal"},
    "shipping_address": {
        "addressed_to": "eWarehousing Solutions",
        "street": "Nijverheidsweg",
        "street_number": "27",
        "zipcode": "3331MB",
        "city": "Zwijndrecht",
        "country": "NL",
    },
    "order_lines": [
        {
            "article_code": "default_variant_b_id",
            "quantity": 2,
            "description": "Blue T-shirt size M",
            "price": 2299,
            "meta_data": {"gift_wrap": "true"},
        }
    ],
}
CREATED: dict[str, Any] = {
    "id": "8faf6cd6-28e7-4e44-a258-4e927d8e680c",
    "created_at": "2026-04-17T14:36:42+00:00",
    "requested_delivery_date": "2026-04-18T00:00:00+00:00",
    "customer": "be62c27e-2aac-4ac1-902e-f770d64f8dce",
    "external_reference": "WEB-10001",
    "external_id": "order-10001",
    "po_number": "PO-841612",
    "reference": "ORD00000005939",
    "status": "created",
    "shipping_method": "9eb93dd6-6929-4b91-8419-8a619a72905b",
    "language": "en",
    "note": "Leave the parcel at the front desk.",
    "customer_note": "Gift order",
    "order_amount": 4599,
    "assured_amount": 4599,
    "currency": "EUR",
}
# Seed 004, "List all orders".
LISTED: dict[str, Any] = {
    "id": "f9c392ac-6335-4828-85e2-fae7f82ff636",
    "created_at": "2021-11-12T14:05:43+00:00",
    "requested_delivery_date": "2018-11-19T00:00:00+00:00",
    "customer": "be62c27e-2aac-4ac1-902e-f770d64f8dce",
    "external_reference": "WEB-10001",
    "external_id": "order-10001",
    "po_number": "841612",
    "reference": "ORD00000000001",
    "status": "created",
    "shipping_method": "9eb93dd6-6929-4b91-8419-8a619a72905b",
    "currency": "EUR",
}
DELIVERY = Delivery("order-10001", msgspec.json.encode(REQUEST))

Listing = Callable[[dict[str, str]], Any]


class ManualClock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def now(self) -> datetime:
        """Return a wall clock that has nothing to do with the vendor's."""
        return datetime.fromtimestamp(self.seconds, UTC)

    def monotonic(self) -> float:
        """Return the seconds that the test has set."""
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        """Let the time pass at once."""
        self.seconds += seconds

    def uniform(self, low: float, high: float) -> float:
        """Return the longest wait, so that a paused endpoint stays paused."""
        return high


@dataclass
class Call:
    """One request as it was on the wire."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


@dataclass
class Vendor:
    """Returns the scripted responses, otherwise the seed's examples."""

    calls: list[Call] = field(default_factory=list)
    scripted: dict[tuple[str, str], deque[tuple[int, Any]]] = field(default_factory=dict)
    listing: Listing = lambda _query: [LISTED]
    life: int = 3600
    sessions: int = 0

    def script(self, method: str, path: str, *answers: tuple[int, Any]) -> None:
        """Answer the next calls of this kind so: bytes go out as they are, anything else as JSON."""
        self.scripted.setdefault((method, path), deque()).extend(answers)

    def sent(self, path: str) -> list[Call]:
        """Return the calls to `path`."""
        return [call for call in self.calls if call.path == path]

    async def handle(self, request: web.Request) -> web.Response:
        """Record the call and answer it."""
        call = Call(
            request.method, request.rel_url.raw_path, dict(request.query), dict(request.headers), await request.read()
        )
        self.calls.append(call)
        waiting = self.scripted.get((call.method, call.path))
        if waiting:
            return _response(*waiting.popleft())
        if call.path in (LOGIN, REFRESH):
            self.sessions += 1
            token, refresh_token = f"token-{self.sessions}", f"refresh-{self.sessions}"
            session = {"token": token, "iat": 10, "exp": 10 + self.life, "refresh_token": refresh_token}
            return _response(200, session)
        if call.method == "POST":
            return _response(201, CREATED)
        return _response(200, self.listing(call.query))


def _response(status: int, content: Any) -> web.Response:
    body = content if isinstance(content, bytes) else msgspec.json.encode(content)
    return web.Response(status=status, body=body, content_type="application/json")


@dataclass
class Bench:
    """A receiver, the vendor that it talks to, and the time."""

    receiver: EwarehousingReceiver
    vendor: Vendor
    clock: ManualClock


@asynccontextmanager
async def bench(listing: Listing | None = None) -> AsyncIterator[Bench]:
    """Serve a vendor on a real socket and point a receiver at it."""
    vendor, clock = Vendor(), ManualClock()
    if listing is not None:
        vendor.listing = listing
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", vendor.handle)
    async with TestServer(app) as server:
        settings = EwarehousingSettings(
            base_url=Url.parse(f"http://127.0.0.1:{server.port}"),
            username="someone",
            password=Secret(PASSWORD),
            wms_code="DEV",
            customer_code="C-1",
        )
        receiver = EwarehousingReceiver("warehouse", settings, clock)
        try:
            yield Bench(receiver, vendor, clock)
        finally:
            await receiver.aclose()
