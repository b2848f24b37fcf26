"""Bugs in the listing of an order that its source has confirmed, and in the test for a confirmation."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from connector.ack import Confirmed, Denied
from connector.journal.tables import relisted
from connector.sources.base import SourceTraits
from connector.sources.traede import acks as traede_mark
from connector.sources.zendera import source as zendera
from tests.simulation.bugs.planting import FROM, bug, put

__all__: list[str] = []

FROM["compares_across_a_step"] = 4330


@bug
def believes_a_list_at_once(stack: ExitStack) -> None:
    """An order that is listed after its confirmation is acknowledged again, however soon after."""
    put(stack, relisted, "believed", lambda _key, done_at, asked_at, _policy, _db: asked_at > done_at)


@bug
def tells_stock_again(stack: ExitStack) -> None:
    """An order that is listed after its confirmation is acknowledged again where that moves stock twice."""
    put(stack, SourceTraits, "confirms_once", property(lambda _traits: False))
    put(stack, relisted, "believed", lambda _key, done_at, asked_at, _policy, _db: asked_at > done_at)


@bug
def forgets_what_is_listed_again(stack: ExitStack) -> None:
    """A confirmation stands for ever, whatever is listed after it."""
    put(stack, relisted, "believed", lambda *_: False)


@bug
def a_denial_confirms(stack: ExitStack) -> None:
    """An answer that calls itself a failure is a confirmation, and a confirmation is never judged."""
    real = traede_mark.outcomes

    def outcomes(*arguments: Any) -> Any:
        return {key: Confirmed() if isinstance(each, Denied) else each for key, each in real(*arguments).items()}

    put(stack, zendera, "denials", lambda *_: {})
    put(stack, traede_mark, "outcomes", outcomes)
    put(stack, relisted, "believed", lambda *_: False)


@bug
def compares_across_a_step(stack: ExitStack) -> None:
    """The start after the next one takes the records from before a step of the clock for comparable again."""
    real = relisted.believed

    def believed(key: Any, told: Any, asked: Any, policy: Any, db: Any) -> Any:
        return real(key, told, asked._replace(comparable=0), policy, db)

    put(stack, relisted, "believed", believed)
