"""
Propeller Commerce as documented (seed 000; vendors.md sections 1 and 6): tokens, the search for orders that are not
exported yet, and the update that marks an order as exported.
"""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, unquote_plus

from aiohttp import web

from connector.sandbox.propeller.search import EXPORT_STATUSES, PropellerBadRequest, expanded, search
from connector.sandbox.server import StandIn, decode, reply, system_now

__all__ = ["PropellerStandIn"]

ORDER_PATH = re.compile(r"/v2/orders/id/([^/]+)")
ORDER_ID = re.compile(r"[0-9]{1,18}")
EXPORTED_AT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
TYPES = {400: "BAD_REQUEST", 401: "UNAUTHORIZED", 404: "NOT_FOUND"}


class PropellerStandIn(StandIn):
    """
    Propeller's orders behind its REST API.

    - `token` never expires; tokens of `POST /oauth2/token` expire after `token_life` seconds of `now()`.
    - `largest_page`: the largest `offset` of a search, which is the page size.
    - `orders`: the live state, by id and in id order; a test may change it.
    - `marked`: every applied `PATCH` in order, as (id, body).

    Numbers with a fraction are `Decimal`.
    """

    def __init__(
        self,
        orders: Iterable[dict[str, Any]] = (),
        *,
        client_id: str = "sandbox",
        client_secret: str = "sandbox-secret",  # noqa: S107 - valid only for this stand-in
        token: str = "sandbox-token",  # noqa: S107 - likewise
        token_life: int = 1800,
        largest_page: int = 100,
        now: Callable[[], datetime] = system_now,
    ) -> None:
        super().__init__(now)
        self.orders: dict[int, dict[str, Any]] = {order["id"]: order for order in sorted(orders, key=lambda o: o["id"])}
        self.marked: list[tuple[int, dict[str, Any]]] = []
        self._marked_at: dict[int, datetime] = {}
        self._client = (client_id, client_secret)
        self._token = f"Bearer {token}"
        self._token_life = token_life
        self._issued: dict[str, datetime] = {}
        self._largest_page = largest_page

    def add(self, order: dict[str, Any]) -> None:
        """Add an order that was just placed, or replace the one with the same id."""
        late = bool(self.orders) and order["id"] < next(reversed(self.orders))
        self.orders[order["id"]] = order
        if late:
            in_order = sorted(self.orders.items())
            self.orders.clear()
            self.orders.update(in_order)

    def answer(self, request: web.Request, body: bytes) -> web.Response:
        """Carry out one request; undocumented paths and methods are 404."""
        path = request.rel_url.raw_path
        if path == "/oauth2/token" and request.method == "POST":
            return self._issue(request, body)
        if not path.startswith("/v2/"):
            return _error(404, 10008, "no such resource")
        if not self._authorized(request.headers.get("Authorization", "")):
            return self.unauthorized()
        try:
            if path == "/v2/orders/search" and request.method == "POST":
                groups = expanded(request.query.getall("expands", []))
                orders = self._found()
                return reply(200, search(orders, _content(request, body), groups, largest_page=self._largest_page))
            if (match := ORDER_PATH.fullmatch(path)) and request.method == "PATCH":
                return self._mark(match[1], request, body)
        except PropellerBadRequest as error:
            return _error(400, error.code, str(error))
        return _error(404, 10008, "no such resource")

    def _found(self) -> dict[int, dict[str, Any]]:
        """Return the orders for a search; within `list_lag`, marked orders are shown as before their mark."""
        if not self.list_lag:
            return self.orders
        unmarked = {"exportedAt": None, "exportStatus": "", "exportMessage": None}
        return {
            order_id: order if self.shows(self._marked_at.get(order_id)) else {**order, **unmarked}
            for order_id, order in self.orders.items()
        }

    def unauthorized(self) -> web.Response:
        """Return the 401 response to an invalid or expired token. Its body is a guess: the vendor documents none."""
        return _error(401, 401, "the access token is missing, unknown or expired")

    def _issue(self, request: web.Request, body: bytes) -> web.Response:
        """Issue a token for the client's credentials, sent in the form or as HTTP Basic."""
        if request.content_type != "application/x-www-form-urlencoded":
            return reply(400, {"error": "invalid_request", "error_description": "the body must be a form"})
        form = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
        given = _basic(request.headers.get("Authorization", "")) or (form.get("client_id"), form.get("client_secret"))
        if given != self._client:
            return reply(401, {"error": "invalid_client", "error_description": "unknown client, or wrong secret"})
        if form.get("grant_type") != "client_credentials":
            return reply(400, {"error": "unsupported_grant_type"})
        token = secrets.token_urlsafe(24)
        self._issued[f"Bearer {token}"] = self.now() + timedelta(seconds=self._token_life)
        return reply(200, {"access_token": token, "token_type": "Bearer", "expires_in": self._token_life})

    def _authorized(self, header: str) -> bool:
        if header == self._token:
            return True
        end = self._issued.get(header)
        return end is not None and self.now() < end

    def _mark(self, order_id: str, request: web.Request, body: bytes) -> web.Response:
        order = self.orders.get(int(order_id)) if ORDER_ID.fullmatch(order_id) else None
        if order is None:
            return _error(404, 10008, f"order {order_id} was not found")
        change = _content(request, body)
        _check_change(change)
        if self.moves(order_id):
            self._marked_at.setdefault(order["id"], self.now())
            order.update(change)
            self.marked.append((order["id"], change))
        shown = ("id", "status", "exportedAt", "exportStatus", "exportMessage")
        return reply(200, {key: order[key] for key in shown})


def _check_change(change: Any) -> None:
    """Raise `PropellerBadRequest` (10007) for an undocumented field or value of an update."""
    if not isinstance(change, dict):
        raise PropellerBadRequest(10007, "the body must be an object")
    for key, value in change.items():
        if key not in ("exportedAt", "exportStatus", "exportMessage", "status", "reference", "remarks"):
            raise PropellerBadRequest(10007, f"{key}: unknown field")
        if not isinstance(value, str):
            raise PropellerBadRequest(10007, f"{key}: must be a string")
        if key == "exportStatus" and value not in EXPORT_STATUSES:
            raise PropellerBadRequest(10007, f"{key}: must be one of exported, finished, failed")
        if key == "status" and not value:
            raise PropellerBadRequest(10007, f"{key}: must not be empty")
        if key == "exportedAt" and not _is_moment(value):
            raise PropellerBadRequest(10007, f"{key}: must be UTC with milliseconds, like 2026-03-24T10:00:00.000Z")


def _is_moment(text: str) -> bool:
    """Return whether `text` is an existing time in the only form that the seed shows."""
    if not EXPORTED_AT.fullmatch(text):
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _content(request: web.Request, body: bytes) -> Any:
    if request.content_type != "application/json":
        raise PropellerBadRequest(10005, "the body must be application/json")
    try:
        return decode(body)
    except (ValueError, RecursionError):
        raise PropellerBadRequest(10005, "the body is not valid JSON") from None


def _basic(header: str) -> tuple[str, str] | None:
    """Return the credentials of an HTTP Basic header, whose two parts are form-encoded (RFC 6749, section 2.3.1)."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:  # not ASCII, not base64, or not UTF-8
        return None
    return unquote_plus(name), unquote_plus(secret)


def _error(status: int, code: int, message: str) -> web.Response:
    """Return an error in the vendor's documented shape."""
    error = {"code": code, "status": status, "type": TYPES[status], "messages": [message], "moreInfo": ""}
    return reply(status, {"error": error})
