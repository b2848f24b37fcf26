"""Calls to the stand-in for eWarehousing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import msgspec

from connector.sandbox.ewarehousing.app import EwarehousingStandIn
from connector.sandbox.server import serving

ORDERS = "/wms/orders/"
CODES = {"X-Wms-Code": "DEV", "X-Customer-Code": "SANDBOX"}
CREDENTIALS = {"username": "sandbox", "password": "sandbox-secret"}
CREATE = msgspec.json.decode(
    b"""{
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
    "country": "NL"
  },
  "order_lines": [
    {
      "article_code": "default_variant_b_id",
      "quantity": 2,
      "description": "Blue T-shirt size M",
      "price": 2299,
      "meta_data": {"gift_wrap": "true"}
    }
  ]
}"""
)
"""The request example of seed 004, "Create an order"."""


class Clock:
    """A clock that a test advances."""

    def __init__(self) -> None:
        self.time = datetime(2026, 4, 17, 14, 36, 42, tzinfo=UTC)

    def __call__(self) -> datetime:
        """Return the current time of the clock."""
        return self.time

    def move(self, seconds: float) -> None:
        """Advance the clock by `seconds`."""
        self.time += timedelta(seconds=seconds)


@asynccontextmanager
async def client(standin: EwarehousingStandIn) -> AsyncIterator[aiohttp.ClientSession]:
    """Serve `standin` and yield a logged-in session at its address."""
    async with serving(standin) as url, aiohttp.ClientSession(url, headers=CODES) as session:
        status, login = await call(session, "POST", "/wms/auth/login/", CREDENTIALS)
        assert status == 200
        session.headers["Authorization"] = f"Bearer {login['token']}"
        yield session


async def call(
    session: aiohttp.ClientSession, method: str, path: str, body: Any = None, **headers: str
) -> tuple[int, Any]:
    """Make one call and return its status and content."""
    async with session.request(method, path, json=body, headers=headers, allow_redirects=False) as response:
        content = await response.read()
        return response.status, msgspec.json.decode(content) if content else None


def order(number: int = 1, **changes: Any) -> dict[str, Any]:
    """Return the seed's create with the number `number`."""
    identity = {"external_reference": f"WEB-{number}", "external_id": f"order-{number}"}
    return {**CREATE, **identity, **changes}


def without(name: str, **changes: Any) -> dict[str, Any]:
    """Return the seed's create without one of its fields."""
    return {key: value for key, value in order(**changes).items() if key != name}


async def listed(session: aiohttp.ClientSession, query: str = "") -> list[str]:
    """Return the external ids of a list."""
    status, orders = await call(session, "GET", f"{ORDERS}?{query}")
    assert status == 200, orders
    return [order["external_id"] for order in orders]
