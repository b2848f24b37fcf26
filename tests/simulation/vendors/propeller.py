"""Propeller in the simulation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from aiohttp import web

from connector.sandbox.propeller.app import PropellerStandIn
from connector.sandbox.propeller.orders import propeller_orders
from connector.sandbox.server import decode, reply
from tests.simulation.vendors.base import Act, Request, Truth
from tests.simulation.vendors.content import odd, unfinished

__all__ = ["Propeller"]


@cache
def _templates() -> list[dict[str, Any]]:
    return propeller_orders(12, seed=7)


class Propeller(PropellerStandIn):
    """A tenant, whose pages may list an order twice (`doubles`). A mark is about one order: none is left out."""

    def __init__(self, name: str, now: Callable[[], datetime], *, doubles: bool, **how: Any) -> None:
        super().__init__(now=now, **how)
        self.name = name
        self.partly: set[str] = set()
        self.spared: set[str] = set()
        self._doubles = doubles

    def sort(self, request: Request) -> Act:
        """See `Vendor.sort`."""
        path = request.rel_url.raw_path
        if path == "/oauth2/token":
            return Act("login")
        if path == "/v2/orders/search":
            return Act("feed")
        return Act("ack", (path.rpartition("/")[2],), ("exported",))

    def handle(self, request: Request) -> web.Response:
        """See `Vendor.handle`."""
        response = self.answer(request, request.body)  # type: ignore[arg-type]
        if self._doubles and request.rel_url.raw_path == "/v2/orders/search" and response.status == 200:
            page = decode(response.body)  # type: ignore[arg-type]
            page["items"] += page["items"][:1]
            return reply(200, page)
        return response

    def refuse(self) -> web.Response:
        """See `Vendor.refuse`."""
        return self.unauthorized()

    def expire(self) -> None:
        """See `Vendor.expire`."""
        self._issued.clear()

    def place(self, truth: Truth) -> None:
        """See `SourceVendor.place`."""
        number = int(truth.order_id)
        template = odd(_templates()[number % 12], number)
        if truth.broken:
            # Either nobody knows where it goes, or not what one of its rows is.
            template = {**template, "addresses": []} if number % 2 else unfinished(template)
        self.add({**template, "id": number, "type": "quotation" if truth.skipped else template["type"]})

    def edit(self, truth: Truth) -> None:
        """See `SourceVendor.edit`."""
        self.orders[int(truth.order_id)]["items"][0]["quantity"] += 1

    def hint(self, truth: Truth) -> None:
        """See `SourceVendor.hint`."""
        self.orders[int(truth.order_id)]["hint"] = truth.hints[-1][1]

    def correct(self, truth: Truth) -> None:
        """See `SourceVendor.correct`."""
        order = self.orders[int(truth.order_id)]
        order["addresses"] = odd(_templates()[int(truth.order_id) % 12], int(truth.order_id))["addresses"]
        order["items"] = [row for row in order["items"] if row.get("class") != "configuration"]

    def cancel(self, truth: Truth) -> bool:
        """A cancelled order leaves the feed, for it is in another status."""
        self.orders[int(truth.order_id)]["status"] = "CANCELLED"
        return True

    def reinstate(self, truth: Truth) -> None:
        """See `SourceVendor.reinstate`."""
        self.orders[int(truth.order_id)]["status"] = "NEW"

    def listed(self) -> Sequence[str]:
        """See `SourceVendor.listed`."""
        return [
            str(key) for key, order in self.orders.items() if not order["exportStatus"] and order["status"] == "NEW"
        ]

    def knows(self, order_id: str) -> tuple[bool, int]:
        """See `SourceVendor.knows`."""
        return self.orders[int(order_id)]["exportStatus"] == "exported", 0

    def reports(self, order_id: str) -> Sequence[bytes]:
        """It takes none."""
        return ()

    def moved(self, order_id: str) -> int:
        """See `SourceVendor.moved`."""
        return 0
