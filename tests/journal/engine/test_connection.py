"""The journal's file: durable as it says, and none the worse for a full disk, a lock, or a new schema."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import pytest

from connector.clock import SystemClock
from connector.errors import JournalBusy, JournalError
from connector.journal.engine import connection, migrations
from connector.journal.engine.connection import Database
from connector.journal.engine.migrations import schema_files
from connector.journal.sqlite import SqliteJournal
from tests.contracts.journal_bench import arrival, ingest, rows
from tests.journal.files import filled, opened, refused, until_stalled

pytestmark = pytest.mark.usefixtures("no_thread_is_left")


async def test_it_is_durable_and_checked(path: Path) -> None:
    """A commit is on the disk when it returns (WAL, FULL), keys are checked, and no memory map is used."""
    async with opened(path) as journal:
        found = {
            name: (await rows(journal, f"PRAGMA {name}"))[0][0]
            for name in ("journal_mode", "synchronous", "foreign_keys", "mmap_size", "busy_timeout")
        }
    assert found == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "mmap_size": 0,
        "busy_timeout": 5000,
    }


async def test_a_disk_that_cannot_do_it_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where SQLite would not set the pragmas that durability needs, nothing is started: a network disk, say."""
    monkeypatch.setattr(connection, "_connect", lambda _path: sqlite3.connect(":memory:", isolation_level=None))
    await refused(path, "would not set journal_mode to wal .*use a local disk")


async def test_a_journal_of_a_newer_version_is_refused(path: Path) -> None:
    """An older program must not write into a schema that it does not understand."""
    async with opened(path) as journal:
        await rows(journal, "PRAGMA user_version = 99")
    await refused(path, f"version 99, and this program knows {schema_files()[-1][0]}; use a newer one")


@pytest.mark.fault(22)
async def test_a_step_of_the_schema_is_all_or_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that fails in the middle leaves the journal as it was; the mended step then goes through (faults.md #22)."""
    await filled(path)
    known = schema_files()
    newest = known[-1][0]
    good = "CREATE TABLE extra (a INTEGER) STRICT;\nALTER TABLE orders ADD COLUMN extra TEXT;"
    monkeypatch.setattr(
        migrations, "schema_files", lambda: [*known, (newest + 1, good + "\nINSERT INTO nonsense VALUES (1);")]
    )
    await refused(path, "no such table: nonsense")
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (newest,)
        assert db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'extra'").fetchone() == (0,)
        assert "extra" not in {row[1] for row in db.execute("PRAGMA table_info(orders)")}
    monkeypatch.setattr(migrations, "schema_files", lambda: [*known, (newest + 1, good)])
    for _ in range(2):
        async with opened(path) as journal:
            assert await rows(journal, "PRAGMA user_version") == [(newest + 1,)]
            assert await rows(journal, "SELECT count(*) FROM extra") == [(0,)]
            assert await ingest(journal, arrival("1")) == ["known"]


def test_the_steps_of_the_schema_are_numbered_without_a_gap() -> None:
    """They ship with the package, in order."""
    assert [number for number, _ in schema_files()] == list(range(1, len(schema_files()) + 1))


@pytest.mark.fault(105)
async def test_a_full_disk_loses_nothing_and_passes(path: Path) -> None:
    """The write fails as a whole and says so; when there is room again, the same write goes through (#105)."""
    async with opened(path) as journal:
        await ingest(journal, arrival("1"))
        ((pages,),) = await rows(journal, "PRAGMA page_count")
        await rows(journal, f"PRAGMA max_page_count = {pages + 1}")
        page = [arrival("2"), arrival("3", raw=b"x" * 100_000), arrival("4")]
        task = asyncio.create_task(ingest(journal, *page))
        await until_stalled(journal)
        assert await rows(journal, "SELECT order_id FROM orders") == [("1",)]
        assert not journal.store.database.in_transaction  # type: ignore[union-attr]
        assert await ingest(journal, arrival("1")) == ["known"]
        await rows(journal, "PRAGMA max_page_count = 1000000")
        assert await task == ["new"] * 3


@pytest.mark.fault(106)
async def test_a_file_that_must_not_be_written_is_waited_for(path: Path) -> None:
    """A disk that has become read-only (faults.md #106): a caller that gives up meanwhile has written nothing."""
    async with opened(path) as journal:
        await rows(journal, "PRAGMA query_only = 1")
        task = asyncio.create_task(ingest(journal, arrival("1")))
        await until_stalled(journal)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await rows(journal, "PRAGMA query_only = 0")
        assert await ingest(journal, arrival("1")) == ["new"]


@pytest.mark.fault(107)
async def test_a_write_waits_for_another_program_to_let_go(path: Path) -> None:
    """A backup tool holds the lock for a moment (faults.md #107)."""
    async with opened(path) as journal:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            task = asyncio.create_task(ingest(journal, arrival("1")))
            for _ in range(50):
                await asyncio.sleep(0)
            assert not task.done()
            other.execute("COMMIT")
            assert await task == ["new"]


@pytest.mark.parametrize("lock", ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"])
async def test_a_journal_that_another_program_locks_cannot_be_opened(
    path: Path, lock: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is reported in one line; when the lock is gone it opens, for nothing of the failed start is left."""
    monkeypatch.setattr(connection, "PATIENCE", 20)
    async with opened(path):
        pass
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute(lock)
        await refused(path, "locked")
    async with opened(path) as journal:
        assert await ingest(journal, arrival("1")) == ["new"]


async def test_a_journal_that_is_locked_whole_is_busy(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not damaged: nobody should move it away."""
    monkeypatch.setattr(connection, "PATIENCE", 20)
    async with opened(path):
        pass
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        assert isinstance(await refused(path, "close it there first"), JournalBusy)


async def test_an_open_that_is_cancelled_leaves_nothing_open(path: Path) -> None:
    """Wherever the cancellation strikes: no thread, no lock, and the next one opens it."""
    for turns in range(12):
        task = asyncio.create_task(SqliteJournal.open(path, SystemClock()))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await (await task).aclose()
        async with opened(path) as journal:
            assert await rows(journal, "PRAGMA quick_check") == [("ok",)]


async def test_the_thread_runs_what_was_queued_before_it_ends(path: Path) -> None:
    """And a closed database answers at once that it is closed."""
    db = await Database.open(path)
    future = db.submit(lambda connection: connection.execute("SELECT 7").fetchone())
    await db.close()
    assert await future == (7,)
    with pytest.raises(JournalError, match="closed"):
        await db.submit(lambda connection: connection.execute("SELECT 7"))
