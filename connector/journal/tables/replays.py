"""
The journal's statements for what another process asks the running connector to do.

A request is a row that a command writes (`decisions.deciding`); the running connector sees it within a second, and the
next one at its start. Each function runs inside a transaction.
"""

from __future__ import annotations

import sqlite3

from connector.journal.engine.codec import moment
from connector.journal.replays import Answer, Request

__all__ = ["add", "answer", "answered", "waiting"]

KEPT = 30 * 24 * 3600 * 1000
"""Milliseconds for which an answer is kept."""


def add(source: str, since: int, now: int, db: sqlite3.Connection) -> int:
    """
    Ask for a replay of `source` from `since` on, and return the number of the request.

    The same wish that is not answered yet is not made twice.
    """
    db.execute("DELETE FROM requests WHERE done_at < ?", (now - KEPT,))
    row = db.execute(
        "SELECT id FROM requests WHERE done_at IS NULL AND source = ? AND since = ?", (source, since)
    ).fetchone()
    if row is None:
        row = db.execute(
            "INSERT INTO requests (what, source, since, made_at) VALUES ('replay', ?, ?, ?) RETURNING id",
            (source, since, now),
        ).fetchone()
    return int(row[0])


def waiting(db: sqlite3.Connection) -> list[Request]:
    """Return the requests that nobody has answered; see `Asked.open_requests`."""
    rows = db.execute("SELECT id, source, since FROM requests WHERE done_at IS NULL ORDER BY id")
    return [Request(id=number, source=source, since=moment(since)) for number, source, since in rows]


def answer(request: int, said: Answer, now: int, db: sqlite3.Connection) -> bool:
    """Answer a request; see `Asked.answer_request`."""
    return (
        db.execute(
            "UPDATE requests SET done_at = ?, listed = ?, fresh = ?, error = ? WHERE id = ? AND done_at IS NULL",
            (now, said.listed, said.fresh, said.error, request),
        ).rowcount
        == 1
    )


def answered(request: int, db: sqlite3.Connection) -> Answer | None:
    """Return the answer to a request; None while there is none."""
    row = db.execute(
        "SELECT listed, fresh, error FROM requests WHERE id = ? AND done_at IS NOT NULL", (request,)
    ).fetchone()
    return None if row is None else Answer(listed=row[0], fresh=row[1], error=row[2])
