"""
The history of orders: extraordinary events, one line each. Functions run inside a transaction.

Old lines of orders at their end are pruned, and so are answered replay requests. An order's own rows stay for ever:
they identify it when its source lists it again, years later, and without them it would be created once more. They take
some hundred bytes; the payload is removed when the source has confirmed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from datetime import datetime

from connector.journal.engine.store import JournalStore, Table

__all__ = ["WINDOW", "HistoryTable", "note", "note_all", "note_once", "prune"]

WINDOW = 10_000
"""Lines scanned at once: those that stay may be the oldest, and as many as the journal has."""
YOUNG = 100
"""Young lines in a row after which the rest is young as well. A few may come from a clock that stood wrong."""


class HistoryTable(Table):
    """The out of the ordinary in the orders' lives."""

    def __init__(self, store: JournalStore) -> None:
        super().__init__(store)
        self._pruned = 0
        """The line after which the next search continues."""

    async def prune(self, before: datetime, limit: int) -> int:
        """Remove up to `limit` lines from before that time, of orders at their end; return how many."""
        at = self._store.recorded(before)
        removed, self._pruned = await self._store.write(lambda db: prune(at, limit, self._pruned, db))
        return removed


_NOTE = "INSERT INTO history (key, at, what, detail) VALUES (?, ?, ?, ?)"


def note(key: int, at: int, what: str, detail: str, db: sqlite3.Connection) -> None:
    """Add a line about an order."""
    db.execute(_NOTE, (key, at, what, detail))


def note_all(lines: Iterable[tuple[int, int, str, str]], db: sqlite3.Connection) -> None:
    """Add lines: key, time, event and detail of each."""
    db.executemany(_NOTE, lines)


def note_once(key: int, at: int, what: str, detail: str, db: sqlite3.Connection) -> None:
    """Add a line about an order, unless the very same event was noted before."""
    if (
        db.execute("SELECT 1 FROM history WHERE key = ? AND what = ? AND detail = ?", (key, what, detail)).fetchone()
        is None
    ):
        note(key, at, what, detail, db)


def prune(before: int, limit: int, after: int, db: sqlite3.Connection) -> tuple[int, int]:
    """
    Remove up to `limit` lines of history; see `History.prune`.

    Scans `WINDOW` lines after the one with the id `after`. Returns how many it removed, and the line after which the
    next scan continues: 0, and so from the first one, when the lines that follow are too young.
    """
    ends = db.execute(
        "SELECT h.id, h.at < ? AND o.ack_state = 'confirmed'"
        " AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.key = o.key AND d.state NOT IN ('delivered', 'skipped'))"
        " AND NOT EXISTS (SELECT 1 FROM changes c WHERE c.key = o.key AND c.state <> 'done'), h.at"
        " FROM history h JOIN orders o ON o.key = h.key WHERE h.id > ? ORDER BY h.id LIMIT ?",
        (before, after, WINDOW),
    )
    gone: list[tuple[int]] = []
    looked, last, young = 0, after, 0
    for number, over, at in ends:
        looked, last, young = looked + 1, number, young + 1 if at >= before else 0
        if over:
            gone.append((number,))
        if len(gone) == limit or young == YOUNG:
            break
    db.executemany("DELETE FROM history WHERE id = ?", gone)
    db.execute("DELETE FROM replays WHERE done_at < ?", (before,))
    more = looked == WINDOW or len(gone) == limit
    return len(gone), last if more and not young else 0
