"""Whether a file is a journal of the version that this program reads and writes."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from connector.errors import JournalError
from connector.journal.engine.connection import schema_files

__all__ = ["NoJournal", "check_version"]


class NoJournal(JournalError):
    """There is no journal yet: the connector has not run with these settings."""


def check_version(path: Path, db: sqlite3.Connection) -> None:
    """
    Refuse what is no journal of our version. To be called inside a transaction: a connector may just be creating it.

    Raises `NoJournal` for an empty file, and `JournalError` for another program's, and for an older or newer journal.
    """
    (version,) = db.execute("PRAGMA user_version").fetchone()
    newest = schema_files()[-1][0]
    if version == 0:
        (tables,) = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if tables:
            raise JournalError(f"{path}: this is an SQLite file, but not a journal")
        raise NoJournal(f"{path}: the journal is empty as yet; `connector run` fills it")
    found = f"{path}: the journal is of version {version}, and this program knows {newest}"
    if version > newest:
        raise JournalError(f"{found}; use a newer one")
    if version < newest:
        raise JournalError(f"{found}; (re)start `connector run`, which brings it up to date")
