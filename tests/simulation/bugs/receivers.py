"""Bugs in the reading of a receiver's answer."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from connector.errors import TransientError
from connector.http import reported_failure
from connector.receivers.ewarehousing import receiver as ewarehousing
from connector.receivers.webhook import receiver as webhook
from connector.receivers.webhook import success as webhook_success
from tests.simulation.bugs.planting import FROM, bug, put

__all__: list[str] = []

FROM["what_is_cut_off_is_a_delivery"] = 200

FROM |= {"an_error_is_not_there": 185, "a_failed_look_up_is_an_empty_one": 80}


@bug
def any_2xx_is_a_delivery(stack: ExitStack) -> None:
    """A webhook's 2xx is a success, from any host and with any content."""
    put(stack, webhook_success, "no_success", lambda _body, _status: "")


@bug
def what_is_cut_off_is_a_delivery(stack: ExitStack) -> None:
    """A webhook's 2xx is a success where its body is JSON that cannot be read."""
    put(stack, webhook_success, "no_success", reported_failure.reported_failure)


@bug
def all_is_utf8(stack: ExitStack) -> None:
    """The body of an answer is read as UTF-8, whatever it is in."""
    put(stack, reported_failure, "in_utf8", lambda body: body)


@bug
def an_error_is_not_there(stack: ExitStack) -> None:
    """A webhook's look-up whose answer calls itself a failure says that the order is not there."""
    find = webhook.WebhookReceiver.find

    async def finds(self: Any, external_id: str) -> Any:
        try:
            return await find(self, external_id)
        except TransientError as exc:
            if "reports a failure" in str(exc):
                return None
            raise

    put(stack, webhook.WebhookReceiver, "find", finds)


@bug
def a_failed_look_up_is_an_empty_one(stack: ExitStack) -> None:
    """The warehouse's list is taken for empty where its answer calls itself a failure."""
    matches = ewarehousing.EwarehousingReceiver._matches

    async def matching(self: Any, external_id: str) -> Any:
        try:
            return await matches(self, external_id)
        except TransientError as exc:
            if "reports a failure" in str(exc):
                return [], set(), True
            raise

    put(stack, ewarehousing.EwarehousingReceiver, "_matches", matching)
