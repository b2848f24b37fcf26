"""
What is not at an end, found by steps in an index: however much of it there is, a look takes a few of them.

These are the questions that are asked again and again while the connector runs, on the connection that writes. So none
of them goes through all that waits, which may be a million orders.
"""

# ruff: noqa: S608 - the SQL is put together from our own words; every value is a parameter.

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from connector.journal.base import OpenWork
from connector.journal.engine.codec import moment
from connector.journal.tables import relisted

__all__ = ["MANY", "SINCE", "UNTOLD", "distinct", "oldest_acks", "open_work", "untold_sources"]

MANY = 100_000
"""Up to so many are counted, which takes some milliseconds."""
UNTOLD = "('pending', 'sending', 'in_doubt')"
"""The words of the partial index `acks_open`; SQLite uses it only for the same ones."""
SINCE = "CASE WHEN ack_done_at IS NULL THEN ack_at ELSE updated_at END + ack_moved"
"""Since when an acknowledgement is due: one that the source confirmed, and yet lists, counts from then on."""

_DELIVERIES = "FROM deliveries WHERE receiver = ? AND state IN ('new', 'ready', 'intent', 'in_doubt')"
_ACKS = f"FROM orders WHERE source = ? AND ack_state IN {UNTOLD}"
_CHANGES = "FROM changes WHERE receiver = ? AND state = 'due'"
_REPORTS = "FROM reports WHERE source = ? AND state IN ('pending', 'sending', 'in_doubt')"


def distinct(db: sqlite3.Connection, column: str, table: str, where: str = "1") -> list[str]:
    """Return the values of a column that is the first of an index with the words `where`, one step for each."""
    return [
        name
        for (name,) in db.execute(
            f"WITH RECURSIVE each (name) AS (SELECT min({column}) FROM {table} WHERE {where}"
            f" UNION ALL SELECT (SELECT min({column}) FROM {table} WHERE {where} AND {column} > each.name)"
            " FROM each WHERE each.name IS NOT NULL) SELECT name FROM each WHERE name IS NOT NULL"
        )
    ]


def untold_sources(db: sqlite3.Connection) -> list[str]:
    """Return the sources that are to be told of some order."""
    return distinct(db, "source", "orders", f"ack_state IN {UNTOLD}")


def oldest_acks(now: int, db: sqlite3.Connection) -> dict[str, float]:
    """
    Return, by source, the age in seconds of the oldest acknowledgement that is due and not confirmed, or that was
    confirmed and changed nothing: the order is listed all the same.

    Those that were not tried yet stand in the order of their age. Only those that wait for another try are gone
    through, in the index alone.
    """
    ages: dict[str, float] = {}
    for source in untold_sources(db):
        (since,) = db.execute(_OLDEST, (source,)).fetchone()
        ages[source] = max(0, now - since) / 1000
    for source in distinct(db, "source", "relisted", "parked = 0"):
        if (at := relisted.oldest(source, db)) is not None:
            ages[source] = max(ages.get(source, 0.0), max(0, now - at) / 1000)
    return ages


_OLDEST = (
    "SELECT min(since) FROM ("
    + " UNION ALL ".join(
        f"SELECT min({SINCE}) AS since FROM orders WHERE source = ?1 AND ack_state IN {UNTOLD}"
        f" AND ack_state = '{state}' AND ack_next {again}"
        for state in ("pending", "sending", "in_doubt")
        for again in ("= 0", "> 0")
    )
    + ")"
)


def open_work(db: sqlite3.Connection) -> OpenWork:
    """Return what is not at an end; see `Journal.open_work`."""
    receivers = distinct(db, "receiver", "deliveries", "state IN ('new', 'ready', 'intent', 'in_doubt')")
    late = distinct(db, "receiver", "changes", "state = 'due'")
    sources, telling = untold_sources(db), distinct(db, "source", "reports", f"state IN {UNTOLD}")
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


def _counts(db: sqlite3.Connection, which: str, names: list[str], what: str = "1") -> dict[str, int]:
    question = f"SELECT count(*) FROM (SELECT {what} {which} LIMIT {MANY})"
    return {name: count for name in names for (count,) in db.execute(question, (name,))}


def _next(
    db: sqlite3.Connection, column: str, which: str, names: list[str], word: str, states: tuple[str, ...]
) -> Iterator[int]:
    for name in names:
        for state in states:
            # Without a bound SQLite goes by the list of states in `which`, and so through all that waits.
            question = f"SELECT {column} {which} AND {word} = ? AND {column} >= 0 ORDER BY {column} LIMIT 1"
            yield from (at for (at,) in db.execute(question, (name, state)))
