"""The connection to the journal's file: opened once, with durable settings, and its schema brought up to date."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
from collections.abc import Callable
from functools import partial
from pathlib import Path
from queue import Empty
from threading import Thread
from typing import Any, TypeVar

import aiosqlite

from connector.errors import JournalBusy, JournalError, JournalStalled, readable
from connector.journal.engine.disk_errors import cause_of, disk_trouble, may_pass
from connector.journal.engine.group_commit import Operation, uncancellable
from connector.journal.engine.migrations import migrate
from connector.journal.engine.stall import passing

__all__ = ["Database", "InlineDatabase", "changed_elsewhere", "damaged", "unusable"]

T = TypeVar("T")

PATIENCE = 5000
"""Milliseconds to wait for another program (a backup, an SQLite shell) to let go of the file."""

SMALL = 64 * 1024 * 1024
"""Bytes up to which the whole file is checked at start: a check reads all of it, and a start must stay quick."""


class Database(aiosqlite.Connection):
    """The one connection that writes, on its own thread (aiosqlite's)."""

    _closing: asyncio.Future[None] | None = None
    _over = False
    """True once the thread has ended."""

    def __init__(self, connector: Callable[[], sqlite3.Connection], iter_chunk_size: int) -> None:
        super().__init__(connector, iter_chunk_size)
        self._thread = Thread(target=partial(self._serve, self._thread.run), name="journal")

    @classmethod
    async def open(cls, path: Path) -> Database:
        """
        Open the journal at `path`, creating it with mode 0600.

        Raises `JournalError` when the file is not ours, not sound, or from a newer version, `JournalBusy` when
        another program has locked it, and `JournalStalled` for a full or read-only disk.
        """
        _create(path)
        database = cls(partial(_connect, path), iter_chunk_size=64)
        try:
            # Each to its end in any case: a connection without an owner keeps its thread, and so the process.
            await uncancellable(asyncio.ensure_future(database._started()))
            await uncancellable(database.submit(partial(_prepare, path)))
        except BaseException as exc:
            await database.close()
            if isinstance(exc, sqlite3.Error | UnicodeDecodeError):
                raise unusable(path, exc) from exc
            raise
        return database

    async def _started(self) -> None:
        await self

    def _serve(self, run: Callable[[], None]) -> None:
        """Run the thread's work to its end; then nobody may wait for an answer that does not come."""
        try:
            run()
        finally:
            self._over = True
            self._fail_waiting()

    def _fail_waiting(self) -> None:
        while True:
            try:
                future, _ = self._tx.get_nowait()
            except Empty:
                return
            if future is not None:
                future.get_loop().call_soon_threadsafe(_fail, future)

    async def close(self) -> None:
        """Run the queued operations, and close; it is closed when this returns or raises. Idempotent."""
        if self._over:
            self._drop()
        elif self._closing is None:
            self._closing = asyncio.ensure_future(super().close())
        if self._closing is not None:
            await uncancellable(self._closing)

    def _drop(self) -> None:
        """Close without the thread, which is gone."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def submit(self, operation: Operation[T]) -> asyncio.Future[T]:
        """Queue `operation` for the thread; it runs whatever happens to the caller."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        if self._connection is None:
            future.set_exception(JournalError("the journal is closed"))
        else:
            self._tx.put_nowait((future, partial(operation, self._conn)))
            if self._over:  # it ended before that, or saw it while it ended
                self._fail_waiting()
        return future


def _fail(future: asyncio.Future[Any]) -> None:
    if not future.done():
        future.set_exception(JournalError("the journal's thread has ended; start the connector again"))


class InlineDatabase:
    """The same, in memory and without a thread: for tests that own the time, and for the demonstration."""

    def __init__(self) -> None:
        self._db = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA foreign_keys = ON")
        migrate(self._db)

    def submit(self, operation: Operation[T]) -> asyncio.Future[T]:
        """Run `operation` at once; the future is done when it returns."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        try:
            future.set_result(operation(self._db))
        except Exception as exc:  # noqa: BLE001 - handed to whoever awaits
            future.set_exception(exc)
        return future

    async def close(self) -> None:
        """Forget everything."""
        self._db.close()


def _create(path: Path) -> None:
    """Create the file for our eyes only, and refuse one that somebody else could have put there."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
        found = path.stat(follow_symlinks=False)
    except OSError as exc:
        kind = JournalStalled if may_pass(exc) else JournalError
        raise kind(f"{path}: cannot open the journal: {cause_of(exc, path.parent)}") from exc
    if not stat.S_ISREG(found.st_mode):
        raise JournalError(f"{path}: the journal must be a plain file")
    if found.st_uid != os.geteuid():
        raise JournalError(f"{path}: the journal belongs to another user; run as that user, or choose another file")
    if found.st_mode & 0o077:
        path.chmod(0o600)


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)


def _prepare(path: Path, db: sqlite3.Connection) -> None:
    db.execute(f"PRAGMA busy_timeout = {PATIENCE}")
    _refuse_foreign(path, db)
    db.execute("PRAGMA mmap_size = 0")
    for pragma, value in (("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1)):
        db.execute(f"PRAGMA {pragma} = {value}")
        (got,) = db.execute(f"PRAGMA {pragma}").fetchone()
        if got != value:
            raise JournalError(f"{path}: SQLite would not set {pragma} to {value} (it is {got}); use a local disk")
    if path.stat().st_size <= SMALL:
        (sound,) = db.execute("PRAGMA quick_check(1)").fetchone()
        if sound != "ok":
            raise JournalError(f"{path}: the journal is damaged ({readable(sound)}); restore a backup, or move it away")
    migrate(db)


def _refuse_foreign(path: Path, db: sqlite3.Connection) -> None:
    """Refuse the database of another program before anything is written to it."""
    (version,) = db.execute("PRAGMA user_version").fetchone()
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not (tables >= {"identity", "orders", "deliveries"} if version else not tables):
        raise JournalError(f"{path}: this is the database of another program; choose another file for the journal")


def changed_elsewhere(db: sqlite3.Connection) -> int:
    """Return a number that changes when another process has written to the file."""
    (version,) = db.execute("PRAGMA data_version").fetchone()
    return int(version)


def damaged(db: sqlite3.Connection) -> bool:
    """Return whether the file is damaged, by reading all of it; for use once a value in it makes no sense."""
    try:
        return bool(db.execute("PRAGMA integrity_check(1)").fetchone() != ("ok",))
    except (sqlite3.Error, UnicodeDecodeError):  # the latter for an error whose text quotes a damaged name
        return True


def unusable(path: Path, exc: sqlite3.Error | UnicodeDecodeError) -> JournalError:
    """
    Return the error for the operator to an error of SQLite while the journal is opened.

    A `UnicodeDecodeError` is one whose text quotes a damaged name.
    """
    if isinstance(exc, UnicodeDecodeError):
        return JournalError(
            f"{path}: the journal is damaged (a name in it is no text); restore a backup, or move it away"
        )
    code = getattr(exc, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return JournalBusy(f"{path}: another program has locked the journal; close it there first")
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return JournalError(f"{path}: the journal is damaged ({exc}); restore a backup, or move it away")
    lasts = code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY) and not disk_trouble(path.parent)
    if passing(exc) and not lasts:
        return JournalStalled(f"{path}: the journal cannot be written: {cause_of(exc, path.parent)}")
    return JournalError(f"{path}: the journal cannot be used: {exc}; look at the disk and at the rights to the file")
