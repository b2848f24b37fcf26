"""
The work that is not at an end, counted by a few steps in an index, however much of it there is.

These statements run again and again on the connection that writes, while the connector runs. So none of them scans all
waiting orders, which may be a million.
"""

# ruff: noqa: S608 - the SQL is put together from our own words; every value is a parameter.

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from datetime import datetime

from connector.journal.engine import bulk
from connector.journal.engine.codec import millis, moment
from connector.journal.records import OpenWork
from connector.journal.states import UNTOLD
from connector.journal.tables import acks

__all__ = ["MANY", "oldest_unacknowledged", "open_work"]

MANY = 100_000
"""The highest count, which takes some milliseconds."""

_DELIVERIES = "FROM deliveries WHERE receiver = ? AND state IN ('new', 'ready', 'intent', 'in_doubt')"
_ACKS = f"FROM orders WHERE source = ? AND ack_state IN {UNTOLD}"
_CHANGES = "FROM changes WHERE receiver = ? AND state = 'due'"
_REPORTS = "FROM reports WHERE source = ? AND state IN ('pending', 'sending', 'in_doubt')"


def open_work(db: sqlite3.Connection) -> OpenWork:
    """Return the work that is not at an end; see `Journal.open_work`."""
    receivers = bulk.distinct(db, "receiver", "deliveries", "state IN ('new', 'ready', 'intent', 'in_doubt')")
    late = bulk.distinct(db, "receiver", "changes", "state = 'due'")
    sources, telling = acks.untold_sources(db), bulk.distinct(db, "source", "reports", f"state IN {UNTOLD}")
    states = {"state": ("new", "ready", "intent", "in_doubt"), "ack_state": ("pending", "sending", "in_doubt")}
    times = [
        *_next(db, "next_try_at", _DELIVERIES, receivers, "state", states["state"]),
        *_next(db, "ack_next", _ACKS, sources, "ack_state", states["ack_state"]),
        *_next(db, "next_try_at", _CHANGES, late, "state", ("due",)),
    ]
    return OpenWork(
        _counts(db, _DELIVERIES, receivers),
        _counts(db, _ACKS, sources),
        _counts(db, _CHANGES, late),
        _counts(db, _REPORTS, telling, "DISTINCT order_id"),
        moment(min(times)) if times else None,
    )


def oldest_unacknowledged(now: datetime, db: sqlite3.Connection) -> Mapping[str, float]:
    """Return, by source, the age of the oldest due acknowledgement; `now` is the machine's time. See `Acks.oldest`."""
    return acks.oldest(millis(now), db)


def _counts(db: sqlite3.Connection, which: str, names: list[str], what: str = "1") -> dict[str, int]:
    question = f"SELECT count(*) FROM (SELECT {what} {which} LIMIT {MANY})"
    return {name: count for name in names for (count,) in db.execute(question, (name,))}


def _next(
    db: sqlite3.Connection, column: str, which: str, names: list[str], word: str, states: tuple[str, ...]
) -> Iterator[int]:
    for name in names:
        for state in states:
            # Without a bound SQLite searches by the list of states in `which`, and so scans all waiting rows.
            question = f"SELECT {column} {which} AND {word} = ? AND {column} >= 0 ORDER BY {column} LIMIT 1"
            yield from (at for (at,) in db.execute(question, (name, state)))
