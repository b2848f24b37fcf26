"""
Traede as documented (seeds 001 and 002; vendors.md sections 2 and 6): the exports of orders and of production orders,
and the calls that mark orders as exported.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from aiohttp import web

from connector.sandbox.server import StandIn, decode, reply, system_now
from connector.sandbox.traede.export import KINDS, Kind, TraedeBadRequest, query, shaped

__all__ = ["TraedeStandIn"]

PATH = re.compile(r"/v10/(orders|production-orders)/(export|mark-as-exported)")
MOST_MARKS = 10


class TraedeStandIn(StandIn):
    """
    Traede's orders behind its two export APIs.

    With `pages=False` the export ignores `page` and `limit`, which the documents leave open. The bodies of errors and
    of responses to marks are guesses: the vendor documents none.

    - `orders`, `production_orders`: the live state, by id and in id order; a test may change it.
    - `exported`: the time of each export, by (word in the path, system, id).
    - `marked`: every applied mark, as (word in the path, mark).
    - `regulated`: the number of times that stock was moved for an order.
    """

    def __init__(
        self,
        orders: Iterable[dict[str, Any]] = (),
        production_orders: Iterable[dict[str, Any]] = (),
        *,
        token: str = "sandbox-token",  # noqa: S107 - valid only for this stand-in
        app_key: str = "sandbox-app-key",
        pages: bool = True,
        now: Callable[[], datetime] = system_now,
    ) -> None:
        super().__init__(now)
        self.orders: dict[int, dict[str, Any]] = {}
        self.production_orders: dict[int, dict[str, Any]] = {}
        self.exported: dict[tuple[str, str, int], str] = {}
        self.marked: list[tuple[str, dict[str, Any]]] = []
        self.regulated: Counter[int] = Counter()
        self._marks: dict[tuple[str, str, int], tuple[datetime, Any]] = {}
        """The time of each order's first export, and its `archived_at` before, for lists that lag behind."""
        self._keys = (f"Bearer {token}", app_key)
        self._pages = pages
        self._held = {"orders": self.orders, "production-orders": self.production_orders}
        for order in sorted(orders, key=lambda order: int(order["order_id"])):
            self.orders[order["order_id"]] = order
        for order in sorted(production_orders, key=lambda order: int(order["production_order_id"])):
            self.production_orders[order["production_order_id"]] = order

    def answer(self, request: web.Request, body: bytes) -> web.Response:
        """Carry out one request; undocumented paths and methods are 404."""
        match = PATH.fullmatch(request.rel_url.raw_path)
        if match is None or request.method != {"export": "GET", "mark-as-exported": "POST"}[match[2]]:
            return reply(404, {"message": f"The route {request.path.strip('/')} could not be found."})
        if (request.headers.get("Authorization"), request.headers.get("X-Traede-App-Key")) != self._keys:
            return self.unauthorized()
        try:
            if match[2] == "export":
                return self._export(match[1], list(request.query.items()))
            return self._mark(match[1], request, body)
        except TraedeBadRequest as error:
            errors = {error.field: [str(error)]}
            return reply(422, {"message": "The given data was invalid.", "errors": errors})

    def unauthorized(self) -> web.Response:
        """Return the 401 response to an invalid token or app key. Its body is a guess: the vendor documents none."""
        return reply(401, {"message": "Unauthenticated."})

    def _export(self, word: str, pairs: list[tuple[str, str]]) -> web.Response:
        kind = KINDS[word]
        wanted = query(kind, pairs)
        found = []
        for order_id, order in self._held[word].items():
            at = self.exported.get((word, wanted.system_id, order_id))
            marked, archived_at = self._marks.get((word, wanted.system_id, order_id), (None, None))
            if not self.shows(marked):
                at = None
                order = {**order, **({"archived_at": archived_at} if "archived_at" in order else {})}
            if (at is None or (wanted.since and at >= wanted.since)) and wanted.matches(kind, order):
                found.append(order)
        if self._pages:
            found = found[wanted.page * wanted.limit : (wanted.page + 1) * wanted.limit]
        return reply(200, {kind.listed: [shaped(order, kind, wanted.includes) for order in found]})

    def _mark(self, word: str, request: web.Request, body: bytes) -> web.Response:
        """Mark all orders of a call, or none: a problem with one order refuses the call."""
        kind = KINDS[word]
        marks = _marks(kind, request, body)
        for place, mark in enumerate(marks):
            if mark[kind.id_key] not in self._held[word]:
                field = f"{kind.listed}.{place}.{kind.id_key}"
                raise TraedeBadRequest(field, f"The selected {field} is invalid.")
        at = f"{self.now():%Y-%m-%d %H:%M:%S}"
        moved = [mark for mark in marks if self.moves(str(mark[kind.id_key]))]
        for mark in moved:
            order_id = mark[kind.id_key]
            archived = self._held[word][order_id].get("archived_at")
            self._marks.setdefault((word, mark["system_id"], order_id), (self.now(), archived))
            self.exported[word, mark["system_id"], order_id] = at
            self.marked.append((word, mark))
            if mark.get("regulate_inventory"):
                self.regulated[order_id] += 1
                self.orders[order_id]["archived_at"] = at
        return reply(200, {"success": True} if len(moved) == len(marks) else self.unmoved_answer)


def _marks(kind: Kind, request: web.Request, body: bytes) -> list[dict[str, Any]]:
    """Return the marks of a call; raises `TraedeBadRequest` for an undocumented body."""
    if request.content_type != "application/json":
        raise TraedeBadRequest("body", "must be application/json")
    try:
        content = decode(body)
    except (ValueError, RecursionError):
        raise TraedeBadRequest("body", "is not valid JSON") from None
    if not isinstance(content, dict) or content.keys() != {kind.listed} or not isinstance(content[kind.listed], list):
        raise TraedeBadRequest(kind.listed, f"The {kind.listed} field is required.")
    marks: list[Any] = content[kind.listed]
    if not 1 <= len(marks) <= MOST_MARKS:
        raise TraedeBadRequest(kind.listed, f"may not have more than {MOST_MARKS} items, nor none")
    types: dict[str, type] = {kind.id_key: int, "system_id": str}
    if kind.listed == "orders":
        types["regulate_inventory"] = bool
    for place, mark in enumerate(marks):
        for key, wanted in types.items():
            if not isinstance(mark, dict) or type(mark.get(key)) is not wanted or mark[key] == "":
                raise TraedeBadRequest(f"{kind.listed}.{place}.{key}", f"must be of type {wanted.__name__}")
        if unknown := mark.keys() - {*types, "note"}:
            raise TraedeBadRequest(f"{kind.listed}.{place}", f"unknown: {', '.join(sorted(unknown))}")
        if not isinstance(mark.get("note", ""), str):
            raise TraedeBadRequest(f"{kind.listed}.{place}.note", "must be a string")
    return marks
