"""
The replays that other processes request of the running connector.

A request is a row that a command writes (`decisions.deciding`); the running connector sees it within a second, and the
next one at its start. Each function runs inside a transaction.
"""

from __future__ import annotations

import sqlite3
from datetime import datetime

from connector.journal.engine.codec import moment
from connector.journal.engine.store import Table
from connector.journal.records import ReplayAnswer, ReplayRequest

__all__ = ["ReplaysTable", "add", "answer", "answered", "unanswered"]

KEPT = 30 * 24 * 3600 * 1000
"""Milliseconds for which an answer is stored."""


class ReplaysTable(Table):
    """The replays that other processes request."""

    async def unanswered(self) -> list[ReplayRequest]:
        """Return the requests without an answer, the oldest first."""
        return await self._store.read(unanswered)

    async def answer(self, request: int, result: ReplayAnswer, now: datetime) -> bool:
        """Answer a request; return False, and change nothing, if it was answered before."""
        at = self._store.recorded(now)
        return await self._store.write(lambda db: answer(request, result, at, db))


def add(source: str, since: int, now: int, db: sqlite3.Connection) -> int:
    """
    Request a replay of `source` from `since` on, and return the number of the request.

    An equal request without an answer is not made twice.
    """
    db.execute("DELETE FROM replays WHERE done_at < ?", (now - KEPT,))
    row = db.execute(
        "SELECT id FROM replays WHERE done_at IS NULL AND source = ? AND since = ?", (source, since)
    ).fetchone()
    if row is None:
        row = db.execute(
            "INSERT INTO replays (source, since, made_at) VALUES (?, ?, ?) RETURNING id",
            (source, since, now),
        ).fetchone()
    return int(row[0])


def unanswered(db: sqlite3.Connection) -> list[ReplayRequest]:
    """Return the requests without an answer; see `Replays.unanswered`."""
    rows = db.execute("SELECT id, source, since FROM replays WHERE done_at IS NULL ORDER BY id")
    return [ReplayRequest(id=number, source=source, since=moment(since)) for number, source, since in rows]


def answer(request: int, said: ReplayAnswer, now: int, db: sqlite3.Connection) -> bool:
    """Answer a request; see `Replays.answer`."""
    return (
        db.execute(
            "UPDATE replays SET done_at = ?, listed = ?, fresh = ?, error = ? WHERE id = ? AND done_at IS NULL",
            (now, said.listed, said.fresh, said.error, request),
        ).rowcount
        == 1
    )


def answered(request: int, db: sqlite3.Connection) -> ReplayAnswer | None:
    """Return the answer to a request; None while there is none."""
    row = db.execute(
        "SELECT listed, fresh, error FROM replays WHERE id = ? AND done_at IS NOT NULL", (request,)
    ).fetchone()
    return None if row is None else ReplayAnswer(listed=row[0], fresh=row[1], error=row[2])
