"""Traede in the simulation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from aiohttp import web

from connector.sandbox.server import reply
from connector.sandbox.traede.app import TraedeStandIn
from connector.sandbox.traede.orders import traede_orders
from tests.simulation.vendors.base import Act, Request, Truth

__all__ = ["Traede"]


@cache
def _templates() -> list[dict[str, Any]]:
    return traede_orders(12, seed=7)


class Traede(TraedeStandIn):
    """An account."""

    def __init__(self, name: str, now: Callable[[], datetime], *, pages: bool, **how: Any) -> None:
        super().__init__(now=now, pages=pages, **how)
        self.name = name
        self.partly: set[str] = set()
        self.spared: set[str] = set()

    def sort(self, request: Request) -> Act:
        """See `Vendor.sort`."""
        if request.method == "GET":
            return Act("feed")
        ids = tuple(str(mark["order_id"]) for mark in request.content["orders"])
        return Act("ack", ids, ("exported",) * len(ids))

    def handle(self, request: Request) -> web.Response:
        """See `Vendor.handle`."""
        self.spared = set()
        if self.partly and request.method == "POST":
            marks = request.content["orders"]
            failed = [mark for mark in marks if str(mark["order_id"]) in self.partly]
            rest = [mark for mark in marks if str(mark["order_id"]) not in self.partly]
            if failed and rest:
                self.spared = {str(mark["order_id"]) for mark in failed}
                self.partly -= self.spared
                whole = self.answer(_with(request, {"orders": rest}), _encode({"orders": rest}))  # type: ignore[arg-type]
                if whole.status != 200:
                    return whole
                return reply(200, {"errors": [{"order_id": mark["order_id"], "error": "locked"} for mark in failed]})
        return self.answer(request, request.body)  # type: ignore[arg-type]

    def refuse(self) -> web.Response:
        """See `Vendor.refuse`."""
        return self.unauthorized()

    def expire(self) -> None:
        """Its token does not expire."""

    def place(self, truth: Truth) -> None:
        """See `SourceVendor.place`."""
        template = _templates()[int(truth.order_id) % 12]
        lines = [] if truth.broken else [dict(line) for line in template["lines"]]
        self.orders[int(truth.order_id)] = {**template, "order_id": int(truth.order_id), "lines": lines}
        for key in sorted(self.orders):
            self.orders[key] = self.orders.pop(key)

    def edit(self, truth: Truth) -> None:
        """See `SourceVendor.edit`."""
        for line in self.orders[int(truth.order_id)]["lines"][:1]:
            line["quantity"] += 1

    def hint(self, truth: Truth) -> None:
        """See `SourceVendor.hint`."""
        self.orders[int(truth.order_id)]["hint"] = truth.hints[-1][1]

    def correct(self, truth: Truth) -> None:
        """See `SourceVendor.correct`."""
        order = self.orders[int(truth.order_id)]
        order["lines"] = order["lines"] or [dict(line) for line in _templates()[int(truth.order_id) % 12]["lines"]]

    def cancel(self, truth: Truth) -> bool:
        """A cancelled order stays in the feed, which is read for those as well."""
        order = self.orders[int(truth.order_id)]
        order["status"], order["cancelled_at"] = "cancelled", "2026-03-24 09:00:00"
        return True

    def reinstate(self, truth: Truth) -> None:
        """See `SourceVendor.reinstate`."""
        template = _templates()[int(truth.order_id) % 12]
        order = self.orders[int(truth.order_id)]
        order["status"], order["cancelled_at"] = template["status"], template["cancelled_at"]

    def listed(self) -> Sequence[str]:
        """See `SourceVendor.listed`."""
        gone = {order_id for _, _, order_id in self.exported}
        return [str(key) for key in self.orders if key not in gone]

    def knows(self, order_id: str) -> tuple[bool, int]:
        """See `SourceVendor.knows`."""
        return ("orders", "erp", int(order_id)) in self.exported, 0

    def reports(self, order_id: str) -> Sequence[bytes]:
        """It takes none."""
        return ()

    def moved(self, order_id: str) -> int:
        """See `SourceVendor.moved`."""
        return self.regulated[int(order_id)]


def _encode(content: Any) -> bytes:
    return bytes(reply(200, content).body)  # type: ignore[arg-type]


def _with(request: Request, content: Any) -> Request:
    return Request(request.method, request.rel_url, request.headers, _encode(content))
