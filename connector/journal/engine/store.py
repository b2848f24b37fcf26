"""
The open journal below its tables: transactions, reads, the waits for the disk, and the sentinel beside the file.

An older copy of the journal is dangerous because of the sends that it does not know. So each intent to create, each
claim of an acknowledgement, a change or a report counts one on in its own transaction (`before_call`), and the sentinel
notes the number when that is on the disk and nothing has left yet. The note costs no sync: after a crash of the process
it is there, and after one of the machine it may be behind, which means nothing.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import TypeVar

from connector.clock import Clock, SystemClock
from connector.errors import JournalError
from connector.journal.engine.clock_steps import ClockTable
from connector.journal.engine.codec import millis
from connector.journal.engine.connection import Database, InlineDatabase
from connector.journal.engine.group_commit import GroupCommit, uncancellable
from connector.journal.engine.lock import InstanceLock
from connector.journal.engine.sentinel import Seen, Sentinel, raise_epoch
from connector.journal.engine.stall import Stall, StallRetry

__all__ = ["JournalStore", "Table"]

T = TypeVar("T")

logger = logging.getLogger(__name__)

_COUNT = "UPDATE identity SET value = max(value, ?) WHERE name = 'sends'"


class JournalStore:
    """Runs the statements of the tables on the journal's one connection."""

    def __init__(
        self,
        database: Database | InlineDatabase,
        lock: InstanceLock | None = None,
        clock: Clock | None = None,
        name: str = "memory",
    ) -> None:
        self.database = database
        self.commits = GroupCommit(database)
        self.sentinel: Sentinel | None = None
        self.witness: Sentinel | None = None
        self.clock_steps = ClockTable(self.write)
        self._lock = lock
        self._writing, self._reading = (
            StallRetry(name, what, clock or SystemClock(), self._stalled) for what in ("written", "read")
        )
        self._marked_at = 0

    async def write(self, operation: Callable[[sqlite3.Connection], T]) -> T:
        """Run `operation` in a transaction; return its result once it is durable."""
        try:
            try:
                return await self.commits.transact(operation)
            except sqlite3.Error as exc:
                return await self._writing.again(partial(self.commits.transact, operation), exc)
        except sqlite3.Error as exc:
            raise JournalError(f"the journal could not be written: {exc}; nothing of it was done") from exc

    async def read(self, operation: Callable[[sqlite3.Connection], T]) -> T:
        """Run `operation`, which only reads, outside of a transaction; return its result."""
        try:
            try:
                return await uncancellable(self.database.submit(operation))
            except sqlite3.Error as exc:
                return await self._reading.again(lambda: uncancellable(self.database.submit(operation)), exc)
        except sqlite3.Error as exc:
            raise JournalError(f"the journal could not be read: {exc}") from exc

    async def before_call(self, operation: Callable[[sqlite3.Connection], T]) -> T:
        """Run `operation` in a transaction; return its result once it is durable, and the sentinel has noted it."""
        sentinel = self.sentinel
        if sentinel is None:
            return await self.write(operation)
        number = sentinel.count()
        result = await self.write(partial(_counted, number, operation))
        sentinel.note(number)
        if (witness := self.witness) is not None:
            await self.read(lambda _db: witness.note(number))
        return result

    def recorded(self, at: datetime) -> int:
        """Return the time of an event as a record of it is stored; a deadline is stored as `millis` of it."""
        steady = self.clock_steps.steady
        return millis(at if steady is None else steady.shown(at))

    @property
    def stalled(self) -> Stall | None:
        """The stall for which all callers wait; None while nobody has to."""
        return self._writing.stall or self._reading.stall

    def _stalled(self, stall: Stall | None) -> None:
        """Leave the stall in the lock file for `status` in another process: the journal cannot be written."""
        if self._lock is not None:
            self._lock.note("" if stall is None else f"{stall.why}, since {stall.since.isoformat(timespec='seconds')}")

    async def mark(self) -> None:
        """Note in sentinel and witness how far the journal is, if it was written to since."""
        if self.sentinel is not None and self.commits.commits > self._marked_at:
            await self.remember(await self.write(partial(raise_epoch, 0)))

    async def remember(self, seen: Seen, *, strictly: bool = False) -> None:
        """Note `seen`, which the journal holds, in sentinel and witness. `strictly`: raise if the witness fails."""
        self._marked_at = self.commits.commits
        if (sentinel := self.sentinel) is not None:
            await self.read(lambda _db: sentinel.write(seen))
            sentinel.follow(seen)
        if (witness := self.witness) is not None:
            try:
                await self.read(lambda _db: witness.renew(seen))
            except JournalError as exc:
                if strictly:
                    raise
                logger.warning("%s; until then nobody knows if the journal's volume is put back", exc)

    async def aclose(self) -> None:
        """Finish all pending operations, note how far the journal is, and close. Idempotent."""
        try:
            await self.commits.finish()
            await self._mark_the_end()
        finally:
            try:
                await self.database.close()
            finally:
                if self._lock is not None:
                    self._lock.release()

    async def _mark_the_end(self) -> None:
        """Note the last epoch; without that note, the next start recognises the journal all the same."""
        try:
            if self.sentinel is not None and not self._writing.failing:
                await self.remember(await self.commits.transact(partial(raise_epoch, 0)))
        except (JournalError, sqlite3.Error) as exc:
            logger.warning("%s", exc)
        for each in (self.sentinel, self.witness):
            if each is not None:
                each.close()
        self.sentinel = self.witness = None


def _counted(number: str, operation: Callable[[sqlite3.Connection], T], db: sqlite3.Connection) -> T:
    db.execute(_COUNT, (number,))
    return operation(db)


class Table:
    """The methods of one table; each is one transaction or one read."""

    def __init__(self, store: JournalStore) -> None:
        self._store = store
