"""The stand-in vendors of docs/extending.md: a shop that lists orders, and an ERP system that takes them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from aiohttp import web

from connector.sandbox.server import StandIn, decode, reply

__all__ = ["KEY", "ErpStandIn", "ShopStandIn", "shop_order"]

KEY = "canary-key-of-the-example"
"""Opens nothing but these stand-ins."""


def shop_order(order_id: str) -> dict[str, Any]:
    """Return an order of the shop."""
    return {
        "id": order_id,
        "created_at": "2026-03-24T09:26:07Z",
        "ship_to": {
            "name": "Voorbeeld B.V.",
            "street": "Keizersgracht 100",
            "postal_code": "1015 AA",
            "city": "Amsterdam",
            "country": "NL",
        },
        "items": [{"sku": "A-1", "quantity": 2, "name": "article"}, {"sku": "B-2", "quantity": 0.5}],
    }


class _KeyedStandIn(StandIn):
    """A vendor that is called with a key."""

    def answer(self, request: web.Request, body: bytes) -> web.Response:
        """Check the key, then carry out the call."""
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            return self.unauthorized()
        return self.carried_out(request, body)

    def carried_out(self, request: web.Request, body: bytes) -> web.Response:
        """Carry out one call."""
        raise NotImplementedError

    def unauthorized(self) -> web.Response:
        """Return the 401 for a wrong key."""
        return reply(401, {"error": "unknown key"})


class ShopStandIn(_KeyedStandIn):
    """Lists the orders that are not exported, and takes marks; `marked` counts them."""

    def __init__(self, ids: Iterable[str]) -> None:
        super().__init__()
        self.orders = {order_id: shop_order(order_id) for order_id in ids}
        self.marked: Counter[str] = Counter()

    def carried_out(self, request: web.Request, body: bytes) -> web.Response:
        """List a page, or mark orders."""
        match request.method, request.path:
            case "GET", "/orders":
                size, page = int(request.query["size"]), int(request.query["page"])
                feed = [order for order_id, order in self.orders.items() if order_id not in self.marked]
                return reply(200, {"orders": feed[page * size : (page + 1) * size], "total": len(feed)})
            case "POST", "/exports":
                marks = decode(body)
                self.marked.update(mark["id"] for mark in marks)
                return reply(200, [{"id": mark["id"], "exported": True} for mark in marks])
        return reply(404, {"error": "no such call"})


class ErpStandIn(_KeyedStandIn):
    """Takes orders and refuses duplicates; `fuzzy` lists everything that begins with the external id, too."""

    def __init__(self, *, fuzzy: bool = False) -> None:
        super().__init__()
        self.records: list[dict[str, str]] = []
        self.fuzzy = fuzzy

    def put(self, external_id: str, status: str = "received") -> dict[str, str]:
        """Hold another record."""
        record = {"id": f"E-{len(self.records) + 1}", "external_id": external_id, "status": status}
        self.records.append(record)
        return record

    def carried_out(self, request: web.Request, body: bytes) -> web.Response:
        """Look an order up, or create one."""
        match request.method, request.path:
            case "GET", "/orders":
                wanted = request.query["external_id"]
                found = [
                    record
                    for record in self.records
                    if record["external_id"] == wanted or (self.fuzzy and record["external_id"].startswith(wanted))
                ]
                return reply(200, found)
            case "POST", "/orders":
                external_id = decode(body)["external_id"]
                if any(record["external_id"] == external_id for record in self.records):
                    return reply(409, {"error": "this order is here already"})
                return reply(201, self.put(external_id))
        return reply(404, {"error": "no such call"})
