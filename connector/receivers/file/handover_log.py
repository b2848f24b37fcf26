"""
The handover log of a file receiver: a file beside the receiver's own, which remains when a consumer takes that away.

A line for each order: the hash of its external id, its line in the file, and the file's name. An order is logged once
its lines are on the disk and before the consumer can see them, so that after a crash the log and the hidden files
together show which orders were handed over. The lock on the log excludes a second writer.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from connector.errors import ConflictError, EndpointError, InDoubtError, TransientError, readable
from connector.receivers.file.disk import Disk, sync_folder

__all__ = ["Entry", "HandoverLog"]

UNKNOWN = 0
"""The line of an order that its consumer may or may not have."""


class Entry(NamedTuple):
    """One order: the hash of its external id, the file that it was written to, and its line there, from 1."""

    key: bytes
    file: str
    line: int

    def written(self) -> bytes:
        """Return the entry as a line of the log."""
        return f"{self.key.hex()} {self.line} {self.file}\n".encode("utf-8", "surrogateescape")


class HandoverLog:
    """The log of the orders that were handed over. All methods block, and raise `OSError` or a named error."""

    def __init__(self, path: Path, disk: Disk) -> None:
        self.path = path
        self._disk = disk
        self._fd = -1
        self._identity = (0, 0)
        self._places: dict[bytes, tuple[str, int]] = {}

    def __len__(self) -> int:
        return len(self._places)

    @property
    def is_open(self) -> bool:
        """True if the log is open, and still at its place."""
        if self._fd < 0:
            return False
        try:
            info = self.path.lstat()
        except FileNotFoundError:
            return False
        return (info.st_dev, info.st_ino) == self._identity

    def open(self) -> None:
        """
        Open and read the log; create it if it is missing, from memory if it was removed.

        Raises:
            TransientError: another process has it.
            EndpointError: it is not a handover log.
        """
        lost = self._places if self._fd >= 0 else {}
        self.close()
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        self._fd = os.open(self.path, flags, 0o600)
        try:
            info = os.fstat(self._fd)
            if not stat.S_ISREG(info.st_mode):
                raise EndpointError(f"{self.path}: not a regular file")
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._identity = info.st_dev, info.st_ino
            self._read()
            if not info.st_size:
                sync_folder(self.path.parent)
        except BlockingIOError:
            self.close()
            raise TransientError(f"{self.path}: another process is writing these files") from None
        except BaseException:
            self.close()
            raise
        if lost:
            self.add(Entry(key, *place) for key, place in lost.items() if key not in self._places)

    @property
    def last_file(self) -> str:
        """The name of the file of the order that was logged last; empty for an empty log."""
        return next(reversed(self._places.values()), ("", 0))[0]

    def place(self, key: bytes) -> str | None:
        """Return the place of an order as `FILE:LINE`; None if it was not handed over."""
        found = self._places.get(key)
        return None if found is None else f"{_shown(found[0])}:{found[1]}"

    def find(self, key: bytes, external_id: str) -> str | None:
        """As `place`. Raises `ConflictError` for an order that its consumer may or may not have."""
        found = self._places.get(key)
        if found is not None and found[1] == UNKNOWN:
            raise ConflictError(
                f"{external_id} was being written to {_shown(found[0])} when the file was taken away, or the process "
                f"ended. If its consumer has the order, skip it; else remove the line {key.hex()} from {self.path} and "
                "retry"
            )
        return self.place(key)

    def add(self, entries: Iterable[Entry]) -> None:
        """
        Log orders durably: all of them, or none.

        Raises `InDoubtError` if the write failed and could not be undone.
        """
        new = [entry for entry in entries if entry.line == UNKNOWN or not self._knows(entry.key)]
        if not new:
            return
        before = self._disk.size(self._fd)
        try:
            rest = memoryview(b"".join(entry.written() for entry in new))
            while rest:
                rest = rest[self._disk.write(self._fd, rest) :]
            self._disk.sync(self._fd)
        except OSError as exc:
            try:
                self._disk.truncate(self._fd, before)
                self._disk.sync(self._fd)
            except OSError:
                self.close()
                raise InDoubtError(f"{self.path}: {os.strerror(exc.errno or errno.EIO)}") from None
            raise
        self._places.update((entry.key, (entry.file, entry.line)) for entry in new)

    def remove(self, keys: Iterable[bytes], size: int) -> None:
        """Remove the orders that were logged since the log had `size` bytes: they were not written."""
        self._disk.truncate(self._fd, size)
        self._disk.sync(self._fd)
        for key in keys:
            self._places.pop(key, None)

    @property
    def size(self) -> int:
        """The size of the log in bytes."""
        return self._disk.size(self._fd)

    def _knows(self, key: bytes) -> bool:
        return self._places.get(key, ("", UNKNOWN))[1] != UNKNOWN

    def close(self) -> None:
        """Close the log, and release the lock. Idempotent."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def _read(self) -> None:
        """Read the log; a torn end of a crash is cut off, as its order is still under a hidden name."""
        self._places = {}
        end = 0
        with os.fdopen(os.dup(self._fd), "rb") as stream:
            stream.seek(0)
            for number, line in enumerate(stream, start=1):
                if not line.endswith(b"\n"):
                    break
                end += len(line)
                self._read_line(line, number)
        if end != self._disk.size(self._fd):
            self._disk.truncate(self._fd, end)
            self._disk.sync(self._fd)

    def _read_line(self, line: bytes, number: int) -> None:
        key, _, rest = line.decode("utf-8", "surrogateescape").rstrip("\n").partition(" ")
        at, _, file = rest.partition(" ")
        try:
            if len(key) != 32 or not at.isdecimal():
                raise ValueError
            self._places[bytes.fromhex(key)] = file, int(at)
        except ValueError:
            raise EndpointError(
                f"{self.path}: line {number} is no entry of this log; correct it, or move the file away"
            ) from None


def _shown(file: str) -> str:
    """Return a file's name in UTF-8; bytes that are not UTF-8 are shown escaped."""
    return readable(file.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))
