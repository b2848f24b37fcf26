"""Bugs in the handling of 429, and of refusals that name no culprit."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from connector.clients.ewarehousing.errors import reason
from connector.clients.ewarehousing.transport import REFUSALS, Transport
from connector.errors import RejectedError, is_lasting
from connector.http import failures
from connector.http.attribution import Attribution
from connector.http.breaker import Breaker
from connector.http.endpoint import Endpoint
from connector.pipeline.delivery.rejections import RejectionGuard
from tests.simulation.bugs.planting import FROM, bug, put

__all__: list[str] = []

FROM["throttled_resets"] = 165
FROM["always_the_same_probe"] = 1085


@bug
def one_order_closes_the_endpoint(stack: ExitStack) -> None:
    """Takes every refusal that names no culprit for the endpoint's fault."""

    def failed(self: Any, _request: Any, exc: Any, *, answered: bool) -> None:
        del answered
        if isinstance(exc, RejectedError):
            self.breaker.succeeded()
        else:
            asked = getattr(exc, "retry_after", None)
            self.breaker.failed(str(exc), hopeless=is_lasting(exc), at_once=asked is not None, at_least=asked)

    put(stack, Endpoint, "_failed", failed)


@bug
def blames_the_order_at_once(stack: ExitStack) -> None:
    """Leaves an order to a person at its first refusal, which may be an accident, or everybody's."""

    def refused(self: Any, about: Any, _method: str, exc: Any, _taken: int) -> None:
        self._alone[about.name] = exc

    put(stack, Attribution, "refused", refused)


@bug
def throttled_resets(stack: ExitStack) -> None:
    """Takes any call that goes through for the end of a rate limit."""
    real = Breaker.succeeded

    def succeeded(self: Any, _kind: str = "") -> None:
        self._throttles = 0
        real(self, self._throttled)

    put(stack, Breaker, "succeeded", succeeded)


@bug
def always_the_same_probe(stack: ExitStack) -> None:
    """Lets the order that is due first be the probe of a paused receiver, also when its call failed each time."""
    put(stack, RejectionGuard, "_number", lambda *_: (0, 0, 0))


@bug
def believes_a_page(stack: ExitStack) -> None:
    """Treats any 400 and 422 as the vendor's own rejection of an order, even from a host in between."""
    real = Transport._judge

    def judge(self: Any, answer: Any) -> None:
        if answer.status in REFUSALS:
            raise RejectedError(reason(answer.status, answer.body), duplicate=answer.status == 409)
        real(self, answer)

    put(stack, Transport, "_judge", judge)
    put(stack, failures, "is_page", lambda _body: False)
