"""
The journal's writes for acknowledgements. Each function runs inside a transaction, on the database thread.

What is open is always asked for in the words of the partial index `acks_open`: SQLite uses it only for the same words.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial

from connector.ack import DENIED, Acknowledgement, Confirmed, Denied, NotApplied, Refused, Unknown
from connector.journal.base import AckResult
from connector.journal.engine import bulk
from connector.journal.engine.codec import millis, moment
from connector.journal.tables import ack_failures as failures
from connector.journal.tables import deliveries, relisted
from connector.journal.tables.ack_terms import TERMS
from connector.journal.views.backlog import SINCE

__all__ = ["claim", "due", "next_due", "settle"]


def claim(keys: Sequence[int], told: Mapping[int, datetime], db: sqlite3.Connection) -> list[bool]:
    """Mark as being sent; see `Journal.claim_acks`."""
    if told:
        times = {key: millis(at) for key, at in told.items()}
        return [
            bulk.update_keys(db, _CLAIM_FAILURE, [key], times[key]) == 1 if key in times else claim([key], {}, db)[0]
            for key in keys
        ]
    if len(set(keys)) == len(keys) and bulk.all_or_nothing(db, len(keys), partial(bulk.update_keys, db, _CLAIM, keys)):
        return [True] * len(keys)
    return [bulk.update_keys(db, _CLAIM, [key]) == 1 for key in keys]


_CLAIM = (
    "UPDATE orders SET ack_state = 'sending', ack_attempts = ack_attempts + 1"
    " WHERE ack_state = 'pending' AND key IN ({})"
)


_CLAIM_FAILURE = _CLAIM.replace("WHERE", "WHERE ack_outcome = 'failed' AND ack_at = ? AND")


def settle(results: Sequence[AckResult], now: int, db: sqlite3.Connection) -> None:
    """Record what became of them; see `Journal.settle_acks`."""
    confirmed: list[int] = []
    told_at = max(
        (millis(result.next_try_at) for result in results if isinstance(result.outcome, Confirmed)), default=0
    )
    others: list[tuple[str, str, int, int]] = []
    refused: list[int] = []
    for result in results:
        match result.outcome:
            case Confirmed():
                confirmed.append(result.key)
            case NotApplied(reason):
                others.append(("pending", reason, millis(result.next_try_at), result.key))
            case Denied(reason):
                others.append(("in_doubt", f"{DENIED}: {reason}", millis(result.next_try_at), result.key))
            case Unknown(reason):
                others.append(("in_doubt", reason, millis(result.next_try_at), result.key))
            case Refused(reason):
                others.append(("parked", reason, 0, result.key))
                refused.append(result.key)
    failed = [result.key for result in results if result.failure]
    bulk.update_keys(
        db,
        # When it was confirmed by the clock of this process stands where the next try did; see `relisted.believed`.
        "UPDATE orders SET ack_state = 'confirmed', ack_done_at = ?, updated_at = ?, ack_next = ?, ack_reason = NULL,"
        " failures = failures + (ack_outcome = 'failed')"
        " WHERE ack_state IN ('sending', 'in_doubt') AND key IN ({})",
        confirmed,
        now,
        now,
        told_at,
    )
    # What the order was is no longer needed, and it holds people's addresses.
    bulk.update_keys(
        db,
        "DELETE FROM payloads WHERE NOT EXISTS"
        " (SELECT 1 FROM deliveries d WHERE d.key = payloads.key AND d.state <> 'delivered')"
        " AND NOT EXISTS (SELECT 1 FROM changes c WHERE c.key = payloads.key AND c.state <> 'done')"
        " AND key IN ({})",
        confirmed,
    )
    for state, reason, next_try, key in others:
        applied = db.execute(
            "UPDATE orders SET ack_state = ?, ack_reason = ?, ack_next = ? WHERE key = ?"
            " AND ack_state IN ('sending', 'in_doubt')",
            (state, reason, next_try, key),
        ).rowcount
        if applied:
            db.execute(
                "INSERT INTO history (key, at, what, detail) VALUES (?, ?, ?, ?)", (key, now, _SAID[state], reason)
            )
    relisted.forget(refused, db)
    failures.withdraw_failures(failed, now, db)
    for key in failed:
        deliveries.exported_due(db, key, now)  # what was delivered while its source was told that it failed


_SAID = {
    "pending": "acknowledgement not taken",
    "in_doubt": "acknowledgement in doubt",
    "parked": "acknowledgement refused",
}


def due(source: str, state: str, now: int, db: sqlite3.Connection) -> list[Acknowledgement]:
    """Return what is due; see `Journal.acks_due`."""
    rows = db.execute(
        f"SELECT key, order_id, ack_outcome, ack_at, ack_message, ack_attempts, failures, {TERMS},"  # noqa: S608
        f" coalesce(ack_reason GLOB '{DENIED}*' AND ack_state = 'in_doubt', 0) FROM orders"
        " WHERE source = ? AND ack_state IN ('pending', 'sending', 'in_doubt') AND ack_state = ?"
        f" AND ack_next <= ? ORDER BY ack_next, {SINCE}, key LIMIT 1000",
        (source, state, now),
    )
    return [
        Acknowledgement(
            key=key,
            order_id=order_id,
            outcome=outcome,
            at=moment(at),
            message=message,
            attempts=attempts,
            failures=failures if outcome == "failed" else None,
            terms=terms,
            denied=bool(denied),
        )
        for key, order_id, outcome, at, message, attempts, failures, terms, denied in rows
    ]


def next_due(source: str, after: int, db: sqlite3.Connection) -> int | None:
    """Return when the next one falls due; see `Journal.next_ack`."""
    (at,) = db.execute(_NEXT, (source, after)).fetchone()
    return int(at) if at is not None else None


_NEXT = """
SELECT min(at) FROM (
    SELECT min(ack_next) AS at FROM orders WHERE source = ?1 AND ack_next > ?2
        AND ack_state IN ('pending', 'sending', 'in_doubt') AND ack_state = 'pending'
    UNION ALL
    SELECT min(ack_next) FROM orders WHERE source = ?1 AND ack_next > ?2
        AND ack_state IN ('pending', 'sending', 'in_doubt') AND ack_state = 'in_doubt'
)
"""
