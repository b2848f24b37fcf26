"""
A receiver of signed webhooks (Standard Webhooks), with a look-up.

`POST /orders` receives an order, and `GET /orders?external_id=...` looks one up. The official library checks the
signatures, and allows a difference of five minutes between the machine's clock and the time of the signature.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError

from connector.sandbox.server import StandIn, reply, system_now

__all__ = ["SECRET", "ReceivedOrder", "WebhookStandIn"]

SECRET = "whsec_c2FuZGJveC1zZWNyZXQtb2YtdGhlLXN0YW5kLWlu"
"""Valid only for this stand-in."""
PATH = "/orders"


@dataclass(slots=True)
class ReceivedOrder:
    """One received order; a test may change `status`."""

    id: str
    external_id: str
    body: bytes = field(repr=False)
    status: str = "received"

    def shown(self) -> dict[str, str]:
        """Return the order as responses show it."""
        return {"id": self.id, "external_id": self.external_id, "status": self.status}


class WebhookStandIn(StandIn):
    """
    The receiver; requests are signed with `secret`, either `whsec_` and base64, or the key itself as bytes.

    - `repeats`: the response to a known `webhook-id`. `recognised` repeats the first response, `refused` is 409, and
      `taken` stores the order again.
    - `names_id`: responses are JSON with an id, instead of `ok`.
    - `listing`: a look-up returns a list, instead of one record or 404.
    - `fuzzy`: a look-up also finds ids that begin with the given one.
    - `records`: the received orders in order of arrival.
    - `signatures`: every received (webhook-id, verified), accepted or not.
    """

    def __init__(
        self,
        *,
        secret: str | bytes = SECRET,
        repeats: Literal["recognised", "refused", "taken"] = "recognised",
        names_id: bool = True,
        listing: bool = True,
        fuzzy: bool = False,
        now: Callable[[], datetime] = system_now,
    ) -> None:
        super().__init__(now)
        self.records: list[ReceivedOrder] = []
        self.signatures: list[tuple[str, bool]] = []
        self._verifier = Webhook(secret)
        self._repeats = repeats
        self._names_id = names_id
        self._listing = listing
        self._fuzzy = fuzzy

    def by_external_id(self, external_id: str) -> list[ReceivedOrder]:
        """Return the records with exactly this external id; more than one is a duplicate."""
        return [record for record in self.records if record.external_id == external_id]

    def put(self, external_id: str, *, body: bytes = b"{}", status: str = "received") -> ReceivedOrder:
        """Add a record."""
        record = ReceivedOrder(f"ERP-{len(self.records) + 1:05}", external_id, body, status)
        self.records.append(record)
        return record

    def answer(self, request: web.Request, body: bytes) -> web.Response:
        """Carry out one request: check the path and the signature, then apply it."""
        if request.rel_url.raw_path != PATH:
            return reply(404, {"error": "no such resource"})
        if request.method not in ("GET", "POST"):
            return web.Response(status=405, headers={"Allow": "GET, POST"})
        if not self._verified(request, body):
            return self.unauthorized()
        if request.method == "GET":
            return self._look_up(request.query.get("external_id", ""))
        return self._take(request.headers["webhook-id"], body)

    def unauthorized(self) -> web.Response:
        """Return the 401 response to an invalid signature."""
        return reply(401, {"error": "no matching signature"})

    def _verified(self, request: web.Request, body: bytes) -> bool:
        try:
            self._verifier.verify(body, dict(request.headers), json_parse=False)
            good = True
        except (WebhookVerificationError, ValueError):  # ValueError: a malformed signature
            good = False
        self.signatures.append((request.headers.get("webhook-id", ""), good))
        return good

    def _look_up(self, external_id: str) -> web.Response:
        found = [
            record
            for record in self.records
            if record.external_id == external_id or (self._fuzzy and record.external_id.startswith(external_id))
        ]
        if self._listing:
            return reply(200, [record.shown() for record in found])
        return reply(200, found[0].shown()) if found else reply(404, {"error": "no such order"})

    def _take(self, external_id: str, body: bytes) -> web.Response:
        known = self.by_external_id(external_id)
        if known and self._repeats == "refused":
            return reply(409, {"error": "this order is here already"})
        record = known[0] if known and self._repeats == "recognised" else self.put(external_id, body=body)
        return reply(201, record.shown()) if self._names_id else web.Response(status=202, text="ok")
