"""
The deliveries of orders to receivers. Each function runs inside a transaction.

Open deliveries are always selected in the words of the partial index `deliveries_open`: SQLite uses it only for those.
Nearly all of a journal's writes are plain deliveries, many at once: they take one statement for all their rows in
`deliveries`, and one for those in `orders`.

The reading of a vendor's orders is in part inferred, and a mapping may be wrong: then every order of a source lacks the
same. So an order that cannot be mapped is held first, as unfit. Once another order of the same source could be mapped
for the same receiver, the fault is the order's own: it is rejected, and its source is owed a failure.
"""

# ruff: noqa: S608 - the SQL is put together from our own words; every value is a parameter.

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import TypeGuard

import msgspec

from connector.ack import Acknowledgement
from connector.journal.engine import bulk
from connector.journal.engine.codec import millis, moment, moment_or_none
from connector.journal.engine.store import Table
from connector.journal.records import (
    Delivered,
    Held,
    InDoubt,
    Intent,
    Job,
    NotSent,
    Outcome,
    Rejected,
    Settled,
    Settlement,
    Waiting,
)
from connector.journal.states import MayKnow
from connector.journal.tables import acks, changes, history, payloads

__all__ = ["DeliveriesTable", "due", "intend", "is_plain", "next_due", "recover", "reject_unfit", "settle"]


class DeliveriesTable(Table):
    """The deliveries of orders to receivers."""

    async def intend(self, intents: Sequence[Intent], now: datetime) -> list[bool]:
        """Commit intentions to create; return for each whether it was granted."""
        at = self._store.recorded(now)
        return await self._store.before_call(lambda db: intend(intents, at, db))

    async def settle(self, settlements: Sequence[Settlement], now: datetime) -> list[Settled]:
        """Record outcomes, with the acknowledgements that they make due."""
        at = self._store.recorded(now)
        return await self._store.write(lambda db: settle(settlements, at, db))

    async def due(self, receiver: str, states: Sequence[Waiting], now: datetime, limit: int) -> list[Job]:
        """Return up to `limit` due deliveries to `receiver`, state by state, the longest waiting first."""
        return await self._store.read(lambda db: due(receiver, states, millis(now), limit, db))

    async def next_due(self, receiver: str, states: Sequence[Waiting], after: datetime) -> datetime | None:
        """Return when the next delivery in one of `states` falls due after `after`; None if none does."""
        return moment_or_none(await self._store.read(lambda db: next_due(receiver, states, millis(after), db)))

    async def reject_unfit(self, receiver: str, mapped: Sequence[int], now: datetime) -> list[str]:
        """Reject the orders held at `receiver` as unfit that share a source with one of the `mapped` orders."""
        if not await self._store.read(lambda db: _unfit(receiver, db)):
            return []
        at = self._store.recorded(now)
        return await self._store.write(lambda db: reject_unfit(receiver, mapped, at, db))


def recover(now: int, settle_ms: Mapping[str, int], longest_ms: int, db: sqlite3.Connection) -> int:
    """Mark deliveries in flight as in doubt; return how many. See `Journal.recover`."""
    changed = 0
    for receiver, settle in settle_ms.items():
        rows = db.execute(
            "SELECT key FROM deliveries WHERE receiver = ?"
            # The bound excludes nothing, and makes SQLite search by the one state, not by all of the list.
            " AND state IN ('new', 'ready', 'intent', 'in_doubt') AND state = 'intent' AND next_try_at >= 0",
            (receiver,),
        ).fetchall()
        db.executemany(
            "UPDATE deliveries SET state = 'in_doubt', next_try_at = ? WHERE key = ? AND receiver = ?",
            [(now + settle, key, receiver) for (key,) in rows],
        )
        history.note_all(
            [(key, now, "in doubt", f"{receiver}: the process ended while it was sent") for (key,) in rows], db
        )
        db.execute(
            "UPDATE deliveries SET next_try_at = ? WHERE receiver = ?"
            " AND state IN ('new', 'ready', 'intent', 'in_doubt')"
            " AND state = 'in_doubt' AND next_try_at > ?",
            (now + settle, receiver, now + max(settle, longest_ms)),
        )
        db.execute(
            "UPDATE deliveries SET next_try_at = ?1 WHERE receiver = ?2"
            " AND state IN ('new', 'ready', 'intent', 'in_doubt')"
            " AND state IN ('new', 'ready') AND next_try_at > ?1",
            (now + longest_ms, receiver),
        )
        changed += len(rows)
    return changed


def intend(intents: Sequence[Intent], now: int, db: sqlite3.Connection) -> list[bool]:
    """Commit intentions to create; see `Deliveries.intend`."""
    rows = [(i.key, i.receiver, i.revision, i.payload_hash, i.confirmed_absent, i.version) for i in intents]
    one_each = len({row[:2] for row in rows}) == len(rows)
    if one_each and bulk.all_or_nothing(db, len(rows), partial(bulk.execute_values, db, _INTEND, rows, now)):
        return [True] * len(rows)
    return [bulk.execute_values(db, _INTEND, [row], now) == 1 for row in rows]


_INTEND = (
    "UPDATE deliveries SET state = 'intent', attempts = attempts + 1, intent_at = ?, payload_hash = v.column4,"
    " fence = fence + 1 FROM (VALUES {}) v CROSS JOIN orders o"
    " WHERE deliveries.key = v.column1 AND receiver = v.column2 AND state IN ('new', 'ready', 'in_doubt')"
    " AND o.key = v.column1 AND o.revision = v.column3 AND o.payload_version = coalesce(v.column6, o.payload_version)"
    " AND (v.column5 OR (attempts = 0 AND may_know = 0))"
)


def settle(settlements: Sequence[Settlement], now: int, db: sqlite3.Connection) -> list[Settled]:
    """Record outcomes; see `Deliveries.settle`."""
    plain = [(one.key, one.receiver, one.outcome) for one in settlements if is_plain(one.outcome)]
    made = None
    if plain and len({one.key for one in settlements}) == len(settlements):
        made = settle_plain(plain, now, db)
    if made is None:
        return [_settle_one(db, one, now) for one in settlements]
    return [Settled(True, made[one.key]) if one.key in made else _settle_one(db, one, now) for one in settlements]


def _settle_one(db: sqlite3.Connection, one: Settlement, now: int) -> Settled:
    key, receiver, outcome = one.key, one.receiver, one.outcome
    if (
        one.version is not None
        and isinstance(outcome, Held | Rejected)
        and not payloads.is_current(key, one.version, db)
    ):
        return Settled(False)  # the outcome is about an older listing; the order is due as it is listed now
    match outcome:
        case Delivered():
            applied = db.execute(
                "UPDATE deliveries SET state = 'delivered', receipt = ?, reference = ?, delivered_at = ?,"
                " cause = NULL, cause_code = NULL, detail = NULL"
                " WHERE key = ? AND receiver = ? AND state IN ('new', 'ready', 'intent', 'in_doubt')",
                (outcome.receipt, outcome.reference, now, key, receiver),
            ).rowcount
            if outcome.adopted and applied:
                history.note(key, now, "found", f"{receiver}: a look-up found it there as {outcome.reference}", db)
            if outcome.remark and applied:
                history.note(key, now, "remark", f"{receiver}: {outcome.remark}", db)
            if outcome.attach and applied:
                changes.put(key, receiver, "attach", "", db)
            ack = acks.exported_due(db, key, now) if applied else None
            if applied and ack is None:
                payloads.forget([key], db)
            return Settled(bool(applied), ack)
        case NotSent():
            return _step(db, one, "ready", now, at=millis(outcome.next_try_at), detail=outcome.reason, said="not sent")
        case InDoubt():
            return _step(
                db, one, "in_doubt", now, at=millis(outcome.settled_at), detail=outcome.reason, said="in doubt"
            )
        case Rejected():
            if outcome.revision and not _is_current(db, key, outcome.revision):
                return Settled(False)
            step = _step(db, one, "rejected", now, cause=outcome.reason, detail="", said="rejected")
            if step.applied and outcome.tell:
                return Settled(True, acks.failed_due(db, key, now, receiver))
            return step
        case Held():
            step = _step(
                db, one, "held", now, cause=outcome.cause, code=outcome.code, detail=outcome.detail, said="held"
            )
            if step.applied and outcome.unfit:
                db.execute("UPDATE deliveries SET unfit = 1 WHERE key = ? AND receiver = ?", (key, receiver))
            return step


def _is_current(db: sqlite3.Connection, key: int, revision: str) -> bool:
    row = db.execute("SELECT 1 FROM orders WHERE key = ? AND revision = ?", (key, revision)).fetchone()
    return row is not None


def _step(
    db: sqlite3.Connection,
    one: Settlement,
    state: str,
    now: int,
    *,
    said: str,
    detail: str,
    at: int = 0,
    cause: str | None = None,
    code: str = "",
) -> Settled:
    applied = db.execute(_STEPS[state], (at, cause, code or None, detail, one.key, one.receiver)).rowcount
    if applied:
        text = f"{one.receiver}: " + ": ".join(part for part in (cause, detail) if part)
        history.note(one.key, now, said, text, db)
    return Settled(bool(applied))


_STEPS = {
    # A failed look-up leaves the delivery in doubt.
    "ready": "UPDATE deliveries SET state = CASE state WHEN 'in_doubt' THEN state ELSE 'ready' END,"
    " next_try_at = ?, cause = ?, cause_code = ?, detail = ?"
    " WHERE key = ? AND receiver = ? AND state IN ('new', 'ready', 'intent', 'in_doubt')",
    "in_doubt": "UPDATE deliveries SET state = 'in_doubt', next_try_at = ?, cause = ?, cause_code = ?, detail = ?"
    " WHERE key = ? AND receiver = ? AND state IN ('new', 'ready', 'intent', 'in_doubt')",
    "rejected": "UPDATE deliveries SET state = 'rejected', next_try_at = ?, cause = ?, cause_code = ?, detail = ?"
    " WHERE key = ? AND receiver = ? AND state IN ('new', 'ready', 'intent', 'in_doubt')",
    "held": "UPDATE deliveries SET state = 'held', next_try_at = ?, cause = ?, cause_code = ?, detail = ?"
    " WHERE key = ? AND receiver = ? AND state IN ('new', 'ready', 'intent', 'in_doubt')",
}
"""The statements for outcomes other than a delivery, by the state that they lead to."""


def due(receiver: str, states: Sequence[Waiting], now: int, limit: int, db: sqlite3.Connection) -> list[Job]:
    """Return due deliveries; see `Deliveries.due`."""
    jobs: list[Job] = []
    for state in states:
        rows = db.execute(
            "SELECT d.key, o.source, o.order_id, o.external_id, o.revision, d.attempts, p.raw, d.may_know,"
            " o.payload_version"
            " FROM deliveries d JOIN orders o ON o.key = d.key JOIN payloads p ON p.key = d.key"
            " WHERE d.receiver = ? AND d.state IN ('new', 'ready', 'intent', 'in_doubt') AND d.state = ?"
            " AND d.next_try_at <= ? ORDER BY d.next_try_at, d.key LIMIT ?",
            (receiver, state, now, limit - len(jobs)),
        )
        jobs += [
            Job(
                key=key,
                source=source,
                order_id=order_id,
                external_id=external,
                revision=revision,
                receiver=receiver,
                state=state,
                attempts=attempts,
                raw=raw,
                may_exist=bool(may_know),
                version=version,
            )
            for key, source, order_id, external, revision, attempts, raw, may_know, version in rows
        ]
    return jobs


def next_due(receiver: str, states: Sequence[Waiting], after: int, db: sqlite3.Connection) -> int | None:
    """Return when the next delivery falls due; see `Deliveries.next_due`."""
    times: list[int] = []
    for state in states:
        times += [
            at
            for (at,) in db.execute(
                "SELECT next_try_at FROM deliveries WHERE receiver = ? AND state = ? AND next_try_at > ?"
                " AND state IN ('new', 'ready', 'intent', 'in_doubt') ORDER BY next_try_at LIMIT 1",
                (receiver, state, after),
            )
        ]
    return min(times, default=None)


_DELIVERED = (
    "UPDATE deliveries SET state = 'delivered', receipt = v.column3, reference = v.column4, delivered_at = ?,"
    " cause = NULL, cause_code = NULL, detail = NULL FROM (VALUES {}) v"
    " WHERE key = v.column1 AND receiver = v.column2 AND state IN ('new', 'ready', 'intent', 'in_doubt')"
)
_ACKED = (
    "UPDATE orders SET ack_state = 'pending', ack_outcome = 'exported', ack_message = v.column2, ack_at = ?,"
    " ack_next = 0, ack_attempts = 0, ack_reason = NULL, ack_code = NULL, updated_at = ? FROM (VALUES {}) v"
    " WHERE key = v.column1 AND ack_state = 'none'"
)
_IDS = (
    f"SELECT count(*) + total(may_know = {MayKnow.SOURCE_TOO:d}), json_group_object(key, order_id)"
    " FROM deliveries JOIN orders USING (key) WHERE deliveries.key IN ({})"
)
"""
The number of deliveries of the orders, more where an acknowledgement may have been sent, and the orders' ids by key.
One row, because each row is a hand-over between threads.
"""

_ids = msgspec.json.Decoder(dict[int, str])

Row = tuple[int, str, Delivered]


def is_plain(outcome: Outcome) -> TypeGuard[Delivered]:
    """Return whether an outcome is a delivery without a line of history or a change to follow."""
    return type(outcome) is Delivered and not (outcome.adopted or outcome.attach or outcome.remark)


def settle_plain(rows: Sequence[Row], now: int, db: sqlite3.Connection) -> Mapping[int, Acknowledgement] | None:
    """
    Record deliveries, by key and receiver, and make the acknowledgements due that follow; return those by key.

    Return None, and change nothing, if one of them is not open any more, or if an order has another receiver, an
    acknowledgement, or a source that may know: then each is settled by itself.
    """
    deliveries, ids = 0, dict[int, str]()
    for count, found in bulk.select_keys(db, _IDS, [key for key, _, _ in rows]):
        deliveries += count
        ids |= _ids.decode(found)
    if deliveries != len(rows):
        return None
    messages = {key: f"{receiver}: {outcome.reference or outcome.receipt}" for key, receiver, outcome in rows}

    def change() -> int:
        done = [(key, receiver, outcome.receipt, outcome.reference) for key, receiver, outcome in rows]
        return bulk.execute_values(db, _DELIVERED, done, now) + bulk.execute_values(
            db, _ACKED, [*messages.items()], now, now
        )

    if not bulk.all_or_nothing(db, 2 * len(rows), change):
        return None
    at = moment(now)
    return {
        key: Acknowledgement(key=key, order_id=ids[key], outcome="exported", at=at, message=message)
        for key, message in messages.items()
    }


def _unfit(receiver: str, db: sqlite3.Connection) -> list[tuple[int, str]]:
    """Return the orders held at `receiver` as unfit: key and source."""
    return db.execute(
        "SELECT d.key, o.source FROM deliveries d JOIN orders o ON o.key = d.key"
        " WHERE d.receiver = ? AND d.unfit = 1 AND d.state = 'held'",
        (receiver,),
    ).fetchall()


def reject_unfit(receiver: str, mapped: Sequence[int], now: int, db: sqlite3.Connection) -> list[str]:
    """
    Reject the orders held at `receiver` as unfit that share a source with one of the `mapped` orders.

    Makes the acknowledgements of their failures due, and returns their sources.
    """
    held = _unfit(receiver, db)
    sources = {
        source for (source,) in bulk.select_keys(db, "SELECT source FROM orders WHERE key IN ({})", list(mapped))
    }
    keys = [key for key, source in held if source in sources and key not in mapped]
    for key in keys:
        (cause,) = db.execute(
            "UPDATE deliveries SET state = 'rejected' WHERE key = ? AND receiver = ? RETURNING cause", (key, receiver)
        ).fetchone()
        text = f"{receiver}: another order could be mapped, so it is this one: {cause}"
        history.note(key, now, "rejected", text, db)
        acks.failed_due(db, key, now, receiver)
    return sorted({source for key, source in held if key in keys})
