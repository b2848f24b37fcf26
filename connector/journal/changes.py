"""
The journal's writes for what is done to an order after it was delivered: updated, cancelled, documents attached.

A delivery that is done never leaves that state; what follows has rows of its own. Each function runs inside a
transaction, on the database thread.
"""

from __future__ import annotations

import sqlite3

from connector.journal.base import Change
from connector.journal.base import ChangeOutcome as Outcome
from connector.journal.times import millis

__all__ = ["due", "next_due", "put", "settle"]


def put(key: int, receiver: str, what: str, revision: str, db: sqlite3.Connection) -> None:
    """Make a change due. A newer one of its kind takes its place; a cancellation ends what was to be updated."""
    if what == "cancel":
        db.execute("DELETE FROM changes WHERE key = ? AND receiver = ? AND what = 'update'", (key, receiver))
    db.execute(
        "INSERT INTO changes (key, receiver, what, revision, state) VALUES (?, ?, ?, ?, 'due')"
        " ON CONFLICT (key, receiver, what) DO UPDATE SET revision = excluded.revision, state = 'due', attempts = 0,"
        " next_try_at = 0, reason = NULL",
        (key, receiver, what, revision),
    )


def due(receiver: str, now: int, limit: int, db: sqlite3.Connection) -> list[Change]:
    """Return what is due; see `Journal.changes_due`."""
    rows = db.execute(
        "SELECT c.key, o.source, o.order_id, o.external_id, c.what, c.revision, c.attempts,"
        " d.receipt, d.reference, p.raw"
        " FROM changes c JOIN orders o USING (key) JOIN deliveries d ON d.key = c.key AND d.receiver = c.receiver"
        " JOIN payloads p ON p.key = c.key"
        " WHERE c.receiver = ? AND c.state = 'due' AND c.next_try_at <= ? ORDER BY c.next_try_at, c.key LIMIT ?",
        (receiver, now, limit),
    )
    return [
        Change(
            key=key,
            source=source,
            order_id=order_id,
            external_id=external,
            what=what,
            revision=revision,
            attempts=attempts,
            receipt=receipt,
            reference=reference or "",
            raw=raw,
        )
        for key, source, order_id, external, what, revision, attempts, receipt, reference, raw in rows
    ]


def next_due(receiver: str, db: sqlite3.Connection) -> int | None:
    """Return when the next one is due, which may be past; None if none waits."""
    (at,) = db.execute(
        "SELECT min(next_try_at) FROM changes WHERE receiver = ? AND state = 'due'", (receiver,)
    ).fetchone()
    return int(at) if at is not None else None


def settle(change: Change, receiver: str, outcome: Outcome, now: int, db: sqlite3.Connection) -> bool:
    """Record what became of a change; tell whether it was still the one that was due."""
    state, reason, at = outcome.state, outcome.reason, now if outcome.again is None else millis(outcome.again)
    applied = db.execute(
        "UPDATE changes SET state = ?, reason = ?, next_try_at = ?, attempts = attempts + 1"
        " WHERE key = ? AND receiver = ? AND what = ? AND revision = ? AND state = 'due'",
        (state, reason or None, at, change.key, receiver, change.what, change.revision),
    ).rowcount
    if not applied:
        return False
    if state == "done" and change.what == "update":
        db.execute("UPDATE orders SET revision = ?, updated_at = ? WHERE key = ?", (change.revision, now, change.key))
    said = {"done": _DONE[change.what], "held": f"{change.what} held", "due": f"{change.what} not done yet"}[state]
    db.execute(
        "INSERT INTO history (key, at, what, detail) VALUES (?, ?, ?, ?)",
        (change.key, now, said, f"{receiver}: {reason}" if reason else receiver),
    )
    db.execute(
        "DELETE FROM payloads WHERE key = ?1"
        " AND EXISTS (SELECT 1 FROM orders WHERE key = ?1 AND ack_state = 'confirmed')"
        " AND NOT EXISTS (SELECT 1 FROM deliveries WHERE key = ?1 AND state <> 'delivered')"
        " AND NOT EXISTS (SELECT 1 FROM changes WHERE key = ?1 AND state <> 'done')",
        (change.key,),
    )
    return True


_DONE = {"update": "updated", "cancel": "cancelled at the receiver", "attach": "documents attached"}
