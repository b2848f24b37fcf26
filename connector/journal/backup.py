"""A copy of the journal, made beside a running connector, and stamped so that a restored one is known."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path

from connector.errors import JournalError
from connector.journal.reader import open_reader

__all__ = ["backup"]


def backup(journal: Path, file: Path, now: datetime) -> int:
    """
    Copy `journal` to the new `file`, mode 0600, as it is at one moment; return its bytes.

    The copy is checked as a whole and on the disk when this returns; until then it has another name. Raises
    `NoJournal` where there is none, and `JournalError` for a file that is there already or cannot be written, and for
    a journal that is damaged.
    """
    if os.path.lexists(file):
        raise JournalError(f"{file}: there is something of that name already; choose another one")
    part = file.with_name(file.name + ".part")
    with open_reader(journal) as source:
        try:
            part.unlink(missing_ok=True)  # of a backup that was interrupted
            os.close(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
            _copy(source, part, now)
            size = part.stat().st_size
            os.link(part, file)  # which, unlike a renaming, replaces nothing
            _sync(file.parent)
        except OSError as exc:
            raise JournalError(f"{file}: the backup cannot be written: {exc.strerror}") from exc
        except sqlite3.Error as exc:
            raise JournalError(f"{file}: the backup cannot be made: {exc}") from exc
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)
    return size


def _copy(source: sqlite3.Connection, part: Path, now: datetime) -> None:
    with closing(sqlite3.connect(part, isolation_level=None)) as copy:
        source.backup(copy)  # all pages in one step, so that no write to the source makes it begin again
        copy.execute("PRAGMA synchronous = FULL")
        copy.execute("PRAGMA journal_mode = DELETE")  # one file: what is restored needs nothing beside it
        copy.execute("INSERT OR REPLACE INTO identity (name, value) VALUES ('copy', ?)", (now.isoformat(),))
        (sound,) = copy.execute("PRAGMA integrity_check(1)").fetchone()
        if sound != "ok":
            raise JournalError(f"the journal is damaged, and so would be its backup: {sound}")
    fd = os.open(part, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
