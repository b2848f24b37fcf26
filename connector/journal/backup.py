"""Backups: copies of the journal, made beside a running connector, with a stamp that identifies a restored one."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from datetime import datetime
from glob import escape
from pathlib import Path
from tempfile import mkstemp

from connector.errors import JournalError
from connector.journal.engine.disk_errors import cause_of
from connector.journal.engine.reader import open_reader

__all__ = ["backup"]

STALE = 24 * 3600.0
"""Seconds without a write after which the temporary file of a backup belongs to nobody."""


def backup(journal: Path, file: Path, now: datetime) -> int:
    """
    Copy `journal` to the new `file`, mode 0600, as it is at one moment; return its bytes.

    The copy is checked as a whole and on the disk when this returns; until then it has a name of its own, so that two
    backups to one file do not meet: the one that is through later is refused. Raises `NoJournal` where there is no
    journal, and `JournalError` for a file that is there already or cannot be written, or a journal that is damaged.
    """
    if os.path.lexists(file):
        raise _taken(file)
    with open_reader(journal) as source:
        part: Path | None = None
        try:
            _clear(file, now)
            fd, name = mkstemp(".part", f".{file.name}.", file.parent)
            os.close(fd)
            part = Path(name)
            _copy(source, part, now)
            size = part.stat().st_size
            os.link(part, file)  # which, unlike a renaming, replaces nothing
            _sync(file.parent)
        except FileExistsError as exc:
            raise _taken(file) from exc
        except OSError as exc:
            raise JournalError(f"{file}: the backup cannot be written: {cause_of(exc, file.parent)}") from exc
        except sqlite3.Error as exc:
            raise JournalError(f"{file}: the backup cannot be made: {cause_of(exc, file.parent)}") from exc
        finally:
            with suppress(OSError):
                if part is not None:
                    part.unlink(missing_ok=True)
    return size


def _taken(file: Path) -> JournalError:
    return JournalError(f"{file}: there is something of that name already; choose another one")


def _clear(file: Path, now: datetime) -> None:
    """Remove the temporary files of killed backups to `file` that are too old for a running one."""
    for left in file.parent.glob(f".{escape(file.name)}.*.part"):
        with suppress(OSError):
            if left.stat().st_mtime < now.timestamp() - STALE:
                left.unlink()


def _copy(source: sqlite3.Connection, part: Path, now: datetime) -> None:
    with closing(sqlite3.connect(part, isolation_level=None)) as copy:
        source.backup(copy)  # all pages in one step, so that no write to the source makes it begin again
        copy.execute("PRAGMA synchronous = FULL")
        copy.execute("PRAGMA journal_mode = DELETE")  # one file: a restored journal needs no other beside it
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
