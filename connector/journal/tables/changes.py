"""
The changes of delivered orders: updates, cancellations and attachments of documents.

A delivery never leaves the state `delivered`; changes have rows of their own. A change is claimed before it is sent,
and leaves a doubt (`doubt_until`): until then a reading of the order may be older, so that no other change of its kind
is begun. Updates and cancellations are one kind, documents another. A cancellation does not wait for the doubt of an
update: no older reading shows an order as cancelled. Each function runs inside a transaction.
"""

# ruff: noqa: S608 - the SQL is put together from our own words; every value is a parameter.

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from datetime import datetime

from connector.journal.engine.codec import millis, moment_or_none
from connector.journal.engine.store import Table
from connector.journal.records import Change, ChangeOutcome
from connector.journal.tables import history, payloads

__all__ = ["ChangesTable", "claim", "due", "next_due", "put", "recover", "settle"]


class ChangesTable(Table):
    """The changes of delivered orders: updates, cancellations and attachments."""

    async def claim(self, receiver: str, change: Change) -> bool:
        """Note that a change is about to be sent; return whether it is still the due one."""
        return await self._store.before_call(lambda db: claim(change, receiver, db))

    async def settle(self, receiver: str, change: Change, outcome: ChangeOutcome, now: datetime) -> bool:
        """Record the outcome of a change; return whether it was still the due one."""
        at = self._store.recorded(now)
        return await self._store.write(lambda db: settle(change, receiver, outcome, at, db))

    async def due(self, receiver: str, now: datetime, limit: int) -> list[Change]:
        """Return the due changes of orders at `receiver`, the longest waiting first."""
        return await self._store.read(lambda db: due(receiver, millis(now), limit, db))

    async def next_due(self, receiver: str) -> datetime | None:
        """Return when the next change at `receiver` is due, which may be past; None if none waits."""
        return moment_or_none(await self._store.read(lambda db: next_due(receiver, db)))


_OF_ITS_KIND = "key = ?1 AND receiver = ?2 AND (what = 'attach') = (?3 = 'attach')"


def put(key: int, receiver: str, what: str, revision: str, db: sqlite3.Connection) -> None:
    """
    Make a change due. It replaces an older one of its kind, and a cancellation replaces an update.

    It is not begun while the effect of an older change may not show yet.
    """
    sending, doubt = db.execute(
        f"SELECT coalesce(max(sending), 0), coalesce(max(doubt_until), 0) FROM changes WHERE {_OF_ITS_KIND}",
        (key, receiver, what),
    ).fetchone()
    if what == "cancel":
        db.execute("DELETE FROM changes WHERE key = ? AND receiver = ? AND what = 'update'", (key, receiver))
    db.execute(
        "INSERT INTO changes (key, receiver, what, revision, state, next_try_at, sending, doubt_until)"
        " VALUES (?, ?, ?, ?, 'due', ?, ?, ?)"
        " ON CONFLICT (key, receiver, what) DO UPDATE SET revision = excluded.revision, state = 'due', attempts = 0,"
        " next_try_at = max(excluded.next_try_at, doubt_until), doubt_until = excluded.doubt_until,"
        " sending = excluded.sending, reason = NULL, reason_code = NULL, applied = 0, unshown = 0",
        (key, receiver, what, revision, 0 if what == "cancel" else doubt, sending, doubt),
    )


def claim(change: Change, receiver: str, db: sqlite3.Connection) -> bool:
    """Note that a change is about to be sent; see `Changes.claim`."""
    return bool(
        db.execute(
            "UPDATE changes SET sending = 1"
            " WHERE key = ? AND receiver = ? AND what = ? AND revision = ? AND state = 'due'",
            (change.key, receiver, change.what, change.revision),
        ).rowcount
    )


def recover(now: int, settle_ms: Mapping[str, int], longest_ms: int, db: sqlite3.Connection) -> None:
    """Mark the changes that were being sent as possibly applied; see `Journal.recover`."""
    for receiver, settle in settle_ms.items():
        _recover(receiver, now, settle, db)
    db.execute(
        "UPDATE changes SET next_try_at = ?1 WHERE state = 'due' AND next_try_at > ?1",
        (now + longest_ms + max(settle_ms.values(), default=0),),  # a change with a lost response waits that long
    )


def _recover(receiver: str, now: int, settle_ms: int, db: sqlite3.Connection) -> None:
    """Mark the changes at one receiver that were being sent as possibly applied."""
    settled = now + settle_ms
    db.execute("UPDATE changes SET doubt_until = 0 WHERE receiver = ? AND doubt_until BETWEEN 1 AND ?", (receiver, now))
    db.execute("UPDATE changes SET doubt_until = ?1 WHERE receiver = ?2 AND doubt_until > ?1", (settled, receiver))
    db.execute(
        "UPDATE changes SET sending = 0, doubt_until = ? WHERE receiver = ? AND sending = 1", (settled, receiver)
    )
    db.execute(
        "UPDATE changes SET next_try_at = max(next_try_at, doubt_until)"
        " WHERE receiver = ? AND doubt_until > 0 AND state = 'due'",
        (receiver,),
    )


def due(receiver: str, now: int, limit: int, db: sqlite3.Connection) -> list[Change]:
    """Return due changes; see `Changes.due`."""
    rows = db.execute(
        "SELECT c.key, o.source, o.order_id, o.external_id, c.what, c.revision, c.attempts,"
        " d.receipt, d.reference, p.raw, c.applied, c.unshown"
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
            applied=bool(applied),
            unshown=unshown,
        )
        for key, source, order_id, external, what, revision, attempts, receipt, reference, raw, applied, unshown in rows
    ]


def next_due(receiver: str, db: sqlite3.Connection) -> int | None:
    """Return when the next one is due, which may be past; None if none waits."""
    (at,) = db.execute(
        "SELECT min(next_try_at) FROM changes WHERE receiver = ? AND state = 'due'", (receiver,)
    ).fetchone()
    return int(at) if at is not None else None


def settle(change: Change, receiver: str, outcome: ChangeOutcome, now: int, db: sqlite3.Connection) -> bool:
    """Record the outcome of a change; see `Changes.settle`."""
    state, reason, at = outcome.state, outcome.reason, now if outcome.again is None else millis(outcome.again)
    which = (change.key, receiver, change.what, change.revision)
    current = db.execute(
        "UPDATE changes SET state = ?, reason = ?, reason_code = NULL, next_try_at = ?, attempts = attempts + 1,"
        " applied = ?, unshown = ?"
        " WHERE key = ? AND receiver = ? AND what = ? AND revision = ? AND state = 'due'",
        (state, reason or None, at, outcome.applied, outcome.unshown, *which),
    ).rowcount
    _doubt(change, receiver, outcome, db)
    if not current:
        return False
    if state == "done" and change.what == "update":
        db.execute("UPDATE orders SET revision = ?, updated_at = ? WHERE key = ?", (change.revision, now, change.key))
    said = {"done": _DONE[change.what], "held": f"{change.what} held", "due": f"{change.what} not done yet"}[state]
    history.note(change.key, now, said, f"{receiver}: {reason}" if reason else receiver, db)
    payloads.forget([change.key], db)
    return True


def _doubt(change: Change, receiver: str, outcome: ChangeOutcome, db: sqlite3.Connection) -> None:
    """Note until when the effect of the change may not show, also for a newer change that has replaced it."""
    until = 0 if outcome.doubt_until is None else millis(outcome.doubt_until)
    which = (change.key, receiver, change.what)
    db.execute(
        f"UPDATE changes SET sending = 0, doubt_until = max(doubt_until, ?4) WHERE {_OF_ITS_KIND}", (*which, until)
    )
    db.execute(
        "UPDATE changes SET next_try_at = max(next_try_at, doubt_until)"
        " WHERE key = ? AND receiver = ? AND what = ? AND state = 'due'",
        which,
    )


_DONE = {"update": "updated", "cancel": "cancelled at the receiver", "attach": "documents attached"}
