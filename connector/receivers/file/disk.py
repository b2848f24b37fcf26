"""A file that is appended to: opened safely, locked, and never left with half a write."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from pathlib import Path

from connector.errors import ConnectorError, EndpointError, InDoubtError, TransientError

__all__ = ["AppendFile", "Disk", "failure", "sync_folder"]

OPERATOR = frozenset(
    {
        errno.EACCES,
        errno.EISDIR,
        errno.ELOOP,
        errno.ENAMETOOLONG,
        errno.ENODEV,
        errno.ENOENT,
        errno.ENOLCK,
        errno.ENOTDIR,
        errno.ENXIO,
        errno.EOPNOTSUPP,
        errno.EPERM,
        errno.EROFS,
    }
)
"""Errors that last until somebody mends the path, a right or a mount; all others may pass."""


class Disk:
    """The file operations of the operating system, where a disk fails. Tests replace it."""

    def look(self, path: Path) -> os.stat_result:
        """Return the state of a path. Raises `FileNotFoundError` for a missing file."""
        return path.lstat()

    def size(self, fd: int) -> int:
        """Return the size of the file in bytes."""
        return os.fstat(fd).st_size

    def write(self, fd: int, data: memoryview) -> int:
        """Append; return the number of bytes written."""
        return os.write(fd, data)

    def sync(self, fd: int) -> None:
        """Return once the written data survives a loss of power."""
        os.fsync(fd)

    def truncate(self, fd: int, size: int) -> None:
        """Truncate the file to `size` bytes."""
        os.ftruncate(fd, size)


def failure(path: Path, exc: OSError) -> ConnectorError:
    """Convert an error of the operating system that was raised before anything was written."""
    said = f"{path}: {exc.strerror or type(exc).__name__}"
    if exc.errno == errno.ELOOP:
        return EndpointError(f"{path}: it is a symbolic link; name the file itself")
    if exc.errno == errno.ENOENT:
        return EndpointError(f"{path}: its folder is not there; make it, or mend the path")
    return EndpointError(said) if exc.errno in OPERATOR else TransientError(said)


class AppendFile:
    """
    A regular file, open for appending, and locked against a second writer.

    `path` is its public name; while it is open, it may have another one. All methods block, and raise `OSError` unless
    they name another error.
    """

    def __init__(self, path: Path, fd: int, disk: Disk) -> None:
        self.path = path
        self.fd = fd
        self._disk = disk
        self.made = False
        """True if the file was created by opening it."""
        info = os.fstat(fd)
        self.identity = (info.st_dev, info.st_ino)

    @classmethod
    def open(
        cls, path: Path, disk: Disk, *, at: Path | None = None, create: int | None = None, writable: bool = True
    ) -> AppendFile | None:
        """
        Open the file; create it with the rights `create`, or return None if it is missing and not to be created.

        `at` is its current place, if not `path`. `writable=False` only reads, without a lock.

        Raises:
            EndpointError: it is no regular file, or a symbolic link.
            TransientError: another process has it.
        """
        flags = os.O_RDWR | os.O_APPEND if writable else os.O_RDONLY
        flags |= os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        made = False
        try:
            fd = os.open(at or path, flags)
        except FileNotFoundError:
            if create is None:
                return None
            made = True
            fd = os.open(at or path, flags | os.O_CREAT, 0o600)
            os.fchmod(fd, create)  # regardless of the process's mask
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise EndpointError(f"{path}: not a regular file")
            if writable:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            raise TransientError(f"{path}: another process is writing it") from None
        except BaseException:
            os.close(fd)
            raise
        file = cls(path, fd, disk)
        file.made = made
        return file

    def size(self) -> int:
        """Return the size of the file in bytes."""
        return self._disk.size(self.fd)

    def append(self, data: bytes) -> None:
        """
        Append all of `data` durably, or leave the file unchanged.

        Raises:
            TransientError: the file is unchanged (the disk is full, say).
            InDoubtError: the file may have changed; only reading it again can show.
        """
        before = self.size()
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[self._disk.write(self.fd, rest) :]
            self._disk.sync(self.fd)
        except OSError as exc:
            said = f"{self.path}: {exc.strerror or type(exc).__name__}"
            try:
                self.cut(before)
            except OSError:
                raise InDoubtError(f"{said}, and what was written could not be taken back") from None
            raise TransientError(said) from None

    def cut(self, size: int) -> None:
        """Truncate the file to `size` bytes."""
        self._disk.truncate(self.fd, size)
        self._disk.sync(self.fd)

    def close(self) -> None:
        """Close the file, and release the lock. Idempotent."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)


def sync_folder(folder: Path) -> None:
    """Make a new name durable: otherwise a loss of power removes the file, with all its synced data."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
