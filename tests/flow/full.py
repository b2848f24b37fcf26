"""A journal whose disk fills up, or becomes read-only, at a chosen moment."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any, Literal

import anyio

from connector.journal.engine.stall import Stall
from connector.journal.sqlite import MemoryJournal

__all__ = ["Filling", "Trouble"]

Trouble = Literal["full", "read-only"]

GROWS = [
    f"CREATE TEMP TRIGGER grow_{event}_{table} AFTER {event} ON {table} BEGIN"  # noqa: S608 - our own words
    " INSERT INTO ballast VALUES (zeroblob(9000)); END"
    for table in ("orders", "deliveries")
    for event in ("INSERT", "UPDATE")
]
"""Makes every write need a page more, so that a full disk is noticed by each of them."""


class Filling(MemoryJournal):
    """The disk is in `trouble` from call number `call` of `method` on, until `mend`."""

    def __init__(self, trouble: Trouble = "full", method: str = "", call: int = 1) -> None:
        super().__init__()
        self._there = anyio.Event()
        self._trouble = trouble
        self._sql("CREATE TABLE main.ballast (filler BLOB)", *GROWS)
        for each in (self.store._writing, self.store._reading):
            each._listen = self._stalled
        if method:
            member, _, verb = method.partition(".")
            table = getattr(self, member)
            setattr(table, verb, self._spoiling(getattr(table, verb), call))

    def _spoiling(self, write: Callable[..., Awaitable[Any]], call: int) -> Callable[..., Awaitable[Any]]:
        calls = count(1)

        async def spoiling(*args: Any) -> Any:
            if next(calls) == call:
                self.spoil()
            return await write(*args)

        return spoiling

    def _sql(self, *statements: str) -> None:
        def run(db: sqlite3.Connection) -> None:
            for statement in statements:
                db.execute(statement).fetchall()

        self.store.database.submit(run).result()

    def _stalled(self, stall: Stall | None) -> None:
        """Note a stall."""
        self._there.set()

    async def until_stalled(self) -> None:
        """Wait until a write waits for the disk."""
        with anyio.fail_after(600):
            await self._there.wait()

    def spoil(self) -> None:
        """Fill the disk, or make it read-only."""
        if self._trouble == "full":
            self._sql("PRAGMA max_page_count = 1")  # SQLite takes the size that it has
        else:
            self._sql("PRAGMA query_only = ON")

    def mend(self) -> None:
        """Free the disk."""
        self._sql("PRAGMA max_page_count = 1000000", "PRAGMA query_only = OFF")
