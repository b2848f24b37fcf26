"""
eWarehousing Solutions' middleware as documented (seed 004; vendors.md sections 4 and 6): login, orders, cancellation,
documents and shipments.
"""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Callable, Collection
from copy import deepcopy
from datetime import datetime, timedelta
from typing import Any

from aiohttp import web

from connector.sandbox.ewarehousing.listing import OrderIndex, listed
from connector.sandbox.ewarehousing.orders import (
    CREATED,
    UPDATED,
    change,
    document,
    full_document,
    groups,
    listed_document,
    new_order,
    shown,
)
from connector.sandbox.ewarehousing.shipments import new_shipment, shipments
from connector.sandbox.ewarehousing.validation import EwarehousingBadRequest, document_problems, order_problems
from connector.sandbox.server import StandIn, decode, reply, system_now

__all__ = ["EwarehousingStandIn"]

FIRST_NUMBER = 5939
OPEN = ("created", "planned", "invalid_address")
"""The statuses in which an order may be cancelled (seed 004), and, by inference, updated (vendors.md section 6)."""

Handler = Callable[..., web.Response]


class _NotFound(Exception):
    """The order or document does not exist."""


class EwarehousingStandIn(StandIn):
    """
    eWarehousing's orders of one customer behind the middleware's API.

    - `articles`: the existing article codes; None accepts any code.
    - `unique_reference`: refuse an `external_reference` that another order has, even a cancelled one; `external_id` is
      never checked.
    - `orders`: the live state by id, in order of creation. A test may change all but an order's external id and
      reference; `move` and `ship` act as the warehouse.
    - `created`: every applied create body.

    Four options cover behaviour that the vendor does not document:

    - `page_base`: the number of the first page of a list.
    - `fuzzy`: the `external_id` filter matches by prefix.
    - `index_lag`: the seconds of `now()` after which lists show a new order.
    - `read_lag`: the seconds of `now()` after which a single order and its documents show a change.

    Numbers with a fraction are `Decimal`.
    """

    def __init__(
        self,
        *,
        username: str = "sandbox",
        password: str = "sandbox-secret",  # noqa: S107 - opens nothing but this stand-in
        wms_code: str = "DEV",
        customer_code: str = "SANDBOX",
        unique_reference: bool = True,
        token_life: int = 3600,
        articles: Collection[str] | None = None,
        page_base: int = 1,
        fuzzy: bool = False,
        index_lag: float = 0.0,
        read_lag: float = 0.0,
        now: Callable[[], datetime] = system_now,
    ) -> None:
        super().__init__(now)
        self.orders: dict[str, dict[str, Any]] = {}
        self.created: list[dict[str, Any]] = []
        self.shipments: list[dict[str, Any]] = []
        self._login_body = {"username": username, "password": password}
        self._wms_code = wms_code
        self._customer_code = customer_code
        self._unique_reference = unique_reference
        self._token_life = timedelta(seconds=token_life)
        self.articles = articles if articles is None else frozenset(articles)
        self._page_base = page_base
        self._fuzzy = fuzzy
        self._index_lag = timedelta(seconds=index_lag)
        self.read_lag = read_lag
        self._snapshots: dict[str, list[tuple[datetime, dict[str, Any]]]] = {}
        self._tokens: dict[str, datetime] = {}
        self._refresh_tokens: set[str] = set()
        self._made: dict[str, datetime] = {}
        self._by_external_id = OrderIndex("external_id")
        self._by_reference = OrderIndex("external_reference")
        self._routes: tuple[tuple[re.Pattern[str], dict[str, Handler]], ...] = (
            (re.compile(r"/wms/orders/"), {"GET": self._list, "POST": self._create}),
            (re.compile(r"/wms/auth/login/"), {"POST": self._login}),
            (re.compile(r"/wms/auth/refresh/"), {"POST": self._refresh}),
            (re.compile(r"/wms/orders/([^/]+)/"), {"GET": self._retrieve, "PATCH": self._update}),
            (re.compile(r"/wms/orders/([^/]+)/cancel/"), {"PATCH": self._cancel}),
            (re.compile(r"/wms/orders/([^/]+)/documents/"), {"GET": self._documents, "POST": self._attach}),
            (re.compile(r"/wms/orders/([^/]+)/documents/([^/]+)/"), {"GET": self._order_document}),
            (re.compile(r"/wms/documents/([^/]+)/"), {"GET": self._document}),
            (re.compile(r"/wms/shipments/"), {"GET": self._shipments}),
        )

    def by_external_id(self, external_id: str) -> list[dict[str, Any]]:
        """Return the orders with exactly this external id, in order of creation; more than one is a duplicate."""
        return self._by_external_id.find(self.orders, external_id)

    def move(self, order_id: str, status: str) -> None:
        """Set the status of an order, as the warehouse does."""
        change(self.orders[order_id], {"status": status}, self.now())
        self._take_snapshot(order_id)

    def ship(self, order_id: str, tracking_code: str = "3STEST000000001") -> dict[str, Any]:
        """Ship a whole order as one parcel, as the warehouse does; return the shipment."""
        self.move(order_id, "shipped")
        shipment = new_shipment(self.orders[order_id], len(self.shipments) + 1, tracking_code, self.now())
        self.shipments.append(shipment)
        return shipment

    def answer(self, request: web.Request, body: bytes) -> web.Response:
        """Carry out one request: check the route and the headers, then apply it."""
        path = request.rel_url.raw_path
        methods, ids = self._route(path if path.endswith("/") else path + "/")
        if methods is None:
            return reply(404, {"code": 404, "message": "Not Found"})
        if not path.endswith("/"):
            query = request.rel_url.raw_query_string
            return web.Response(status=301, headers={"Location": f"{path}/?{query}" if query else f"{path}/"})
        handler = methods.get(request.method)
        if handler is None:
            return reply(405, {"code": 405, "message": "Method Not Allowed"})
        error = self._entry(request, public=path.startswith("/wms/auth/"))
        if error is not None:
            return error
        try:
            return handler(request, body, *ids)
        except EwarehousingBadRequest as refusal:
            return reply(400, refusal.content())
        except _NotFound:
            return reply(404, {"code": 404, "message": "Not Found"})

    def unauthorized(self) -> web.Response:
        """Return the 401 response to an invalid or expired token."""
        return reply(401, {"code": 401, "message": "Invalid JWT Token"})

    def _route(self, path: str) -> tuple[dict[str, Handler] | None, tuple[str, ...]]:
        for pattern, methods in self._routes:
            if match := pattern.fullmatch(path):
                return methods, match.groups()
        return None, ()

    def _entry(self, request: web.Request, *, public: bool) -> web.Response | None:
        """Check the headers of a call; a `public` call needs only the WMS code. Return the error response, or None."""
        wms_code = request.headers.get("X-Wms-Code")
        if wms_code is None:
            return reply(400, {"message": "Missing 'X-Wms-Code' header"})
        if wms_code != self._wms_code:
            return reply(400, {"message": "Invalid WMS"})
        if public:
            return None
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        end = self._tokens.get(token)
        if scheme != "Bearer" or end is None or end <= self.now():
            return self.unauthorized()
        customer_code = request.headers.get("X-Customer-Code")
        if customer_code is None:
            return reply(400, {"message": "Missing 'X-Customer-Code' header"})
        if customer_code != self._customer_code:
            return reply(400, {"message": "Invalid customer"})
        return None

    def _login(self, request: web.Request, body: bytes) -> web.Response:
        if _content(request, body) != self._login_body:
            return reply(401, {"code": 401, "message": "Invalid credentials."})
        return self._session()

    def _refresh(self, request: web.Request, body: bytes) -> web.Response:
        """Issue new tokens for a refresh token, which is valid once; after that a login is required."""
        given = _content(request, body).get("refresh_token")
        if not isinstance(given, str) or given not in self._refresh_tokens:
            return reply(401, {"code": 401, "message": "JWT Refresh Token Not Found"})
        self._refresh_tokens.remove(given)
        return self._session()

    def _session(self) -> web.Response:
        token, refresh_token, now = secrets.token_urlsafe(48), secrets.token_urlsafe(48), self.now()
        self._tokens[token] = now + self._token_life
        self._refresh_tokens.add(refresh_token)
        issued = int(now.timestamp())
        ends = issued + int(self._token_life.total_seconds())
        return reply(200, {"token": token, "iat": issued, "exp": ends, "refresh_token": refresh_token})

    def _list(self, request: web.Request, _body: bytes) -> web.Response:
        query = dict(request.query)
        if "external_id" in query and not self._fuzzy:
            orders = self._by_external_id.find(self.orders, query["external_id"])
        elif "external_reference" in query:
            orders = self._by_reference.find(self.orders, query["external_reference"])
        else:
            orders = list(self.orders.values())
        if self._index_lag:
            newest = self.now() - self._index_lag
            orders = [order for order in orders if self._made.get(order["id"], newest) <= newest]
        return reply(200, listed(orders, query, page_base=self._page_base, fuzzy=self._fuzzy))

    def _create(self, request: web.Request, body: bytes) -> web.Response:
        content = _content(request, body)
        if problems := order_problems(content, self.articles):
            raise EwarehousingBadRequest(*problems)
        if self._unique_reference and self._by_reference.find(self.orders, content["external_reference"]):
            raise EwarehousingBadRequest(("external_reference", "Reference is not unique"))
        now = self.now()
        order = new_order(content, FIRST_NUMBER + len(self.created), self._customer_code, now)
        for part in content.get("documents", ()):
            _attach(order, part)
        self.orders[order["id"]] = order
        self.created.append(content)
        self._made[order["id"]] = now
        self._by_external_id.add(order)
        self._by_reference.add(order)
        self._take_snapshot(order["id"])
        return reply(201, {name: order[name] for name in CREATED if name in order})

    def _retrieve(self, request: web.Request, _body: bytes, order_id: str) -> web.Response:
        expand = groups(request.headers.get("expand", ""))
        return reply(200, shown(self._read(order_id), expand))

    def _update(self, request: web.Request, body: bytes, order_id: str) -> web.Response:
        order, content = self._order(order_id), _content(request, body)
        if problems := order_problems(content, self.articles, update=True):
            raise EwarehousingBadRequest(*problems)
        _check_open(order, "updated")
        change(order, content, self.now())
        for part in content.get("documents", ()):
            _attach(order, part)
        self._take_snapshot(order_id)
        return reply(200, {name: order[name] for name in UPDATED if name in order})

    def _cancel(self, _request: web.Request, _body: bytes, order_id: str) -> web.Response:
        order = self._order(order_id)
        _check_open(order, "canceled")
        change(order, {"status": "cancelled"}, self.now())
        self._take_snapshot(order_id)
        return web.Response(status=204)

    def _documents(self, _request: web.Request, _body: bytes, order_id: str) -> web.Response:
        return reply(200, [listed_document(record) for record in self._read(order_id)["documents"]])

    def _document(self, _request: web.Request, _body: bytes, document_id: str) -> web.Response:
        for order in self.orders.values():
            for record in order["documents"]:
                if record["id"] == document_id:
                    return reply(200, full_document(record))
        raise _NotFound

    def _shipments(self, request: web.Request, _body: bytes) -> web.Response:
        expand = request.headers.get("expand", "")
        return reply(200, shipments(self.shipments, list(request.query.items()), expand, page_base=self._page_base))

    def _order_document(self, _request: web.Request, _body: bytes, order_id: str, document_id: str) -> web.Response:
        for record in self._order(order_id)["documents"]:
            if record["id"] == document_id:
                return reply(200, listed_document(record))
        raise _NotFound

    def _attach(self, request: web.Request, body: bytes, order_id: str) -> web.Response:
        order, content = self._order(order_id), _content(request, body)
        if problems := document_problems(content):
            raise EwarehousingBadRequest(*problems)
        record = _attach(order, content)
        self._take_snapshot(order_id)
        return reply(201, listed_document(record))

    def _take_snapshot(self, order_id: str) -> None:
        """Store the current state of an order, for reads that lag behind."""
        if self.read_lag:
            self._snapshots.setdefault(order_id, []).append((self.now(), deepcopy(self.orders[order_id])))

    def _read(self, order_id: str) -> dict[str, Any]:
        """Return an order as a read shows it: in the state of `read_lag` seconds ago."""
        order = self._order(order_id)
        if not self.read_lag:
            return order
        newest = self.now() - timedelta(seconds=self.read_lag)
        visible = [snapshot for at, snapshot in self._snapshots.get(order_id, ()) if at <= newest]
        if not visible:
            raise _NotFound
        return visible[-1]

    def _order(self, order_id: str) -> dict[str, Any]:
        order = self.orders.get(order_id)
        if order is None:
            raise _NotFound
        return order


def _check_open(order: dict[str, Any], action: str) -> None:
    if order["status"] not in OPEN:
        raise EwarehousingBadRequest(("", f"Order with status {order['status']} cannot be {action}"))


def _attach(order: dict[str, Any], content: dict[str, Any]) -> dict[str, Any]:
    file = base64.b64decode(content["file"])
    record = document(content, order["id"], len(order["documents"]) + 1, file)
    order["documents"].append(record)
    return record


def _content(request: web.Request, body: bytes) -> dict[str, Any]:
    """Return the body as an object; raises `EwarehousingBadRequest` for any other body."""
    if request.content_type != "application/json":
        raise EwarehousingBadRequest(("", "The body must be application/json"))
    try:
        content = decode(body)
    except (ValueError, RecursionError):
        raise EwarehousingBadRequest(("", "The body is not valid JSON")) from None
    if not isinstance(content, dict):
        raise EwarehousingBadRequest(("", "The body must be an object"))
    return content
