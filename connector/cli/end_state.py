"""Reads the state of the journal at the end of a run: orders by state, and the causes of the unfinished ones."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence

import msgspec

from connector.journal.states import PARKED
from connector.journal.views.status import causes, example, skipped, snapshot, status

__all__ = ["CauseCount", "EndState", "read_end_state"]


class CauseCount(msgspec.Struct, frozen=True):
    """The number of orders of one source that are in `state` for the same cause, and the id of one of them."""

    state: str
    cause: str
    count: int
    example: str


class EndState(msgspec.Struct, frozen=True):
    """Numbers of orders by source and state, and by source the causes of held, rejected and skipped orders."""

    states: Mapping[str, Mapping[str, int]]
    causes: Mapping[str, Sequence[CauseCount]]
    """By source, the most frequent cause first."""
    listed_again: Mapping[str, int] = {}
    """By source, the number of orders that it had confirmed and lists again, so that they count as unacknowledged."""

    def count(self, *states: str) -> int:
        """Return how many orders are in one of `states`."""
        return sum(numbers.get(state, 0) for numbers in self.states.values() for state in states)

    @property
    def parked(self) -> bool:
        """True if a report about an order is parked."""
        return any(each.state == PARKED for waiting in self.causes.values() for each in waiting)


def read_end_state(db: sqlite3.Connection) -> EndState:
    """Read the end state from one snapshot of the journal."""
    with snapshot(db):
        sources = status(db).sources
        states = {name: counts.orders for name, counts in sources.items()}
        return EndState(
            states,
            {name: [*_stuck(db, name), *_skipped(db, name, states[name])] for name in states},
            {name: counts.listed_again for name, counts in sources.items() if counts.listed_again},
        )


def _stuck(db: sqlite3.Connection, source: str) -> list[CauseCount]:
    return [
        CauseCount(each.state, each.cause, each.orders, example(db, source, each.state, each.cause))
        for each in causes(db, source)
    ]


def _skipped(db: sqlite3.Connection, source: str, states: Mapping[str, int]) -> list[CauseCount]:
    if not states.get("skipped"):
        return []
    return [CauseCount("skipped", *row) for row in skipped(db, source)]
