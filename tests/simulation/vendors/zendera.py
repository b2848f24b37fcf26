"""Zendera in the simulation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from aiohttp import web

from connector.sandbox.server import reply
from connector.sandbox.zendera.app import ZenderaStandIn
from connector.sandbox.zendera.shipments import zendera_shipments
from tests.simulation.vendors.base import Act, Request, Truth
from tests.simulation.vendors.traede import _encode

__all__ = ["Zendera"]

COPIES = 12


@cache
def _templates() -> dict[int, list[dict[str, Any]]]:
    found: dict[int, list[dict[str, Any]]] = {}
    for shipment in zendera_shipments(COPIES, seed=7, first_id=0, split=0.4):
        found.setdefault(shipment["orderId"], []).append(shipment)
    return found


class Zendera(ZenderaStandIn):
    """An organisation."""

    def __init__(self, name: str, now: Callable[[], datetime], *, ids_as_text: bool, **how: Any) -> None:
        super().__init__(now=now, ids_as_text=ids_as_text, **how)
        self.name = name
        self.partly: set[str] = set()
        self.spared: set[str] = set()
        self.picky: set[str] = set()
        """Orders of which it refuses the next report."""
        self._made = 0

    def sort(self, request: Request) -> Act:
        """See `Vendor.sort`."""
        path = request.rel_url.raw_path
        if path.endswith("/v1/orders/export"):
            return Act("feed")
        if path.endswith("/v1/orders/export/status"):
            entries = request.content["create"]
            outcomes = ("exported" if each["status"] == "EXPORTED_SUCCESSFULLY" else "failed" for each in entries)
            return Act("ack", tuple(str(each["orderId"]) for each in entries), tuple(outcomes))
        if path.endswith("/external-updates"):
            return Act("timeline", (path.split("/")[-2],))
        return Act("report", (str(request.content["orderId"]),))

    def handle(self, request: Request) -> web.Response:
        """See `Vendor.handle`."""
        self.spared = set()
        if request.rel_url.raw_path.endswith("/update") and str(request.content["orderId"]) in self.picky:
            self.picky.discard(str(request.content["orderId"]))
            return reply(400, {"error": "this order is locked"})
        if self.partly and request.rel_url.raw_path.endswith("/status"):
            entries = request.content["create"]
            failed = [each for each in entries if str(each["orderId"]) in self.partly]
            rest = [each for each in entries if str(each["orderId"]) not in self.partly]
            if failed and rest:
                self.spared = {str(each["orderId"]) for each in failed}
                self.partly -= self.spared
                body = _encode({"create": rest})
                whole = self.answer(Request("POST", request.rel_url, request.headers, body), body)  # type: ignore[arg-type]
                if whole.status != 200:
                    return whole
                return reply(200, {"errors": [{"orderId": each["orderId"], "error": "locked"} for each in failed]})
        return self.answer(request, request.body)  # type: ignore[arg-type]

    def refuse(self) -> web.Response:
        """See `Vendor.refuse`."""
        return self.unauthorized()

    def expire(self) -> None:
        """Its key does not expire."""

    def place(self, truth: Truth) -> None:
        """See `SourceVendor.place`."""
        for template in _templates()[int(truth.order_id) % COPIES]:
            self._made += 1
            shipment = {**template, "orderId": int(truth.order_id), "id": 700_000 + self._made}
            if truth.broken:
                # Either cannot be read, or not be written down for the warehouse.
                half = {**shipment["delivery"]["address"], "country": "Nowhere"} if int(truth.order_id) % 2 else {}
                shipment["delivery"] = {**shipment["delivery"], "address": half}
            self.shipments.append(shipment)

    def edit(self, truth: Truth) -> None:
        """See `SourceVendor.edit`."""
        for shipment in self._of(truth)[:1]:
            parcel = shipment["parcels"][0]
            shipment["parcels"] = [{**parcel, "quantity": parcel["quantity"] + 1}, *shipment["parcels"][1:]]

    def hint(self, truth: Truth) -> None:
        """See `SourceVendor.hint`."""
        for shipment in self._of(truth):
            shipment["hint"] = truth.hints[-1][1]

    def correct(self, truth: Truth) -> None:
        """See `SourceVendor.correct`."""
        (template, *_) = _templates()[int(truth.order_id) % COPIES]
        for shipment in self._of(truth):
            shipment["delivery"] = template["delivery"]

    def cancel(self, truth: Truth) -> bool:
        """Nobody documents the effect of a cancellation on the feed (vendors.md 3)."""
        return False

    def reinstate(self, truth: Truth) -> None:
        """See `cancel`."""

    def listed(self) -> Sequence[str]:
        """See `SourceVendor.listed`."""
        return list(dict.fromkeys(str(each["orderId"]) for each in self.feed()))

    def knows(self, order_id: str) -> tuple[bool, int]:
        """See `SourceVendor.knows`."""
        return order_id in self.exported, self.strikes[order_id]

    def reports(self, order_id: str) -> Sequence[bytes]:
        """See `SourceVendor.reports`."""
        return [_encode(each) for each in self.updates if str(each["orderId"]) == order_id]

    def moved(self, order_id: str) -> int:
        """See `SourceVendor.moved`."""
        return 0

    def _of(self, truth: Truth) -> list[dict[str, Any]]:
        return [each for each in self.shipments if str(each["orderId"]) == truth.order_id]
