"""
The repairs of a reconciliation: `connector reconcile --repair`.

Each function runs inside a transaction (`decisions.deciding`), beside a running connector or without one, and is
guarded by the state that it starts from: an order that has moved on since the comparison is left alone.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Literal

from connector.ack import Confirmed, Unknown
from connector.journal.engine.codec import moment
from connector.journal.records import AckResult, Arrival, Delivered, Listing, Settlement
from connector.journal.tables import acks, deliveries, history, relisted
from connector.journal.tables import orders as arrivals

__all__ = ["adopt", "look_again", "take_in", "tell_again"]


def adopt(key: int, receiver: str, found: Delivered, now: int, db: sqlite3.Connection) -> bool:
    """
    Note that `receiver` has an order that waits here, as its look-up showed; return whether it still waited.

    The acknowledgement that this makes due is in the same transaction.
    """
    db.execute(
        "UPDATE deliveries SET state = 'in_doubt', cause = NULL, cause_code = NULL, detail = NULL, next_try_at = ?"
        " WHERE key = ? AND receiver = ? AND state = 'held'",
        (now, key, receiver),
    )
    (settled,) = deliveries.settle([Settlement(key, receiver, found)], now, db)
    return settled.applied


def take_in(
    source: str,
    arrival: Arrival,
    found: Mapping[str, Delivered],
    now: int,
    db: sqlite3.Connection,
    *,
    told: Literal["exported", "unknown", "no"],
) -> bool:
    """
    Record an order that the journal lacks as delivered to the receivers that have it; return False if it has it.

    `told`: `exported` when the source lists it so, and no acknowledgement is sent; `unknown` when one may have been
    sent just before, so that it is read back before another is sent.
    """
    listing = Listing(asked_at=moment(now), exported=True, on_change="ignore", on_cancel="ignore")
    (taken,) = arrivals.ingest(source, [arrival], listing, now, db)
    if taken.what != "new":
        return False
    done = [adopt(taken.key, receiver, receipt, now, db) for receiver, receipt in found.items()]
    if told != "no" and acks.claim([taken.key], {}, db) == [True]:
        outcome = Confirmed() if told == "exported" else Unknown("whoever delivered it may have told the source")
        acks.settle([AckResult(taken.key, outcome, moment(now))], now, db)
    return all(done)


def look_again(key: int, receiver: str, now: int, db: sqlite3.Connection) -> bool:
    """Make the look-up of a delivery in doubt due now; return whether it still is in doubt."""
    return (
        db.execute(
            "UPDATE deliveries SET next_try_at = min(next_try_at, ? - coalesce((SELECT ahead FROM clock), 0))"
            " WHERE key = ? AND receiver = ? AND state = 'in_doubt'",
            (now, key, receiver),
        ).rowcount
        == 1
    )


def tell_again(key: int, now: int, db: sqlite3.Connection, *, once: bool = False) -> bool:
    """
    Make the acknowledgement of an exported order due now, whether or not it was sent before.

    Returns False for an order without one, or with one under way. `once`: a second acknowledgement has a second effect;
    then one that may have been sent is left alone, and one in doubt is read back when due.
    """
    told = db.execute(
        "UPDATE orders SET ack_state = CASE ack_state WHEN 'in_doubt' THEN ack_state ELSE 'pending' END,"
        " ack_next = CASE WHEN ack_state = 'in_doubt' AND ?3 THEN ack_next ELSE 0 END, ack_attempts = 0,"
        " updated_at = ?1,"
        " ack_moved = CASE WHEN ack_done_at IS NULL THEN ack_moved ELSE 0 END"
        " WHERE key = ?2 AND ack_outcome = 'exported'"
        " AND (ack_state IN ('pending', 'in_doubt') OR (ack_state IN ('parked', 'confirmed') AND NOT ?3))",
        (now, key, once),
    ).rowcount
    if told:
        relisted.forget([key], db)
        history.note(key, now, "reconciled", "the source is told again", db)
    return told == 1
