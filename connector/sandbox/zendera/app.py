"""
Zendera's orders export v1 as documented (seed 003; vendors.md sections 3 and 6): the feed of shipments, export
statuses, progress reports, and the timeline of an order, which shows both.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

from aiohttp import web

from connector.sandbox.server import StandIn, decode, reply, system_now

__all__ = ["ZenderaStandIn"]

BASE = "/api"
UPDATES = re.compile(rf"{BASE}/v2/orders/([^/]+)/external-updates")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z")
STRIKES = 5
"""Failed exports after which an order leaves the feed (seed 003)."""
INFOS = {
    "COMPLETE": "completeInfo",
    "DAMAGE": "damageInfo",
    "NO_ONE_THERE": "noOneThereInfo",
    "OTHER": "otherInfo",
    "CANNOT_HANDLE_ORDER": "cannotHandleOrderInfo",
}


class _BadRequest(Exception):
    """The vendor's 400 response to an undocumented request or an unknown order."""


class ZenderaStandIn(StandIn):
    """
    Zendera's shipments behind its API, whose base address ends in `/api`.

    - `shipments`: the live state, in the order of the feed; a test may change it.
    - `ids_as_text`: write ids as text, as protobuf writes 64-bit numbers.
    - `largest_page`: the largest number of shipments on a page, whatever `perPage` is.
    - `exported`: the ids of acknowledged orders, as text.
    - `strikes`: the number of failed exports by order id.
    - `timelines`: the events by order id.
    - `statuses`: every applied entry of a status call.
    - `updates`: every applied progress report.

    Numbers with a fraction are `Decimal`.
    """

    def __init__(
        self,
        shipments: Iterable[dict[str, Any]] = (),
        *,
        api_key: str = "sandbox-key",
        ids_as_text: bool = False,
        largest_page: int = 500,
        now: Callable[[], datetime] = system_now,
    ) -> None:
        super().__init__(now)
        self.shipments: list[dict[str, Any]] = list(shipments)
        self.exported: set[str] = set()
        self.strikes: Counter[str] = Counter()
        self.timelines: dict[str, list[dict[str, Any]]] = {}
        self.statuses: list[dict[str, Any]] = []
        self.updates: list[dict[str, Any]] = []
        self._exported_at: dict[str, datetime] = {}
        self._key = f"apikey {api_key}"
        self._ids_as_text = ids_as_text
        self._largest_page = largest_page

    def feed(self) -> list[dict[str, Any]]:
        """Return the shipments that are not exported yet."""
        return [each for each in self.shipments if self._waits(str(each["orderId"]))]

    def redispatch(self, order_id: str) -> None:
        """Release an order that failed too often, as a dispatcher does, so that the feed lists it again."""
        del self.strikes[order_id]

    def answer(self, request: web.Request, body: bytes) -> web.Response:
        """Carry out one request; undocumented paths and methods are 404."""
        path = request.rel_url.raw_path
        if request.headers.get("Authorization") != self._key:
            return self.unauthorized()
        try:
            if (request.method, path) == ("GET", f"{BASE}/v1/orders/export"):
                return self._list(request)
            if (request.method, path) == ("POST", f"{BASE}/v1/orders/export/status"):
                return self._take_status(_content(request, body))
            if (request.method, path) == ("POST", f"{BASE}/v1/exported-order/update"):
                return self._take_update(_content(request, body))
            if (match := UPDATES.fullmatch(path)) and request.method == "GET":
                updates = self.timelines.get(_known(match[1], self._ids()), [])
                return reply(200, {"updates": updates} if updates else {})
        except _BadRequest as error:
            return reply(400, {"error": str(error)})
        return reply(404, {"error": "Not Found"})

    def unauthorized(self) -> web.Response:
        """Return the 401 response to any authorization but `apikey KEY`, with `apikey` in lower case."""
        return reply(401, {"error": "Invalid or missing API key", "code": "AUTH_001"})

    def _waits(self, order_id: str) -> bool:
        return order_id not in self.exported and self.strikes[order_id] < STRIKES

    def _lists(self, order_id: str) -> bool:
        """Return whether the feed lists an order; within `list_lag` it still lists an exported one."""
        return self._waits(order_id) or not self.shows(self._exported_at.get(order_id))

    def _list(self, request: web.Request) -> web.Response:
        """Return one page, without empty fields and fields of 0."""
        page, size = _positive(request, "page", 1), min(_positive(request, "perPage", 50), self._largest_page)
        found = [each for each in self.shipments if self._lists(str(each["orderId"]))]
        listed = found[(page - 1) * size : page * size]
        content = {
            "shipments": [self._shown(shipment) for shipment in listed],
            "page": page,
            "perPage": size,
            "total": len(found),
            "totalPages": -(-len(found) // size),
        }
        return reply(200, {key: value for key, value in content.items() if value})

    def _shown(self, shipment: dict[str, Any]) -> dict[str, Any]:
        if not self._ids_as_text:
            return shipment
        return {key: str(value) if key in ("id", "orderId") else value for key, value in shipment.items()}

    def _ids(self) -> set[str]:
        return {str(shipment["orderId"]) for shipment in self.shipments}

    def _take_status(self, content: dict[str, Any]) -> web.Response:
        """Apply all entries, or none if one is invalid."""
        entries = content.get("create")
        if content.keys() != {"create"} or not isinstance(entries, list) or not entries:
            raise _BadRequest("create must be a list of orders, and the only key")
        known = self._ids()
        found = [self._checked(entry, known) for entry in entries]
        if len(set(found)) < len(found):
            raise _BadRequest("an order is listed twice")
        moved = [
            entry["status"] == "FAILED" or self.moves(order_id) for order_id, entry in zip(found, entries, strict=True)
        ]
        for order_id, entry, moves in zip(found, entries, moved, strict=True):
            if not moves:
                continue
            self.statuses.append(entry)
            event = {"type": "EVENT_TYPE_ORDER_EXPORTED", "date": self._time(), "success": True}
            if entry["status"] == "FAILED":
                self.strikes[order_id] += 1
                event |= {"success": False, "failureReason": entry["failureReason"]}
            elif order_id in self.exported:
                continue
            else:
                self.exported.add(order_id)
                self._exported_at[order_id] = self.now()
            self.timelines.setdefault(order_id, []).append(event)
        return reply(200, {} if all(moved) else self.unmoved_answer)

    def _checked(self, entry: Any, known: set[str]) -> str:
        if not isinstance(entry, dict):
            raise _BadRequest("create must be a list of objects")
        order_id = _known(entry.get("orderId"), known)
        if entry.get("status") == "EXPORTED_SUCCESSFULLY":
            if entry.keys() != {"orderId", "status"}:
                raise _BadRequest("an exported order has an orderId and a status")
        elif entry.get("status") == "FAILED":
            reason = entry.get("failureReason")
            if entry.keys() != {"orderId", "status", "failureReason"} or not isinstance(reason, str) or not reason:
                raise _BadRequest("a failed order has an orderId, a status and a failureReason")
            if not self._waits(order_id):
                raise _BadRequest(f"order {order_id} does not wait to be exported")
        else:
            raise _BadRequest("status must be EXPORTED_SUCCESSFULLY or FAILED")
        return order_id

    def _take_update(self, content: dict[str, Any]) -> web.Response:
        order_id = _known(content.get("orderId"), self._ids())
        status = content.get("status")
        if not isinstance(status, str) or status not in INFOS:
            raise _BadRequest(f"status must be one of {', '.join(INFOS)}")
        if content.get("location") not in ("PICKUP", "DELIVERY"):
            raise _BadRequest("location must be PICKUP or DELIVERY")
        own = INFOS[status]
        if unknown := content.keys() - {"orderId", "status", "location", "pricing", own}:
            raise _BadRequest(f"{status} is told in {own}, not in {', '.join(sorted(unknown))}")
        info = content.get(own)
        if not isinstance(info, dict):
            raise _BadRequest(f"{own} is missing")
        _check_info(own, info)
        self.updates.append(content)
        event = {"type": f"EVENT_TYPE_{status}", "location": content["location"], **info, "date": info["date"]}
        self.timelines.setdefault(order_id, []).append(event)
        return reply(200, {})

    def _time(self) -> str:
        return self.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _known(value: Any, ids: set[str]) -> str:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise _BadRequest("orderId must be a number")
    if str(value) not in ids:
        raise _BadRequest(f"order {value} not found")
    return str(value)


def _check_info(name: str, info: dict[str, Any]) -> None:
    _check_time(f"{name}.date", info.get("date"))
    if (place := info.get("coordinates")) is not None:
        for key, most in (("latitude", 90), ("longitude", 180)):
            degrees = place.get(key) if isinstance(place, dict) else None
            if isinstance(degrees, bool) or not isinstance(degrees, int | Decimal) or not -most <= degrees <= most:
                raise _BadRequest(f"{name}.coordinates.{key} must be a number from -{most} to {most}")
    if (pod := info.get("pod")) is not None:
        if not isinstance(pod, dict) or not isinstance(pod.get("pictures", []), list):
            raise _BadRequest(f"{name}.pod must be an object, its pictures a list")
        _check_time(f"{name}.pod.date", pod.get("date"))


def _check_time(name: str, value: Any) -> None:
    if not isinstance(value, str) or not TIME.fullmatch(value):
        raise _BadRequest(f"{name} must be a time such as 2026-06-11T14:30:00Z")


def _positive(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name, str(default))
    if not re.fullmatch(r"[1-9][0-9]{0,8}", text, re.ASCII):
        raise _BadRequest(f"{name} must be a number above 0")
    return int(text)


def _content(request: web.Request, body: bytes) -> dict[str, Any]:
    if request.content_type != "application/json":
        raise _BadRequest("the body must be application/json")
    try:
        content = decode(body)
    except (ValueError, RecursionError):
        raise _BadRequest("the body is not JSON") from None
    if not isinstance(content, dict):
        raise _BadRequest("the body must be an object")
    return content
