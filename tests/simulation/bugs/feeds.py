"""Bugs in reading feeds of which a poll cannot see everything, and in telling of orders that lack something."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from connector.journal.records import Held
from connector.pipeline.delivery import unmappable
from connector.pipeline.ingest import surplus
from connector.sources import bisection
from tests.simulation.bugs.planting import FROM, bug, put

__all__: list[str] = []

FROM |= {"leaves_a_row_alone": 40}


@bug
def stops_at_a_row(stack: ExitStack) -> None:
    """Reads whole pages only: an order that breaks its page keeps all that are behind it."""

    async def page(_self: Any, read: Any, number: int, size: int, _pitch: int) -> Any:
        return await read(number, size)

    put(stack, bisection.Bisection, "_page", page)


@bug
def leaves_a_row_alone(stack: ExitStack) -> None:
    """Never tries a row again that could not be read once."""
    put(stack, bisection, "FIRST", 1e9)
    put(stack, bisection, "LONGEST", 1e9)


@bug
def polls_for_a_total(stack: ExitStack) -> None:
    """Reads a feed again at once as long as it states more than it lists."""
    put(
        stack,
        surplus.Surplus,
        "read_again",
        lambda _self, stated, listed, _new: stated.most is not None and stated.most > listed,
    )


@bug
def tells_what_it_cannot_map(stack: ExitStack) -> None:
    """Takes an order that cannot be mapped either for one that bears out that the others lack something."""

    async def held(self: Any, ended: Any) -> None:
        for work, outcome in ended:
            if isinstance(outcome, Held) and outcome.unfit:
                await self._reject([work.key])

    put(stack, unmappable.UnmappableOrders, "held", held)
