"""The journal in SQLite: one file and the tables in it, or the same in memory."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

from connector.clock import Clock
from connector.journal.decisions import HeldOrders
from connector.journal.engine.codec import millis
from connector.journal.engine.connection import Database, InlineDatabase, changed_elsewhere, unusable
from connector.journal.engine.disk_errors import disk_trouble
from connector.journal.engine.lock import InstanceLock
from connector.journal.engine.opening import check_folder, patiently
from connector.journal.engine.sentinel import Sentinel, Start, identify
from connector.journal.engine.stall import Stall
from connector.journal.engine.store import JournalStore
from connector.journal.records import OpenWork
from connector.journal.tables import acks, changes, deliveries, endpoints
from connector.journal.tables.ack_terms import AckTermsTable
from connector.journal.tables.acks import AcksTable
from connector.journal.tables.changes import ChangesTable
from connector.journal.tables.deliveries import DeliveriesTable
from connector.journal.tables.endpoints import EndpointsTable
from connector.journal.tables.history import HistoryTable
from connector.journal.tables.lookup_first import LookupFirstTable
from connector.journal.tables.orders import OrdersTable
from connector.journal.tables.rejections import RejectionsTable
from connector.journal.tables.relisted import RelistedTable
from connector.journal.tables.replays import ReplaysTable
from connector.journal.tables.reports import ReportsTable
from connector.journal.views import backlog

__all__ = ["MemoryJournal", "SqliteJournal", "check_folder", "disk_trouble"]

T = TypeVar("T")

logger = logging.getLogger(__name__)


class SqliteJournal:
    """A `Journal` over one SQLite connection. Use `open`."""

    def __init__(
        self,
        database: Database | InlineDatabase,
        lock: InstanceLock | None = None,
        clock: Clock | None = None,
        name: str = "memory",
    ) -> None:
        self.store = store = JournalStore(database, lock, clock, name)
        self.orders = OrdersTable(store)
        self.deliveries = DeliveriesTable(store)
        self.acks = AcksTable(store)
        self.ack_terms = AckTermsTable(store)
        self.relisted = RelistedTable(store)
        self.changes = ChangesTable(store)
        self.reports = ReportsTable(store)
        self.replays = ReplaysTable(store)
        self.rejections = RejectionsTable(store)
        self.endpoints = EndpointsTable(store)
        self.lookup_first = LookupFirstTable(store)
        self.clock_steps = store.clock_steps
        self.holds = HeldOrders(store)
        self.history = HistoryTable(store)

    @classmethod
    async def open(
        cls,
        path: str | Path,
        clock: Clock,
        *,
        accept_new: bool = False,
        restored: bool = False,
        witness: str | Path | None = None,
    ) -> SqliteJournal:
        """
        Open the file for this process alone, and create it if need be, but not its folder.

        A restored backup is accepted, with a line in the log: its gaps are closed by look-ups, see `LookupFirst.begin`.
        So are those of any journal with `restored`, and of one that is behind the file `witness`.

        Raises:
        - `JournalBusy` when another process has it;
        - `JournalStalled` when it could not be opened for a minute for a transient cause, such as a full disk;
        - `JournalError` when it is unusable: also when the one that was in use is gone, or another one is in its
          place, unless `accept_new`.
        """
        path = Path(path)
        second = None if witness is None else Sentinel(path, Path(witness))
        return await patiently(partial(cls._open, path, clock, second, accept_new, restored), clock)

    @classmethod
    async def _open(
        cls, path: Path, clock: Clock, witness: Sentinel | None, accept_new: bool, restored: bool
    ) -> SqliteJournal:
        check_folder(path, "the journal")
        if witness is not None:
            check_folder(witness.path, "the witness")
        lock = InstanceLock(path)
        lock.acquire(clock.now().isoformat(timespec="seconds"))
        try:
            sentinel = Sentinel(path)
            start = Start(
                seen=sentinel.before(accept=accept_new),
                witness=None if witness is None else witness.before(accept=accept_new),
                accept=accept_new,
                restored=restored,
            )
            journal = cls(await Database.open(path), lock, clock, str(path))
        except BaseException:
            lock.release()
            raise
        store = journal.store
        try:
            noted = await store.commits.transact(partial(identify, path, start))
            store.sentinel, store.witness = sentinel, witness
            await store.remember(noted, strictly=True)
        except BaseException as exc:
            store.sentinel = store.witness = None  # an unusable journal leaves the notes about it as they were
            for each in (sentinel, witness):
                if each is not None:
                    each.close()
            await journal.aclose()
            if isinstance(exc, sqlite3.Error):
                raise unusable(path, exc) from exc
            raise
        if witness is not None and start.witness is None:
            logger.warning("%s: there was no witness here, so it was made; see that this is its volume", witness.path)
        return journal

    @property
    def stalled(self) -> Stall | None:
        """The stall for which all callers wait; None while nobody has to."""
        return self.store.stalled

    async def recover(self, now: datetime, settle: Mapping[str, float], longest: float) -> int:
        """Mark the work that was in flight when the last process ended as in doubt; return how much it was."""
        at, longest_ms = millis(now), round(longest * 1000)
        settle_ms = {receiver: round(seconds * 1000) for receiver, seconds in settle.items()}

        def recovered(db: sqlite3.Connection) -> int:
            endpoints.forget_breakers(db)
            count = deliveries.recover(at, settle_ms, longest_ms, db) + acks.recover(at, longest_ms, db)
            changes.recover(at, settle_ms, longest_ms, db)
            return count

        return await self.store.write(recovered)

    async def open_work(self) -> OpenWork:
        """Return the work that is not at an end."""
        return await self.store.read(backlog.open_work)

    async def changed_elsewhere(self) -> int:
        """Return a number that changes when another process has written (`connector retry`, say)."""
        return await self.store.read(changed_elsewhere)

    async def mark(self) -> None:
        """Note beside the journal how far it is, if it was written to since: an older copy is recognised by that."""
        await self.store.mark()

    async def read(self, question: Callable[[sqlite3.Connection], T]) -> T:
        """Answer one of the questions of `connector.journal.views` on this connection."""
        return await self.store.read(question)

    async def aclose(self) -> None:
        """Finish all pending calls and close. Idempotent."""
        await self.store.aclose()


class MemoryJournal(SqliteJournal):
    """
    The journal in memory, without a file or a thread: for tests that own the time, and for the demonstration.

    It assumes that nothing was delivered before; `begin` makes it look orders up first only for replays.
    """

    def __init__(self) -> None:
        super().__init__(InlineDatabase())

    async def changed_elsewhere(self) -> int:
        """Return the same number always: no other process can reach it."""
        return 0
