"""Writing to the journal from another process: one short transaction of its own."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from connector.errors import JournalError, JournalStalled
from connector.journal.engine.disk_errors import cause_of
from connector.journal.engine.migrations import check_version
from connector.journal.engine.stall import passing

__all__ = ["deciding"]

PATIENCE = 5.0
"""Seconds to wait for a running connector to finish the commit that it is making."""


@contextmanager
def deciding(path: str | Path) -> Iterator[sqlite3.Connection]:
    """
    Open the journal for one transaction, next to a running connector or without one.

    It is committed when the block is left, and rolled back when that raises. A running connector sees within a second
    that the file has changed. Raises `JournalError` when there is no journal, when it is of another version, whose
    connector may know other rules, or when it cannot be written; `JournalStalled` if a later try may do.
    """
    path = Path(path)
    if not path.is_file():
        raise JournalError(f"{path}: there is no journal; the connector has not run with these settings")
    try:
        with closing(sqlite3.connect(path, timeout=PATIENCE, isolation_level=None)) as db:
            # SQLite before 3.51.3 could not safely let two connections move the log into the file.
            db.execute("PRAGMA wal_autocheckpoint = 0")
            db.execute("PRAGMA synchronous = FULL")
            db.execute("PRAGMA foreign_keys = ON")
            db.execute("BEGIN IMMEDIATE")
            try:
                check_version(path, db)
                yield db
            except BaseException:
                if db.in_transaction:  # an error of the disk has ended it already
                    db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")
    except sqlite3.Error as exc:
        kind = JournalStalled if passing(exc) else JournalError
        cause = cause_of(exc, path.parent)
        raise kind(f"{path}: the journal could not be written: {cause}; nothing was changed") from exc
