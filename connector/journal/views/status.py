"""
Counts of the journal for `status`, the web server and the end of a run, beside a running connector or without one.

Each query is a function of a connection, and fast with a million orders: open and held rows are found by the partial
indexes (in their own words, else SQLite does not use them), and the rest is counted, never looped over. The result of
one query is consistent: it was true at one moment.
"""

# ruff: noqa: S608 - the SQL is put together from our own words; every value is a parameter.

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from datetime import datetime
from typing import get_args

import msgspec

from connector.causes import ACK_REFUSED, LISTED_AGAIN
from connector.journal.engine.codec import moment_or_none
from connector.journal.engine.lock import ended, noted
from connector.journal.engine.migrations import NoJournal
from connector.journal.engine.reader import empty, open_reader, snapshot
from connector.journal.records import Shortfall
from connector.journal.states import HELD, PARKED, PUBLIC, UNTOLD, PublicState, state_of
from connector.journal.tables.endpoints import shortfalls
from connector.journal.tables.relisted import CAUSE

__all__ = [
    "PARKED",
    "CauseTotal",
    "NoJournal",
    "ReceiverCounts",
    "SourceCounts",
    "Status",
    "causes",
    "empty",
    "ended",
    "example",
    "noted",
    "open_reader",
    "skipped",
    "snapshot",
    "status",
]

ODD = (
    "SELECT key FROM deliveries WHERE state <> 'delivered' UNION SELECT key FROM orders WHERE ack_state <> 'confirmed'"
    " UNION SELECT key FROM changes"
)
"""The orders that are not simply delivered everywhere and confirmed: a small part of a large journal."""


class SourceCounts(msgspec.Struct, frozen=True, kw_only=True):
    """
    Counts for one source. `orders` counts its orders by state, without the states that have none.

    - `untold_since`: the time since when the oldest acknowledgement of an export is due.
    - `last_poll`: the end of the last successful poll; `error`: the error of the last poll, if it failed.
    - `shortfall`: the orders that the last successful poll could not see.
    - `parked_reports`: reports that are not sent until a person has looked.
    - `listed_again`: orders that the source had confirmed and lists all the same, so that they are acknowledged again.
    """

    orders: Mapping[str, int] = {}
    untold_since: datetime | None = None
    last_poll: datetime | None = None
    error: str = ""
    parked_reports: int = 0
    shortfall: Shortfall = Shortfall()
    listed_again: int = 0


class ReceiverCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of the deliveries to one receiver, and the state of its circuit breaker since `since`."""

    deliveries: Mapping[str, int] = {}
    breaker: str = "closed"
    reason: str = ""
    since: datetime | None = None


class Status(msgspec.Struct, frozen=True):
    """Every source and receiver that the journal knows, by name."""

    sources: Mapping[str, SourceCounts]
    receivers: Mapping[str, ReceiverCounts]


class CauseTotal(msgspec.Struct, frozen=True):
    """The number of orders that wait in `state` for the same cause."""

    state: str
    cause: str
    orders: int


def status(db: sqlite3.Connection) -> Status:
    """Return the counts of every source and receiver."""
    with snapshot(db):
        orders = _counts(
            db,
            f"""
            WITH odd AS MATERIALIZED ({ODD})
            SELECT source, state, sum(n) FROM (
                SELECT source, 'acknowledged' AS state, count(*) AS n FROM orders GROUP BY source
                UNION ALL
                SELECT source, 'acknowledged', -count(*) FROM orders WHERE key IN odd GROUP BY source
                UNION ALL
                SELECT source, {state_of("o")}, count(*) FROM orders o WHERE key IN odd GROUP BY 1, 2
            ) GROUP BY source, state
            """,
        )
        deliveries = _counts(
            db,
            f"SELECT receiver, {PUBLIC}, count(*) FROM deliveries WHERE state <> 'delivered' GROUP BY 1, 2"
            " UNION ALL"
            " SELECT receiver, 'delivered', count(*) FROM deliveries WHERE state = 'delivered' GROUP BY 1",
        )
        untold = dict(
            db.execute(
                # One that was confirmed and is listed again counts from then on.
                "SELECT source, min(since) FROM ("
                "SELECT source, CASE WHEN ack_done_at IS NULL THEN ack_at ELSE updated_at END + ack_moved AS since"
                f" FROM orders WHERE ack_state IN {UNTOLD} AND ack_outcome = 'exported'"
                " UNION ALL SELECT source, since + moved FROM relisted WHERE parked = 0) GROUP BY source"
            )
        )
        missing = shortfalls(db)
        again = dict(db.execute("SELECT source, count(*) FROM relisted WHERE parked = 0 GROUP BY source"))
        walks = {name: (at, error) for name, at, error in db.execute("SELECT name, last_poll, error FROM sources")}
        parked = dict(
            db.execute("SELECT source, count(*) FROM reports WHERE state = 'parked' AND dropped_at IS NULL GROUP BY 1")
        )
        breakers = {name: rest for name, *rest in db.execute("SELECT name, breaker, reason, since FROM receivers")}
    sources = {}
    for name in sorted(orders.keys() | walks.keys() | parked.keys()):
        at, error = walks.get(name, (None, ""))
        sources[name] = SourceCounts(
            orders=orders.get(name, {}),
            untold_since=moment_or_none(untold.get(name)),
            last_poll=moment_or_none(at),
            error=error,
            parked_reports=parked.get(name, 0),
            shortfall=missing.get(name, Shortfall()),
            listed_again=again.get(name, 0),
        )
    receivers = {}
    for name in sorted(deliveries.keys() | breakers.keys()):
        breaker, reason, since = breakers.get(name, ("closed", "", None))
        receivers[name] = ReceiverCounts(
            deliveries=deliveries.get(name, {}), breaker=breaker, reason=reason, since=moment_or_none(since)
        )
    return Status(sources, receivers)


def causes(db: sqlite3.Connection, source: str | None = None) -> list[CauseTotal]:
    """Return the causes of holds, rejections and parked reports (of `source`), the most frequent first."""
    rows = db.execute(
        "SELECT state, cause, count(DISTINCT key) AS n FROM deliveries"
        f" WHERE state IN {HELD} AND (?1 IS NULL OR (SELECT source FROM orders o WHERE o.key = deliveries.key) = ?1)"
        " GROUP BY cause, state"
        " UNION ALL"
        f" SELECT 'held', {CAUSE}, count(*) FROM orders WHERE ack_state = 'parked'"
        " AND (?1 IS NULL OR source = ?1) GROUP BY 2"
        " UNION ALL"
        " SELECT 'held', reason, count(DISTINCT key) FROM changes WHERE state = 'held'"
        " AND (?1 IS NULL OR (SELECT source FROM orders o WHERE o.key = changes.key) = ?1) GROUP BY reason"
        " UNION ALL"
        " SELECT ?2, coalesce(reason, ''), count(DISTINCT order_id) FROM reports"
        " WHERE state = 'parked' AND dropped_at IS NULL AND (?1 IS NULL OR source = ?1) GROUP BY reason"
        " ORDER BY n DESC, 1, 2",
        (source, PARKED),
    )
    return [CauseTotal(*row) for row in rows]


def example(db: sqlite3.Connection, source: str, state: str, cause: str) -> str:
    """Return the id of one order of `source` that waits in `state` for `cause`; empty if there is none any more."""
    if state == PARKED:
        sql = (
            "SELECT order_id FROM reports"
            " WHERE state = 'parked' AND dropped_at IS NULL AND source = ? AND coalesce(reason, '') = ? LIMIT 1"
        )
    elif cause in (ACK_REFUSED, LISTED_AGAIN):
        sql = f"SELECT order_id FROM orders WHERE source = ? AND ack_state = 'parked' AND {CAUSE} = ? LIMIT 1"
    else:
        sql = (
            "SELECT o.order_id FROM deliveries d JOIN orders o ON o.key = d.key"
            " WHERE o.source = ? AND d.cause = ? AND d.state IN ('held', 'rejected') LIMIT 1"
        )
    row = db.execute(sql, (source, cause)).fetchone()
    return str(row[0]) if row else ""


def skipped(db: sqlite3.Connection, source: str) -> list[tuple[str, int, str]]:
    """Return the causes for which orders of `source` were skipped, with the number of orders and one id of each."""
    return db.execute(
        "SELECT d.cause, count(DISTINCT d.key), min(o.order_id) FROM deliveries d JOIN orders o ON o.key = d.key"
        " WHERE d.state = 'skipped' AND o.source = ? GROUP BY 1 ORDER BY 2 DESC",
        (source,),
    ).fetchall()


def _counts(db: sqlite3.Connection, question: str) -> dict[str, dict[str, int]]:
    """Return counts by name and state, the states in the order of an order's life."""
    found: dict[str, dict[str, int]] = {}
    for name, state, count in db.execute(question):
        if count:
            found.setdefault(name, {})[state] = count
    return {
        name: {state: counts[state] for state in get_args(PublicState) if state in counts}
        for name, counts in found.items()
    }
