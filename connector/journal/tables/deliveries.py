"""
The journal's writes for deliveries. Each function runs inside a transaction, on the database thread.

What is open is always asked for in the words of the partial index `deliveries_open`: SQLite uses it only for those.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Literal

from connector.ack import Acknowledgement
from connector.journal.base import (
    Delivered,
    Held,
    InDoubt,
    Intent,
    Job,
    NotSent,
    Rejected,
    Settled,
    Settlement,
    Waiting,
)
from connector.journal.engine import bulk
from connector.journal.engine.codec import millis, moment
from connector.journal.tables import changes, deliveries_bulk, lookup_first, payloads
from connector.journal.views.backlog import untold_sources

__all__ = ["due", "exported_due", "failed_due", "intend", "make_due", "next_due", "recover", "settle"]


def recover(now: int, settle_ms: Mapping[str, int], longest_ms: int, db: sqlite3.Connection) -> int:
    """Turn what was in flight into in-doubt; see `Journal.recover`."""
    changed = 0
    db.execute("DELETE FROM receivers")  # breakers start closed
    for receiver, settle in settle_ms.items():
        rows = db.execute(
            "SELECT key FROM deliveries WHERE receiver = ?"
            # The bound says nothing, and makes SQLite go by the one state, not by all of the list.
            " AND state IN ('new', 'ready', 'intent', 'in_doubt') AND state = 'intent' AND next_try_at >= 0",
            (receiver,),
        ).fetchall()
        db.executemany(
            "UPDATE deliveries SET state = 'in_doubt', next_try_at = ? WHERE key = ? AND receiver = ?",
            [(now + settle, key, receiver) for (key,) in rows],
        )
        _note(db, [(key, now, "in doubt", f"{receiver}: the process ended while it was sent") for (key,) in rows])
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
        changes.recover(receiver, now, settle, db)
    for source in untold_sources(db):
        changed += db.execute(
            "UPDATE orders SET ack_state = 'in_doubt', ack_next = 0"
            " WHERE source = ? AND ack_state IN ('pending', 'sending', 'in_doubt') AND ack_state = 'sending'",
            (source,),
        ).rowcount
        db.executemany(
            "UPDATE orders SET ack_next = ?1 WHERE source = ?2 AND ack_state IN ('pending', 'sending', 'in_doubt')"
            " AND ack_state = ?3 AND ack_next > ?1",
            [(now + longest_ms, source, state) for state in ("pending", "in_doubt")],
        )
    db.execute(
        "UPDATE changes SET next_try_at = ?1 WHERE state = 'due' AND next_try_at > ?1",
        (now + longest_ms + max(settle_ms.values(), default=0),),  # one whose answer was lost waits that long
    )
    return changed


def intend(intents: Sequence[Intent], now: int, db: sqlite3.Connection) -> list[bool]:
    """Commit the will to create; see `Journal.intend`."""
    rows = [(i.key, i.receiver, i.revision, i.payload_hash, i.asked, i.version) for i in intents]
    one_each = len({row[:2] for row in rows}) == len(rows)
    if one_each and bulk.all_or_nothing(db, len(rows), partial(bulk.execute_values, db, _INTEND, rows, now)):
        return [True] * len(rows)
    return [bulk.execute_values(db, _INTEND, [row], now) == 1 for row in rows]


_INTEND = (
    "UPDATE deliveries SET state = 'intent', attempts = attempts + 1, intent_at = ?, payload_hash = v.column4,"
    " fence = fence + 1 FROM (VALUES {}) v CROSS JOIN orders o"
    " WHERE deliveries.key = v.column1 AND receiver = v.column2 AND state IN ('new', 'ready', 'in_doubt')"
    " AND o.key = v.column1 AND o.revision = v.column3 AND o.payload_version = coalesce(v.column6, o.payload_version)"
    " AND (v.column5 OR (attempts = 0 AND ask = 0))"
)


def settle(settlements: Sequence[Settlement], now: int, db: sqlite3.Connection) -> list[Settled]:
    """Record outcomes; see `Journal.settle`."""
    plain = [(one.key, one.receiver, one.outcome) for one in settlements if deliveries_bulk.is_plain(one.outcome)]
    acks = None
    if plain and len({one.key for one in settlements}) == len(settlements):
        acks = deliveries_bulk.settle(plain, now, db)
    if acks is None:
        return [_settle_one(db, one, now) for one in settlements]
    return [Settled(True, acks[one.key]) if one.key in acks else _settle_one(db, one, now) for one in settlements]


def _settle_one(db: sqlite3.Connection, one: Settlement, now: int) -> Settled:
    key, receiver, outcome = one.key, one.receiver, one.outcome
    if (
        one.version is not None
        and isinstance(outcome, Held | Rejected)
        and not payloads.is_current(key, one.version, db)
    ):
        return Settled(False)  # it is about what the order was listed as before; it is due as it is listed now
    match outcome:
        case Delivered():
            applied = db.execute(
                "UPDATE deliveries SET state = 'delivered', receipt = ?, reference = ?, delivered_at = ?,"
                " cause = NULL, detail = NULL"
                " WHERE key = ? AND receiver = ? AND state IN ('new', 'ready', 'intent', 'in_doubt')",
                (outcome.receipt, outcome.reference, now, key, receiver),
            ).rowcount
            if outcome.adopted and applied:
                _note(db, [(key, now, "found", f"{receiver}: a look-up found it there as {outcome.reference}")])
            if outcome.remark and applied:
                _note(db, [(key, now, "remark", f"{receiver}: {outcome.remark}")])
            if outcome.attach and applied:
                changes.put(key, receiver, "attach", "", db)
            ack = exported_due(db, key, now) if applied else None
            if applied and ack is None:
                _forget(db, key)
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
                return Settled(True, failed_due(db, key, now, receiver))
            return step
        case Held():
            step = _step(db, one, "held", now, cause=outcome.cause, detail=outcome.detail, said="held")
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
) -> Settled:
    applied = db.execute(_STEPS[state], (at, cause, detail, one.key, one.receiver)).rowcount
    if applied:
        text = f"{one.receiver}: " + ": ".join(part for part in (cause, detail) if part)
        _note(db, [(one.key, now, said, text)])
    return Settled(bool(applied))


_STEPS = {
    # A look-up that failed leaves what is in doubt in doubt.
    "ready": "UPDATE deliveries SET state = CASE state WHEN 'in_doubt' THEN state ELSE 'ready' END,"
    " next_try_at = ?, cause = ?, detail = ?"
    " WHERE key = ? AND receiver = ? AND state IN ('new', 'ready', 'intent', 'in_doubt')",
    "in_doubt": "UPDATE deliveries SET state = 'in_doubt', next_try_at = ?, cause = ?, detail = ?"
    " WHERE key = ? AND receiver = ? AND state IN ('new', 'ready', 'intent', 'in_doubt')",
    "rejected": "UPDATE deliveries SET state = 'rejected', next_try_at = ?, cause = ?, detail = ?"
    " WHERE key = ? AND receiver = ? AND state IN ('new', 'ready', 'intent', 'in_doubt')",
    "held": "UPDATE deliveries SET state = 'held', next_try_at = ?, cause = ?, detail = ?"
    " WHERE key = ? AND receiver = ? AND state IN ('new', 'ready', 'intent', 'in_doubt')",
}
"""How an outcome other than a delivery moves one, from the states that have a way there."""


def exported_due(db: sqlite3.Connection, key: int, now: int) -> Acknowledgement | None:
    """Make it due to tell that an order is exported, if all required receivers have it."""
    rows = db.execute(
        "SELECT receiver, state, required, coalesce(nullif(reference, ''), receipt), ask FROM deliveries WHERE key = ?",
        (key,),
    ).fetchall()
    if any(required and state != "delivered" for _, state, required, _, _ in rows):
        return None
    message = "; ".join(f"{receiver}: {reference}" for receiver, state, _, reference, _ in rows if state == "delivered")
    return lookup_first.asked_first(make_due(db, key, now, "exported", message), [ask for *_, ask in rows], db)


def failed_due(db: sqlite3.Connection, key: int, now: int, by: str = "") -> Acknowledgement | None:
    """
    Make it due to tell that an order failed, which `by` has refused now; where that is empty, all have.

    Not if a required receiver has it, or may get it: what one of them has did not fail, and that another one refused
    it is for a person to see. What an optional one refuses its source does not hear.
    """
    rows = db.execute(
        "SELECT receiver, state, cause || coalesce(': ' || nullif(detail, ''), ''), ask FROM deliveries"
        " WHERE key = ? AND required",
        (key,),
    ).fetchall()
    refused = {receiver: reason for receiver, state, reason, _ in rows if state == "rejected"}
    ended = all(state in ("rejected", "cancelled", "vanished") for _, state, *_ in rows)
    if not refused or not ended or (by and by not in refused):
        return None
    ack = make_due(db, key, now, "failed", "; ".join(dict.fromkeys(refused.values())))
    return lookup_first.asked_first(ack, [ask for *_, ask in rows], db)


def make_due(
    db: sqlite3.Connection, key: int, now: int, outcome: Literal["exported", "failed"], message: str
) -> Acknowledgement | None:
    """Make an acknowledgement due, unless the order has one that stands; return it."""
    row = db.execute(
        "UPDATE orders SET ack_state = 'pending', ack_outcome = ?1, ack_message = ?2, ack_at = ?3, ack_next = 0,"
        " ack_attempts = 0, ack_reason = NULL, ack_moved = 0, updated_at = ?3,"
        " failed_revision = CASE ?1 WHEN 'failed' THEN revision ELSE failed_revision END WHERE key = ?4"
        # What failed may be delivered, or fail again; nothing follows an export, and a failure not the same one.
        " AND (ack_state = 'none' OR (ack_state IN ('confirmed', 'parked') AND ack_outcome = 'failed'))"
        " AND NOT (ack_state = 'confirmed' AND ?1 = 'failed' AND failed_revision IS revision AND ack_message = ?2)"
        " RETURNING order_id, failures",
        (outcome, message, now, key),
    ).fetchone()
    if row is None:
        return None
    order_id, failures = row
    return Acknowledgement(
        key=key,
        order_id=order_id,
        outcome=outcome,
        at=moment(now),
        message=message,
        failures=failures if outcome == "failed" else None,
    )


def _forget(db: sqlite3.Connection, key: int) -> None:
    """Remove what the order was, if its source has confirmed already and no receiver waits for it any more."""
    db.execute(
        "DELETE FROM payloads WHERE key = ?1"
        " AND EXISTS (SELECT 1 FROM orders WHERE key = ?1 AND ack_state = 'confirmed')"
        " AND NOT EXISTS (SELECT 1 FROM deliveries WHERE key = ?1 AND state <> 'delivered')"
        " AND NOT EXISTS (SELECT 1 FROM changes WHERE key = ?1 AND state <> 'done')",
        (key,),
    )


def _note(db: sqlite3.Connection, rows: Sequence[tuple[int, int, str, str]]) -> None:
    db.executemany("INSERT INTO history (key, at, what, detail) VALUES (?, ?, ?, ?)", rows)


def due(receiver: str, states: Sequence[Waiting], now: int, limit: int, db: sqlite3.Connection) -> list[Job]:
    """Return what is due; see `Journal.due`."""
    jobs: list[Job] = []
    for state in states:
        rows = db.execute(
            "SELECT d.key, o.source, o.order_id, o.external_id, o.revision, d.attempts, p.raw, d.ask, o.payload_version"
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
                ask=bool(ask),
                version=version,
            )
            for key, source, order_id, external, revision, attempts, raw, ask, version in rows
        ]
    return jobs


def next_due(receiver: str, states: Sequence[Waiting], after: int, db: sqlite3.Connection) -> int | None:
    """Return when the next one falls due; see `Journal.next_due`."""
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
