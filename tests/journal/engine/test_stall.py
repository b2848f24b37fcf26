"""A journal in a file that is locked, read-only or full: a fault that may pass is waited for, any other is raised."""

from __future__ import annotations

import asyncio
import socket
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from connector.clock import SystemClock
from connector.errors import JournalError
from connector.journal.engine.connection import Database
from connector.journal.engine.group_commit import GroupCommit
from connector.journal.engine.lock import noted
from connector.journal.engine.stall import LASTS, MAY_PASS, Stall, passing
from connector.journal.sqlite import SqliteJournal
from tests.contracts.journal_bench import arrival, at, ingest
from tests.journal.engine.stepped_database import ByHand, start, turns, write

pytestmark = pytest.mark.usefixtures("no_thread_is_left")


class Sleepless(SystemClock):
    """A clock whose sleeps take no time; `during` is called in each of them."""

    def __init__(self) -> None:
        super().__init__(1)
        self.slept: list[float] = []
        self.during: Callable[[], None] = lambda: None

    async def sleep(self, seconds: float) -> None:
        """Note it, and let everybody else run."""
        self.slept.append(seconds)
        self.during()
        await asyncio.sleep(0)


def failure(code: int) -> sqlite3.Error:
    """Return an error of SQLite with an (extended) code."""
    exc = sqlite3.OperationalError("no")
    exc.sqlite_errorcode = code
    return exc


@pytest.mark.fault(105, 106, 107)
@pytest.mark.parametrize(
    "name", ["FULL", "BUSY", "LOCKED", "IOERR", "READONLY", "CANTOPEN", "BUSY_SNAPSHOT", "IOERR_FSYNC"]
)
def test_what_may_pass(name: str) -> None:
    """A full disk, a lock, a disk in trouble, a file system that was mounted read-only; the extended codes likewise."""
    assert passing(failure(getattr(sqlite3, f"SQLITE_{name}")))


@pytest.mark.fault(110, 116)
@pytest.mark.parametrize(
    "name", ["CORRUPT", "NOTADB", "MISUSE", "CONSTRAINT", "CONSTRAINT_TRIGGER", "ERROR", "SCHEMA", "READONLY_DBMOVED"]
)
def test_what_does_not_pass(name: str) -> None:
    """A damaged or moved file, a defect of ours, a way that no order may go: to wait would only hide it."""
    assert not passing(failure(getattr(sqlite3, f"SQLITE_{name}")))


@pytest.mark.parametrize("exc", [ValueError("no"), JournalError("no"), sqlite3.ProgrammingError("closed")])
def test_what_is_no_matter_of_the_disk(exc: Exception) -> None:
    """Errors without a code of SQLite: a closed connection, a defect."""
    assert not passing(exc)


def test_the_codes_that_last_are_exceptions_to_those_that_may_pass() -> None:
    """Otherwise they would not have to be named."""
    assert {code & 0xFF for code in LASTS} <= MAY_PASS


@pytest.mark.fault(107)
async def test_a_lock_of_another_program_is_waited_for(path: Path) -> None:
    """A backup tool, or a shell, that holds the file longer than SQLite waits by itself: later all of it is written."""
    clock = Sleepless()
    journal = await SqliteJournal.open(path, clock)
    await journal.read(lambda db: db.execute("PRAGMA busy_timeout = 1").fetchall())
    stalls: list[Stall | None] = []
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")

        def during() -> None:
            stalls.append(journal.stalled)
            if len(clock.slept) == 10:
                other.execute("ROLLBACK")

        clock.during = during
        taken = await asyncio.gather(*(ingest(journal, arrival(str(number))) for number in range(20)))
    assert [["new"]] * 20 == taken
    assert any(
        stall is not None and "the journal cannot be written: database is locked" in stall.why for stall in stalls
    )
    assert journal.stalled is None
    assert [(20,)] == await journal.read(lambda db: db.execute("SELECT count(*) FROM orders").fetchall())
    await journal.aclose()


@pytest.mark.fault(107)
async def test_pauses_grow_to_five_seconds(path: Path) -> None:
    """A quarter of a second at first, with jitter; never more than five."""
    clock = Sleepless()
    journal = await SqliteJournal.open(path, clock)
    await journal.read(lambda db: db.execute("PRAGMA query_only = ON").fetchall())

    def during() -> None:
        if len(clock.slept) == 200:
            journal.store.database.submit(lambda db: db.execute("PRAGMA query_only = OFF").fetchall())

    clock.during = during
    await ingest(journal, arrival("1"))
    assert clock.slept[0] <= 0.25
    assert 3 < max(clock.slept) <= 5
    await journal.aclose()


@pytest.mark.fault(105)
async def test_another_process_can_see_that_it_waits(path: Path) -> None:
    """A full disk cannot take a row that says so; the lock file beside it, written over, can."""
    clock = Sleepless()
    journal = await SqliteJournal.open(path, clock)
    assert noted(path) == ""
    await journal.read(lambda db: db.execute("PRAGMA query_only = ON").fetchall())
    seen: list[str] = []

    def during() -> None:
        seen.append(noted(path))
        journal.store.database.submit(lambda db: db.execute("PRAGMA query_only = OFF").fetchall())

    clock.during = during
    await ingest(journal, arrival("1"))
    assert seen[0].startswith("the journal cannot be written: attempt to write a readonly database, since 20")
    assert noted(path) == ""
    await journal.aclose()


def test_a_note_of_a_process_that_is_gone_is_not_shown(path: Path) -> None:
    """It was killed while it waited; the mark that it left means nothing now."""
    lock = path.with_name(path.name + ".lock")
    lock.write_text(f"process 4194305 on {socket.gethostname()}, since then\nthe journal cannot be written\n")
    assert noted(path) == ""
    for broken in ("", "process\n", "\n\n"):
        lock.write_text(broken)
        assert noted(path) == ""


@pytest.mark.fault(105)
async def test_a_group_that_the_disk_refuses_is_not_taken_apart(runner: ByHand) -> None:
    """One by one, each would wait for the same disk; all get the error, and may come again together."""
    runner.db.execute("PRAGMA query_only = ON")
    commits = GroupCommit(runner)
    tasks = start(commits, *(write(str(number)) for number in range(10)))
    await turns()
    await runner.sync()
    for task in tasks:
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            await task
    assert runner.began == 1
    assert not runner.db.in_transaction


@pytest.mark.fault(116)
async def test_a_thread_that_has_died_is_an_error_for_all_that_wait(database: Database) -> None:
    """Those in the queue and those that come later; nobody hangs, and closing works."""

    def end() -> object:
        from aiosqlite.core import _STOP_RUNNING_SENTINEL

        return _STOP_RUNNING_SENTINEL

    commits = GroupCommit(database)
    database._tx.put_nowait((None, end))
    queued = [database.submit(lambda _db: None) for _ in range(3)]
    for future in queued:
        with pytest.raises(JournalError, match="start the connector again"):
            await future
    with pytest.raises(JournalError, match="start the connector again"):
        await commits.transact(lambda _db: None)
    await database.close()


@pytest.mark.fault(116)
async def test_a_connection_that_was_closed_by_mistake_is_an_error(path: Path) -> None:
    """`JournalError`, at once, for writing and for reading."""
    journal = await SqliteJournal.open(path, SystemClock())
    database = journal.store.database
    assert isinstance(database, Database)
    stopped = database.stop()
    assert stopped is not None
    await stopped
    with pytest.raises(JournalError, match="closed"):
        await ingest(journal, arrival("1"))
    with pytest.raises(JournalError, match="closed"):
        await journal.acks.next_due("shop", at())
    await journal.aclose()
