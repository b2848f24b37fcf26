"""Puts a bug into the connector for the time of a schedule, and looks for its violation."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple
from unittest import mock

from tests.simulation import schedule

__all__ = ["BUGS", "FROM", "MOST", "Bug", "Caught", "bug", "caught", "planted", "put"]

MOST = 200
"""Schedules within which each has to be found."""

FROM: dict[str, int] = {}
"""The first seed to try for a bug that shows in one of a thousand schedules: near the seed that showed it first."""

Bug = Callable[[ExitStack], None]
BUGS: dict[str, Bug] = {}


class Caught(NamedTuple):
    """The number of the schedule in which a bug showed, from 1, and the violation; 0 if it did not show."""

    at: int
    what: str


def caught(name: str, most: int = MOST) -> Caught:
    """Run schedules with a bug until one is violated."""
    for seed in range(FROM.get(name, 0), FROM.get(name, 0) + most):
        with planted(name):
            result = schedule.run(seed, to_the_end=False)
        if result.violations:
            first = result.violations[0]
            misfit = {"TypeError", "AttributeError"} & set(re.findall(r"\w+Error", first.text))
            assert not misfit, f"{name} does not fit the connector any more: {first.text}"
            return Caught(seed + 1 - FROM.get(name, 0), f"{first.invariant} {first.text.partition(': ')[2]}")
    return Caught(0, "")


@contextmanager
def planted(name: str) -> Iterator[None]:
    """Put a bug into the connector."""
    with ExitStack() as stack:
        BUGS[name](stack)
        yield


def bug(function: Bug) -> Bug:
    """Add a bug to the list, under its function's name."""
    BUGS[function.__name__] = function
    return function


def put(stack: ExitStack, where: Any, name: str, what: Any) -> None:
    """Put something in the place of something else."""
    stack.enter_context(mock.patch.object(where, name, what))
