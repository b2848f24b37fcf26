"""One file that is appended to: opened safely, locked, and never left with half a write in it."""

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
"""What stays as it is until somebody mends the path, a right or a mount; all else may be better later."""


class Disk:
    """What is asked of the operating system about files that are known: the place where a disk fails."""

    def look(self, path: Path) -> os.stat_result:
        """Return what is at a path. Raises `FileNotFoundError` if nothing is."""
        return path.lstat()

    def size(self, fd: int) -> int:
        """Return the file's bytes."""
        return os.fstat(fd).st_size

    def write(self, fd: int, data: memoryview) -> int:
        """Write at the end; return how many bytes went in."""
        return os.write(fd, data)

    def sync(self, fd: int) -> None:
        """Return once what was written outlives a loss of power."""
        os.fsync(fd)

    def truncate(self, fd: int, size: int) -> None:
        """Cut the end off."""
        os.ftruncate(fd, size)


def failure(path: Path, exc: OSError) -> ConnectorError:
    """Return our error for one of the operating system's, raised when nothing was written."""
    said = f"{path}: {exc.strerror or type(exc).__name__}"
    if exc.errno == errno.ELOOP:
        return EndpointError(f"{path}: it is a symbolic link; name the file itself")
    if exc.errno == errno.ENOENT:
        return EndpointError(f"{path}: its folder is not there; make it, or mend the path")
    return EndpointError(said) if exc.errno in OPERATOR else TransientError(said)


class AppendFile:
    """
    A regular file, open for appending, and locked against a second writer.

    `path` is its name to the world; it may have another one while it is open. All methods block; `OSError` passes
    through, except where one of ours is named.
    """

    def __init__(self, path: Path, fd: int, disk: Disk) -> None:
        self.path = path
        self.fd = fd
        self._disk = disk
        self.made = False
        """Whether it was not there before."""
        info = os.fstat(fd)
        self.identity = (info.st_dev, info.st_ino)

    @classmethod
    def open(
        cls, path: Path, disk: Disk, *, at: Path | None = None, create: int | None = None, writable: bool = True
    ) -> AppendFile | None:
        """
        Open the file; return None if it is not there and not to be made, with the rights `create`.

        `at` is where it is, if not at `path`. `writable=False` only reads, without a lock.

        Raises `EndpointError` for what is no regular file, a symbolic link for one, and `TransientError` while
        another process has it.
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
            os.fchmod(fd, create)  # as it is wanted, whatever the process's mask
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
        """Return how many bytes it has."""
        return self._disk.size(self.fd)

    def append(self, data: bytes) -> None:
        """
        Write all of `data` at the end and make it durable, or leave the file as it was.

        Raises `TransientError` when it was left as it was (a full disk, say), `InDoubtError` when even that failed:
        then only reading it again can tell.
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
        """Take off what is behind `size`."""
        self._disk.truncate(self.fd, size)
        self._disk.sync(self.fd)

    def close(self) -> None:
        """Close it, and let go of the lock. Idempotent."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)


def sync_folder(folder: Path) -> None:
    """Make a new name durable: without it a loss of power takes the file away, with all that was synced in it."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
