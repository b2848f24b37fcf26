"""Reading the journal beside whatever has it open: one connection that cannot write, one moment at a time."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from connector.errors import JournalError, JournalStalled
from connector.journal.engine.connection import damaged
from connector.journal.engine.disk_errors import cause_of
from connector.journal.engine.migrations import NoJournal, check_version, migrate
from connector.journal.engine.stall import passing

__all__ = ["empty", "open_reader", "snapshot"]

PATIENCE = 5.0
"""Seconds to wait for a connector that is just recovering the file."""


@contextmanager
def open_reader(path: str | Path) -> Iterator[sqlite3.Connection]:
    """
    Open the journal at `path` for reading only, beside whatever has it open.

    Raises `NoJournal` when there is none yet, `JournalStalled` when it cannot be read for a cause that may pass, and
    `JournalError` when it cannot be read at all, now or while it is in use.
    """
    path = Path(path)
    _check_file(path)
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=PATIENCE)) as db:
            db.isolation_level = None
            try:
                with snapshot(db):
                    check_version(path, db)
                yield db
            except (ArithmeticError, LookupError, TypeError, ValueError) as exc:
                if damaged(db):  # there is a value in it that nobody can have written
                    raise JournalError(f"{path}: the journal is damaged; restore a backup, or move it away") from exc
                raise
    except sqlite3.Error as exc:
        kind = JournalStalled if passing(exc) else JournalError
        raise kind(f"{path}: the journal cannot be read: {cause_of(exc, path.parent)}") from exc


def _check_file(path: Path) -> None:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise JournalError(f"{path}: the journal must be a plain file")
        with path.open("rb"):  # for the operating system's words, which SQLite keeps to itself
            pass
    except FileNotFoundError:
        raise NoJournal(f"{path}: there is no journal yet; `connector run` starts one") from None
    except OSError as exc:
        raise JournalError(f"{path}: cannot read the journal: {exc.strerror}") from exc


def empty() -> sqlite3.Connection:
    """Return a journal without an order, to ask the same questions of."""
    db = sqlite3.connect(":memory:", isolation_level=None)
    migrate(db)
    return db


@contextmanager
def snapshot(db: sqlite3.Connection) -> Iterator[None]:
    """Let every question inside see the same moment."""
    if db.in_transaction:
        yield
        return
    db.execute("BEGIN")
    try:
        yield
    finally:
        if db.in_transaction:  # an error of the disk has ended it, and is the one to report
            db.execute("COMMIT")
