"""
The progress reports to sources after a delivery, and the statuses from which they are made.

Each function runs inside a transaction. Open reports are always selected in the words of the partial index
`reports_open`: SQLite uses it only for those.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256

from connector.journal.engine.codec import millis, moment_or_none
from connector.journal.engine.store import Table
from connector.journal.records import Followed, NewStatus, Report, ReportOutcome
from connector.journal.tables import history

__all__ = [
    "ReportsTable",
    "add",
    "claim",
    "confirmed",
    "due",
    "followed",
    "next_due",
    "progressed",
    "recover",
    "settle",
]

WINDOW = 10_000
"""Orders scanned at once for followed ones: a scan must not delay the writes for long."""


class ReportsTable(Table):
    """The progress reports to sources, and the status of orders at their receivers."""

    async def recover(self, now: datetime, settle: float, longest: float) -> int:
        """Mark the reports that were being sent as in doubt; return how many."""
        settle_ms, longest_ms = round(settle * 1000), round(longest * 1000)
        return await self._store.write(lambda db: recover(millis(now), settle_ms, longest_ms, db))

    async def add(self, source: str, order_id: str, body: bytes, now: datetime) -> bool:
        """Store a report to be sent; return False if the very same one is stored already, in whatever state."""
        made = self._store.recorded(now)
        return await self._store.write(lambda db: add(source, order_id, body, made, millis(now), db))

    async def claim(self, ids: Sequence[int], now: datetime) -> list[bool]:
        """Mark reports as being sent; return for each whether it was pending."""
        return await self._store.before_call(lambda db: claim(ids, db))

    async def settle(self, report: Report, outcome: ReportOutcome, now: datetime) -> None:
        """Record the outcome of a report that was being sent or in doubt."""
        at = self._store.recorded(now)
        await self._store.write(lambda db: settle(report, outcome, at, db))

    async def due(self, source: str, now: datetime, limit: int) -> list[Report]:
        """Return due reports, the oldest first: of each order only its oldest open one."""
        return await self._store.read(lambda db: due(source, millis(now), limit, db))

    async def next_due(self, source: str) -> datetime | None:
        """Return when the next report is due, which may be past; None if none is open."""
        return moment_or_none(await self._store.read(lambda db: next_due(source, db)))

    async def confirmed(self, source: str, order_id: str) -> list[bytes]:
        """Return the stored bodies of the reports about an order that its source has confirmed."""
        return await self._store.read(lambda db: confirmed(source, order_id, db))

    async def followed(
        self, source: str, receiver: str, final: Sequence[str], since: datetime, after: int, limit: int
    ) -> tuple[list[Followed], int | None]:
        """Return orders after the key `after` whose status at `receiver` is followed, and the next `after`."""
        at = self._store.recorded(since)
        return await self._store.read(lambda db: followed(source, receiver, final, at, after, limit, db))

    async def progressed(self, receiver: str, seen: Sequence[NewStatus], now: datetime) -> int:
        """Store statuses, and the reports that they make due; return how many reports."""
        at = self._store.recorded(now)
        return await self._store.write(lambda db: progressed(receiver, seen, at, millis(now), db))


def recover(now: int, settle_ms: int, longest_ms: int, db: sqlite3.Connection) -> int:
    """Mark reports that were being sent as in doubt; see `Reports.recover`."""
    changed = db.execute(
        "UPDATE reports SET state = 'in_doubt', next_try_at = ?, reason = 'the process ended while it was sent'"
        " WHERE state IN ('pending', 'sending', 'in_doubt') AND state = 'sending'",
        (now + settle_ms,),
    ).rowcount
    longest = now + max(settle_ms, longest_ms)
    db.execute(
        "UPDATE reports SET next_try_at = ?1 WHERE state IN ('pending', 'sending', 'in_doubt') AND next_try_at > ?1",
        (longest,),
    )
    return changed


def add(source: str, order_id: str, body: bytes, now: int, at: int, db: sqlite3.Connection) -> bool:
    """Store a report that was made `now` (a record) and is due `at` (a deadline); see `Reports.add`."""
    return (
        db.execute(
            "INSERT INTO reports (source, order_id, digest, body, made_at, next_try_at) VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (source, order_id, digest) DO NOTHING",
            (source, order_id, sha256(body).digest(), body, now, at),
        ).rowcount
        == 1
    )


def due(source: str, now: int, limit: int, db: sqlite3.Connection) -> list[Report]:
    """Return due reports; see `Reports.due`."""
    rows = db.execute(
        "SELECT r.id, coalesce(o.key, 0), r.order_id, r.state, r.attempts, r.body"
        " FROM reports r LEFT JOIN orders o ON o.source = r.source AND o.order_id = r.order_id"
        " WHERE r.source = ? AND r.state IN ('pending', 'sending', 'in_doubt') AND r.state <> 'sending'"
        " AND r.next_try_at <= ? AND NOT EXISTS (SELECT 1 FROM reports e WHERE e.source = r.source"
        " AND e.order_id = r.order_id AND e.id < r.id AND e.state IN ('pending', 'sending', 'in_doubt'))"
        " AND (o.key IS NULL OR o.ack_state NOT IN ('pending', 'sending', 'in_doubt')) ORDER BY r.id LIMIT ?",
        (source, now, limit),
    )
    return [
        Report(id=number, key=key, source=source, order_id=order_id, state=state, attempts=attempts, body=body)
        for number, key, order_id, state, attempts, body in rows
    ]


def next_due(source: str, db: sqlite3.Connection) -> int | None:
    """Return when the next report is due; see `Reports.next_due`."""
    (at,) = db.execute(
        "SELECT min(r.next_try_at) FROM reports r"
        " WHERE r.source = ? AND r.state IN ('pending', 'sending', 'in_doubt') AND r.state <> 'sending'"
        " AND NOT EXISTS (SELECT 1 FROM reports e WHERE e.source = r.source"
        " AND e.order_id = r.order_id AND e.id < r.id AND e.state IN ('pending', 'sending', 'in_doubt'))",
        (source,),
    ).fetchone()
    return int(at) if at is not None else None


def claim(ids: Sequence[int], db: sqlite3.Connection) -> list[bool]:
    """Mark reports as being sent; see `Reports.claim`."""
    return [
        db.execute(
            "UPDATE reports SET state = 'sending', attempts = attempts + 1 WHERE id = ? AND state = 'pending'",
            (number,),
        ).rowcount
        == 1
        for number in ids
    ]


def settle(report: Report, outcome: ReportOutcome, now: int, db: sqlite3.Connection) -> None:
    """Record the outcome of a report; see `Reports.settle`."""
    again = now if outcome.again is None else millis(outcome.again)
    applied = db.execute(
        "UPDATE reports SET state = ?1, reason = nullif(?2, ''), next_try_at = ?3, body = coalesce(?4, body),"
        " done_at = CASE ?1 WHEN 'confirmed' THEN ?5 END,"
        # A try is counted when it is claimed; a failed reading counts as one, too.
        " attempts = attempts + (state = 'in_doubt' AND ?1 = 'in_doubt')"
        " WHERE id = ?6 AND state IN ('sending', 'in_doubt')",
        (outcome.state, outcome.reason, again, outcome.keep, now, report.id),
    ).rowcount
    if applied and report.key and outcome.state in _SAID:
        history.note(report.key, now, _SAID[outcome.state], outcome.reason, db)


_SAID = {"pending": "report not taken", "in_doubt": "report in doubt", "parked": "report parked"}


def confirmed(source: str, order_id: str, db: sqlite3.Connection) -> list[bytes]:
    """Return the bodies that the source has confirmed; see `Reports.confirmed`."""
    rows = db.execute(
        "SELECT body FROM reports WHERE source = ? AND order_id = ? AND state = 'confirmed' ORDER BY id",
        (source, order_id),
    )
    return [body for (body,) in rows]


def followed(
    source: str, receiver: str, final: Sequence[str], since: int, after: int, limit: int, db: sqlite3.Connection
) -> tuple[list[Followed], int | None]:
    """Return orders whose status is followed; see `Reports.followed`."""
    # The window is one of keys, so the index over the source's ids must not be used: hence the `+`.
    rows = db.execute(
        "SELECT o.key, o.order_id, d.receipt, coalesce(d.reference, ''), coalesce(d.progress, '')"
        " FROM orders o JOIN deliveries d ON d.key = o.key AND d.receiver = ?"
        " WHERE o.key > ? AND o.key <= ? AND +o.source = ? AND o.ack_state = 'confirmed'"
        " AND o.ack_outcome = 'exported' AND d.state = 'delivered' AND d.delivered_at >= ?"
        " AND lower(coalesce(d.progress, '')) NOT IN (SELECT value FROM json_each(?))"
        " AND NOT EXISTS (SELECT 1 FROM changes c WHERE c.key = o.key AND c.receiver = d.receiver"
        " AND c.what = 'cancel' AND c.state <> 'held') ORDER BY o.key LIMIT ?",
        (receiver, after, after + WINDOW, source, since, json.dumps([status.lower() for status in final]), limit),
    ).fetchall()
    found = [Followed(*row) for row in rows]
    if len(found) == limit:
        return found, found[-1].key
    (newest,) = db.execute("SELECT max(key) FROM orders").fetchone()
    return found, after + WINDOW if (newest or 0) > after + WINDOW else None


def progressed(receiver: str, seen: Sequence[NewStatus], now: int, at: int, db: sqlite3.Connection) -> int:
    """Store statuses and their reports; see `Reports.progressed`."""
    made = 0
    for each in seen:
        applied = db.execute(
            "UPDATE deliveries SET progress = ? WHERE key = ? AND receiver = ? AND coalesce(progress, '') = ?",
            (each.status, each.key, receiver, each.before),
        ).rowcount
        if not applied:
            continue
        history.note(each.key, now, "progress", f"{receiver}: {each.status}", db)
        if each.body is not None:
            source, order_id = db.execute("SELECT source, order_id FROM orders WHERE key = ?", (each.key,)).fetchone()
            made += add(source, order_id, each.body, now, at, db)
    return made
