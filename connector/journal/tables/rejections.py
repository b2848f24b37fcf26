"""The orders that receivers have rejected since they last accepted one, kept for the next start."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import msgspec

from connector.journal.engine.store import Table
from connector.journal.records import RejectedOrder

__all__ = ["RejectionsTable", "load", "save"]


class RejectionsTable(Table):
    """The orders that receivers have rejected since they last accepted one."""

    async def load(self, receiver: str) -> list[RejectedOrder]:
        """Return the stored rejections of a receiver, in order."""
        return await self._store.read(lambda db: load(receiver, db))

    async def save(self, receiver: str, rejected: Sequence[RejectedOrder]) -> None:
        """Store `rejected`, and nothing else, for this receiver."""
        await self._store.write(lambda db: save(receiver, rejected, db))


def load(receiver: str, db: sqlite3.Connection) -> list[RejectedOrder]:
    """Return the rejections of a receiver, in order."""
    rows = db.execute(
        "SELECT key, revision, times, number, held, reason FROM rejections WHERE receiver = ? ORDER BY number",
        (receiver,),
    )
    return [
        RejectedOrder(key, revision, times, number, bool(held), reason)
        for key, revision, times, number, held, reason in rows
    ]


def save(receiver: str, rejected: Sequence[RejectedOrder], db: sqlite3.Connection) -> None:
    """Store `rejected`, and nothing else, for this receiver."""
    db.execute("DELETE FROM rejections WHERE receiver = ?", (receiver,))
    db.executemany(
        "INSERT INTO rejections (receiver, key, revision, times, number, held, reason) VALUES (?, ?, ?, ?, ?, ?, ?)",
        [(receiver, *msgspec.structs.astuple(each)) for each in rejected],
    )
