"""
A system that takes signed webhooks, as the Standard Webhooks scheme describes it, and can be asked what it has.

`POST /orders` takes an order, `GET /orders?external_id=...` looks one up. The signatures are checked by the scheme's
own library, which allows five minutes between the machine's clock and the time of the signature.
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
"""Opens nothing but this stand-in."""
PATH = "/orders"


@dataclass(slots=True)
class ReceivedOrder:
    """One order that was taken; `status` is free for a test to change."""

    id: str
    external_id: str
    body: bytes = field(repr=False)
    status: str = "received"

    def shown(self) -> dict[str, str]:
        """Return what an answer says of it."""
        return {"id": self.id, "external_id": self.external_id, "status": self.status}


class WebhookStandIn(StandIn):
    """
    Whoever posts here signs with `secret`, which is `whsec_` and base64, or the key itself as bytes.

    `repeats` says what becomes of a `webhook-id` that it has taken already: `recognised` answers as the first time,
    `refused` answers 409, `taken` takes it again. `names_id`: its answers are JSON with an id, else just `ok`.
    `listing`: a look-up answers with a list, else with the record or 404; `fuzzy` lists what begins with the id, too.

    `records` is what it took, in order. `signatures` is every (webhook-id, verified) that came, accepted or not.
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
        """Return the records under exactly this external id; more than one is a double."""
        return [record for record in self.records if record.external_id == external_id]

    def put(self, external_id: str, *, body: bytes = b"{}", status: str = "received") -> ReceivedOrder:
        """Hold another record."""
        record = ReceivedOrder(f"ERP-{len(self.records) + 1:05}", external_id, body, status)
        self.records.append(record)
        return record

    def answer(self, request: web.Request, body: bytes) -> web.Response:
        """Carry out one request: the address, then the signature, then the call."""
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
        """Return the 401 of a signature that is not good."""
        return reply(401, {"error": "no matching signature"})

    def _verified(self, request: web.Request, body: bytes) -> bool:
        try:
            self._verifier.verify(body, dict(request.headers), json_parse=False)
            good = True
        except (WebhookVerificationError, ValueError):  # ValueError: of a signature that is not even one
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
