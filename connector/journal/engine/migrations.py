"""
The versions of the schema: each is a file `schema/NNNN.sql`, applied to a journal of the version before.

A released file never changes; a new one follows it. Readers refuse a journal of any version but the newest.
"""

from __future__ import annotations

import sqlite3
from importlib import resources
from pathlib import Path

from connector.errors import JournalError

__all__ = ["NoJournal", "check_version", "migrate", "schema_files"]


class NoJournal(JournalError):
    """There is no journal yet: the connector has not run with these settings."""


def check_version(path: Path, db: sqlite3.Connection) -> None:
    """
    Refuse a file that is no journal of our version. For use inside a transaction: a connector may just be creating it.

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


def schema_files() -> list[tuple[int, str]]:
    """Return the schema's steps in order: number and SQL."""
    folder = resources.files("connector.journal") / "schema"
    files = [entry for entry in folder.iterdir() if entry.name.endswith(".sql")]
    return sorted((int(entry.name.removesuffix(".sql")), entry.read_text("utf-8")) for entry in files)


def migrate(db: sqlite3.Connection) -> None:
    """
    Bring the schema up to date, all steps or none: whoever reads beside it sees the old one or the new one.

    Raises `JournalError` for a newer file than we know.
    """
    (version,) = db.execute("PRAGMA user_version").fetchone()
    steps = schema_files()
    newest = steps[-1][0]
    if version > newest:
        raise JournalError(f"the journal is of version {version}, and this program knows {newest}; use a newer one")
    todo = "\n".join(sql for number, sql in steps if number > version)
    if todo:
        try:
            db.executescript(f"BEGIN IMMEDIATE;\n{todo}\nPRAGMA user_version = {newest};\nCOMMIT;")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
