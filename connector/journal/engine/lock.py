"""The lock beside the journal, which admits one process and names its holder."""

from __future__ import annotations

import fcntl
import os
import re
import socket
from contextlib import suppress
from pathlib import Path

from connector.errors import JournalBusy, JournalError, JournalStalled, readable
from connector.journal.engine.disk_errors import cause_of, may_pass

__all__ = ["InstanceLock", "ended", "noted"]


class InstanceLock:
    """
    Holds `JOURNAL.lock` for as long as the process lives; the kernel lets go of it however the process ends.

    A file of its own: closing any descriptor of the database file would drop SQLite's locks on it.
    """

    def __init__(self, journal: Path) -> None:
        self._path = _beside(journal)
        self._fd: int | None = None
        self._holder = b""

    def acquire(self, since: str) -> None:
        """
        Take the lock. `since` is the time to write into it.

        Raises `JournalBusy` that names the holder, `JournalStalled` for a full or read-only disk, and `JournalError`.
        """
        try:
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as exc:
            kind = JournalStalled if may_pass(exc) else JournalError
            raise kind(f"{self._path}: cannot open the lock file: {cause_of(exc, self._path.parent)}") from exc
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = readable(_lines(os.read(fd, 200).decode("utf-8", "replace"))[0]) or "another process"
            os.close(fd)
            raise JournalBusy(f"{self._path}: the journal is in use by {holder}; stop it first") from None
        except OSError as exc:
            os.close(fd)
            raise JournalError(f"{self._path}: cannot lock: {exc.strerror}; use a local disk") from exc
        self._holder = f"process {os.getpid()} on {socket.gethostname()}, since {since}\n".encode()
        with suppress(OSError):  # who holds it is a courtesy, and the disk may be full
            os.ftruncate(fd, 0)
            os.write(fd, self._holder)
        self._fd = fd

    def note(self, text: str) -> None:
        """Leave `text` for `noted` in other processes, in the place of an earlier one; a courtesy as well."""
        if self._fd is not None:
            content = self._holder + (f"{readable(text)}\n".encode() if text else b"")
            with suppress(OSError):  # over its own first bytes it goes even where the disk is full
                os.pwrite(self._fd, content, 0)
                os.ftruncate(self._fd, len(content))

    def release(self) -> None:
        """Let go. Idempotent. The file stays: removing it would let two processes hold two files of one name."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)


def ended(journal: str | Path) -> bool:
    """
    Return whether the process that last held the lock of `journal` is certain to have ended.

    It is identified by its process number in the file. The lock itself is not tried: a connector that starts in that
    moment would see it held.
    """
    try:
        text = _beside(Path(journal)).read_text("utf-8", "replace")
    except OSError:
        return False
    found = re.match(r"process (\d{1,9}) on (\S+), ", text)
    if found is None or found[2] != socket.gethostname():
        return False
    try:
        os.kill(int(found[1]), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def _beside(journal: Path) -> Path:
    return journal.with_name(journal.name + ".lock")


def noted(journal: str | Path) -> str:
    """Return the note of the process that holds the lock (see `InstanceLock.note`), if it may still run."""
    try:
        text = _beside(Path(journal)).read_text("utf-8", "replace")
    except OSError:
        return ""
    return "" if ended(journal) else _lines(text)[1]


def _lines(text: str) -> tuple[str, str]:
    """Return the first line, which names the holder of the lock, and the holder's note."""
    first, _, rest = text.partition("\n")
    return first, readable(rest)
