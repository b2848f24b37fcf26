"""eWarehousing in the simulation."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from aiohttp import web

from connector.sandbox.ewarehousing.app import EwarehousingStandIn
from connector.sandbox.ewarehousing.validation import EwarehousingBadRequest
from tests.simulation.vendors.base import EVERY, Act, Request

__all__ = ["Ewarehousing"]


class Ewarehousing(EwarehousingStandIn):
    """
    A warehouse. `refused` are the external ids of orders that it will not have.

    `records` are the creates that it carried out, by external id: when, and the order's id.
    """

    def __init__(self, name: str, now: Callable[[], datetime], clock: Callable[[], float], **how: Any) -> None:
        super().__init__(now=now, **how)
        self.name = name
        self.refused: set[str] = set()
        self.records: dict[str, list[tuple[float, str]]] = {}
        self._clock = clock

    def sort(self, request: Request) -> Act:
        """See `Vendor.sort`."""
        path, method = request.rel_url.raw_path, request.method
        if path.startswith("/wms/auth/"):
            return Act("login")
        if path == "/wms/orders/":
            if method == "POST":
                named = str(request.content.get("external_id"))
                return Act("create", (named,), named=named)
            asked = request.query.get("external_id")
            if request.query.get("direction") == "desc":
                return Act("read")  # a page of the newest, which says of no order that it is not there
            if not asked and request.query.get("sort") == "createdAt" and "status" not in request.query:
                return Act("lookup", (EVERY,))
            return Act("lookup", (asked,)) if asked else Act("read")
        if path.endswith("/cancel/"):
            return Act("cancel", (path.split("/")[3],))
        if method == "PATCH":
            return Act("update", (path.split("/")[3],))
        return Act("attach" if method == "POST" else "read", (path.split("/")[3],))

    def handle(self, request: Request) -> web.Response:
        """See `Vendor.handle`."""
        return self.answer(request, request.body)  # type: ignore[arg-type]

    def refuse(self) -> web.Response:
        """See `Vendor.refuse`."""
        return self.unauthorized()

    def expire(self) -> None:
        """See `Vendor.expire`."""
        self._tokens.clear()

    def standing(self, external_id: str) -> list[dict[str, Any]]:
        """Return the orders under this external id that are not cancelled."""
        return [order for order in self.by_external_id(external_id) if order["status"] != "cancelled"]

    def _create(self, request: Any, body: bytes) -> web.Response:
        external_id = str(request.content.get("external_id"))
        if external_id in self.refused:
            raise EwarehousingBadRequest(("order_lines", "An article of this order is not sold any more."))
        response = super()._create(request, body)
        for order in self.by_external_id(external_id)[-1:]:
            self.records.setdefault(external_id, []).append((self._clock(), order["id"]))
        return response
