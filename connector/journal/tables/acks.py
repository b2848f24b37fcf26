"""
The acknowledgements that sources are owed: the columns `ack_*` of `orders`. Functions run inside a transaction.

A failure is an acknowledgement of an order that no receiver will get. The order may be resumed before its source has
heard of that: a person mended something at the receiver, or a restored journal no longer knows. Then it may yet be
delivered, and the failure is withdrawn.

Open acknowledgements are always selected in the words of the partial index `acks_open`: SQLite uses it only for those.
"""

# ruff: noqa: S608 - the SQL is put together from our own words; every value is a parameter.

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Literal

from connector.ack import DENIED, Acknowledgement, Confirmed, Denied, NotApplied, Refused, Unknown
from connector.causes import ACK_DENIED
from connector.journal.engine import bulk
from connector.journal.engine.codec import millis, moment, moment_or_none
from connector.journal.engine.store import Table
from connector.journal.records import AckResult
from connector.journal.states import SINCE, UNTOLD, MayKnow
from connector.journal.tables import history, payloads, relisted
from connector.journal.tables.ack_terms import TERMS

__all__ = [
    "AcksTable",
    "asked_first",
    "claim",
    "due",
    "exported_due",
    "failed_due",
    "make_due",
    "next_due",
    "oldest",
    "recover",
    "settle",
    "untold_sources",
    "withdraw_failures",
]


class AcksTable(Table):
    """The acknowledgements that sources are owed."""

    async def claim(self, keys: Sequence[int], now: datetime, failures: Mapping[int, datetime] = {}) -> list[bool]:
        """Mark acknowledgements as being sent; return for each whether it was pending."""
        return await self._store.before_call(lambda db: claim(keys, failures, db))

    async def settle(self, results: Sequence[AckResult], now: datetime) -> None:
        """Record the outcomes of acknowledgements that were being sent or in doubt."""
        at = self._store.recorded(now)
        await self._store.write(lambda db: settle(results, at, db))

    async def due(self, source: str, state: Literal["pending", "in_doubt"], now: datetime) -> list[Acknowledgement]:
        """Return the due acknowledgements of `source` in `state`, oldest first, at most 1,000."""
        return await self._store.read(lambda db: due(source, state, millis(now), db))

    async def next_due(self, source: str, after: datetime) -> datetime | None:
        """Return when the next acknowledgement to `source` falls due after `after`; None if none does."""
        return moment_or_none(await self._store.read(lambda db: next_due(source, millis(after), db)))

    async def oldest(self, now: datetime) -> dict[str, float]:
        """Return, by source, the age in seconds of the oldest acknowledgement that is due and not confirmed."""
        at = self._store.recorded(now)
        return await self._store.read(lambda db: oldest(at, db))


def recover(now: int, longest_ms: int, db: sqlite3.Connection) -> int:
    """Mark the acknowledgements that were being sent as in doubt; return how many. See `Journal.recover`."""
    changed = 0
    for source in untold_sources(db):
        changed += db.execute(
            "UPDATE orders SET ack_state = 'in_doubt', ack_next = 0 WHERE source = ?"
            # The bound excludes nothing, and makes SQLite search by the one state, not by all of the list.
            " AND ack_state IN ('pending', 'sending', 'in_doubt') AND ack_state = 'sending' AND ack_next >= 0",
            (source,),
        ).rowcount
        db.executemany(
            "UPDATE orders SET ack_next = ?1 WHERE source = ?2 AND ack_state IN ('pending', 'sending', 'in_doubt')"
            " AND ack_state = ?3 AND ack_next > ?1",
            [(now + longest_ms, source, state) for state in ("pending", "in_doubt")],
        )
    return changed


def claim(keys: Sequence[int], told: Mapping[int, datetime], db: sqlite3.Connection) -> list[bool]:
    """Mark acknowledgements as being sent; see `Acks.claim`."""
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
    """Record outcomes; see `Acks.settle`."""
    confirmed: list[int] = []
    told_at = max(
        (millis(result.next_try_at) for result in results if isinstance(result.outcome, Confirmed)), default=0
    )
    others: list[tuple[str, str, str | None, int, int]] = []
    refused: list[int] = []
    for result in results:
        match result.outcome:
            case Confirmed():
                confirmed.append(result.key)
            case NotApplied(reason):
                others.append(("pending", reason, None, millis(result.next_try_at), result.key))
            case Denied(reason):
                others.append(("in_doubt", f"{DENIED}: {reason}", ACK_DENIED, millis(result.next_try_at), result.key))
            case Unknown(reason):
                others.append(("in_doubt", reason, None, millis(result.next_try_at), result.key))
            case Refused(reason):
                others.append(("parked", reason, None, 0, result.key))
                refused.append(result.key)
    failed = [result.key for result in results if result.failure]
    bulk.update_keys(
        db,
        # `ack_next` takes the time of the confirmation by the clock of this process; see `relisted.believed`.
        "UPDATE orders SET ack_state = 'confirmed', ack_done_at = ?, updated_at = ?, ack_next = ?, ack_reason ="
        " NULL, ack_code = NULL,"
        " failures = failures + (ack_outcome = 'failed')"
        " WHERE ack_state IN ('sending', 'in_doubt') AND key IN ({})",
        confirmed,
        now,
        now,
        told_at,
    )
    payloads.forget(confirmed, db)
    for state, reason, code, next_try, key in others:
        applied = db.execute(
            "UPDATE orders SET ack_state = ?, ack_reason = ?, ack_code = ?, ack_next = ? WHERE key = ?"
            " AND ack_state IN ('sending', 'in_doubt')",
            (state, reason, code, next_try, key),
        ).rowcount
        if applied:
            history.note(key, now, _SAID[state], reason, db)
    relisted.forget(refused, db)
    withdraw_failures(failed, now, db)
    for key in failed:
        exported_due(db, key, now)  # the order may have been delivered while the failure was sent


_SAID = {
    "pending": "acknowledgement not taken",
    "in_doubt": "acknowledgement in doubt",
    "parked": "acknowledgement refused",
}


def due(source: str, state: str, now: int, db: sqlite3.Connection) -> list[Acknowledgement]:
    """Return due acknowledgements; see `Acks.due`."""
    rows = db.execute(
        f"SELECT key, order_id, ack_outcome, ack_at, ack_message, ack_attempts, failures, {TERMS},"
        f" coalesce(ack_code = '{ACK_DENIED}' AND ack_state = 'in_doubt', 0) FROM orders"
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
    """Return when the next acknowledgement falls due; see `Acks.next_due`."""
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


def oldest(now: int, db: sqlite3.Connection) -> dict[str, float]:
    """
    Return, by source, the age in seconds of the oldest acknowledgement that is due and not confirmed, or that was
    confirmed without effect: the order is listed all the same.

    Untried acknowledgements are indexed by age. Only those that wait for another try are scanned, in the index alone.
    """
    ages: dict[str, float] = {}
    for source in untold_sources(db):
        (since,) = db.execute(_OLDEST, (source,)).fetchone()
        ages[source] = max(0, now - since) / 1000
    for source in bulk.distinct(db, "source", "relisted", "parked = 0"):
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


def untold_sources(db: sqlite3.Connection) -> list[str]:
    """Return the sources that are owed an acknowledgement."""
    return bulk.distinct(db, "source", "orders", f"ack_state IN {UNTOLD}")


def exported_due(db: sqlite3.Connection, key: int, now: int) -> Acknowledgement | None:
    """Make the acknowledgement of an export due, if all required receivers have the order; return it."""
    rows = db.execute(
        "SELECT receiver, state, required, coalesce(nullif(reference, ''), receipt), may_know FROM deliveries"
        " WHERE key = ?",
        (key,),
    ).fetchall()
    if any(required and state != "delivered" for _, state, required, _, _ in rows):
        return None
    message = "; ".join(f"{receiver}: {reference}" for receiver, state, _, reference, _ in rows if state == "delivered")
    return asked_first(make_due(db, key, now, "exported", message), [ask for *_, ask in rows], db)


def failed_due(db: sqlite3.Connection, key: int, now: int, by: str = "") -> Acknowledgement | None:
    """
    Make the acknowledgement of a failure due, of an order that `by` has just rejected; empty: that all have rejected.

    None if a required receiver has the order, or may get it: then the order did not fail, and the rejection by another
    receiver is for a person to see. The rejection by an optional receiver is not reported to the source.
    """
    rows = db.execute(
        "SELECT receiver, state, cause || coalesce(': ' || nullif(detail, ''), ''), may_know FROM deliveries"
        " WHERE key = ? AND required",
        (key,),
    ).fetchall()
    refused = {receiver: reason for receiver, state, reason, _ in rows if state == "rejected"}
    ended = all(state in ("rejected", "cancelled", "vanished") for _, state, *_ in rows)
    if not refused or not ended or (by and by not in refused):
        return None
    ack = make_due(db, key, now, "failed", "; ".join(dict.fromkeys(refused.values())))
    return asked_first(ack, [ask for *_, ask in rows], db)


def make_due(
    db: sqlite3.Connection, key: int, now: int, outcome: Literal["exported", "failed"], message: str
) -> Acknowledgement | None:
    """Make an acknowledgement due, unless the order has one that stands; return it."""
    row = db.execute(
        "UPDATE orders SET ack_state = 'pending', ack_outcome = ?1, ack_message = ?2, ack_at = ?3, ack_next = 0,"
        " ack_attempts = 0, ack_reason = NULL, ack_code = NULL, ack_moved = 0, updated_at = ?3,"
        " failed_revision = CASE ?1 WHEN 'failed' THEN revision ELSE failed_revision END WHERE key = ?4"
        # An export, or another failure, may follow a failure; nothing follows an export.
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


def asked_first(ack: Acknowledgement | None, asks: Sequence[int], db: sqlite3.Connection) -> Acknowledgement | None:
    """Return `ack`; it is read back before it is sent if one of `asks` is `MayKnow.SOURCE_TOO`."""
    if ack is not None and MayKnow.SOURCE_TOO in asks:
        for state in ("sending", "in_doubt"):  # as if its response had been lost
            db.execute("UPDATE orders SET ack_state = ? WHERE key = ?", (state, ack.key))
    return ack


def withdraw_failures(keys: Sequence[int], now: int, db: sqlite3.Connection) -> None:
    """
    Withdraw the failures of those orders that a required receiver may get after all.

    Only a failure that was certainly not sent can be withdrawn. One that is being sent, or may have been, is settled
    first.
    """
    for key in keys:
        if db.execute(_WITHDRAW, (now, key)).rowcount:
            history.note(key, now, "failure withdrawn", "the source was not told yet, and the order is tried again", db)


_WITHDRAW = (
    "UPDATE orders SET ack_state = 'none', ack_outcome = NULL, ack_message = NULL, ack_at = NULL, ack_next = 0,"
    " ack_attempts = 0, ack_reason = NULL, ack_code = NULL, updated_at = ?"
    " WHERE key = ? AND ack_state = 'pending' AND ack_outcome = 'failed'"
    " AND EXISTS (SELECT 1 FROM deliveries d WHERE d.key = orders.key AND d.required"
    " AND d.state NOT IN ('rejected', 'cancelled', 'vanished', 'skipped'))"
)
