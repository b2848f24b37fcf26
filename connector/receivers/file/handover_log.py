"""
The record of what a file receiver has handed over, beside its file: it outlives the file, which a consumer takes away.

A line for each order: the hash of its external id, the line at which it was, and the file's name. An order is recorded
once its lines are on the disk and before anybody else can see them, so that after a crash the record and what waits
under a hidden name say together what was handed over. The lock on it keeps a second writer out.
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

__all__ = ["Entry", "Handed"]

UNKNOWN = 0
"""The line of an order of which nobody knows whether its consumer has it."""


class Entry(NamedTuple):
    """One order: the hash of its external id, the file that it was written to, and its line there, from 1."""

    key: bytes
    file: str
    line: int

    def written(self) -> bytes:
        """Return it as a line of the record."""
        return f"{self.key.hex()} {self.line} {self.file}\n".encode("utf-8", "surrogateescape")


class Handed:
    """What was handed over. All methods block; `OSError` passes through where nothing else is named."""

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
        """Whether it is open, and at its place."""
        if self._fd < 0:
            return False
        try:
            info = self.path.lstat()
        except FileNotFoundError:
            return False
        return (info.st_dev, info.st_ino) == self._identity

    def open(self) -> None:
        """
        Open it, made if it is not there, and read it; one that was taken away is written anew from memory.

        Raises `TransientError` while another process has it, and `EndpointError` for what is no record.
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
        """The name of the file to which the order that was recorded last was written; empty if there is none."""
        return next(reversed(self._places.values()), ("", 0))[0]

    def place(self, key: bytes) -> str | None:
        """Return where an order was written, as `FILE:LINE`; None if it was not handed over."""
        found = self._places.get(key)
        return None if found is None else f"{_shown(found[0])}:{found[1]}"

    def find(self, key: bytes, external_id: str) -> str | None:
        """As `place`. Raises `ConflictError` for an order of which nobody knows whether its consumer has it."""
        found = self._places.get(key)
        if found is not None and found[1] == UNKNOWN:
            raise ConflictError(
                f"{external_id} was being written to {_shown(found[0])} when that was taken away, or the process ended:"
                f" look whether its consumer has it, and skip it; or take its line, {key.hex()}, out of {self.path} and"
                " retry"
            )
        return self.place(key)

    def add(self, entries: Iterable[Entry]) -> None:
        """
        Record orders, durably: all of them, or none.

        Raises `InDoubtError` when that failed and what was begun could not be taken back.
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

    def take_back(self, keys: Iterable[bytes], size: int) -> None:
        """Forget the orders that were recorded last, when the record had `size` bytes: they were not written."""
        self._disk.truncate(self._fd, size)
        self._disk.sync(self._fd)
        for key in keys:
            self._places.pop(key, None)

    @property
    def size(self) -> int:
        """How many bytes the record has."""
        return self._disk.size(self._fd)

    def _knows(self, key: bytes) -> bool:
        return self._places.get(key, ("", UNKNOWN))[1] != UNKNOWN

    def close(self) -> None:
        """Close it, and let go of the lock. Idempotent."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def _read(self) -> None:
        """Read all of it; an unfinished end, which a crash left, is cut off: its order is still under a hidden name."""
        self._places = {}
        end = 0
        with os.fdopen(os.dup(self._fd), "rb") as stream:
            stream.seek(0)
            for number, line in enumerate(stream, start=1):
                if not line.endswith(b"\n"):
                    break
                end += len(line)
                self._take(line, number)
        if end != self._disk.size(self._fd):
            self._disk.truncate(self._fd, end)
            self._disk.sync(self._fd)

    def _take(self, line: bytes, number: int) -> None:
        key, _, rest = line.decode("utf-8", "surrogateescape").rstrip("\n").partition(" ")
        at, _, file = rest.partition(" ")
        try:
            if len(key) != 32 or not at.isdecimal():
                raise ValueError
            self._places[bytes.fromhex(key)] = file, int(at)
        except ValueError:
            raise EndpointError(
                f"{self.path}: line {number} records no order that was handed over; mend it, or move the file away"
            ) from None


def _shown(file: str) -> str:
    """Return a file's name as it can be written down: what is not UTF-8 in it is on the disk only."""
    return readable(file.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))
