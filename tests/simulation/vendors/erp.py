"""A system that takes signed webhooks, in the simulation: the second receiver of some schedules."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from random import Random
from typing import Any, Literal

from aiohttp import web

from connector.sandbox.server import reply
from connector.sandbox.webhook import ReceivedOrder, WebhookStandIn
from tests.simulation.vendors.base import Act, Request

__all__ = ["Erp", "Manners"]

Manners = Literal["finds", "recognises", "refuses", "neither"]
"""
The receiver's protection against a doubled order: it has a look-up; it recognises a `webhook-id` that it has, and
answers as the first time, or by 409; or neither, so that a person has to see to an order in doubt there. Of those, a
`strict` one answers 409 all the same, but may mean by that an order which somebody else has put there.
"""


class Erp(WebhookStandIn):
    """
    `refused` are the external ids of orders that it will not have; `records` has the time of each it took.

    With `repeated`, a share, the network hands a request over twice: the id of a webhook is there for that.
    """

    def __init__(
        self,
        name: str,
        now: Callable[[], datetime],
        clock: Callable[[], float],
        chance: Random,
        *,
        manners: Manners,
        strict: bool,
        repeated: float,
        **how: Any,
    ) -> None:
        repeats: Any = {"recognises": "recognised", "refuses": "refused"}.get(manners, "taken")
        if manners == "neither" and strict:
            repeats = "refused"
        super().__init__(now=now, repeats=repeats, **how)
        self.name = name
        self.refused: set[str] = set()
        self.times: dict[str, list[float]] = {}
        self._clock = clock
        self._chance = chance
        self._repeated = repeated if repeats != "taken" else 0.0

    def sort(self, request: Request) -> Act:
        """See `Vendor.sort`."""
        if request.method == "GET":
            return Act("lookup", (request.query["external_id"],))
        return Act("create", (request.headers["webhook-id"],), named=str(request.content.get("external_id")))

    def handle(self, request: Request) -> web.Response:
        """See `Vendor.handle`."""
        if request.method == "POST" and request.headers["webhook-id"] in self.refused:
            return reply(422, {"error": "an article of this order is not known here"})
        if request.method == "POST" and self._chance.random() < self._repeated:
            self.answer(request, request.body)  # type: ignore[arg-type]
        return self.answer(request, request.body)  # type: ignore[arg-type]

    def refuse(self) -> web.Response:
        """See `Vendor.refuse`."""
        return self.unauthorized()

    def expire(self) -> None:
        """Its secret does not expire."""

    def put(self, external_id: str, *, body: bytes = b"{}", status: str = "received") -> ReceivedOrder:
        """Hold another record; note when."""
        self.times.setdefault(external_id, []).append(self._clock())
        return super().put(external_id, body=body, status=status)

    def _verified(self, request: Any, body: bytes) -> bool:
        """As the scheme has it, but for the time: that is compared with the machine's own clock, which is none here."""
        at = datetime.fromtimestamp(int(request.headers["webhook-timestamp"]), UTC)
        signature = self._verifier.sign(request.headers["webhook-id"], at, body.decode())
        return bool(signature == request.headers["webhook-signature"])
