"""The causes of disk errors in plain words: SQLite's own text is often only "disk I/O error"."""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path

__all__ = ["cause_of", "disk_trouble", "may_pass"]

MAY_PASS = frozenset(
    {
        errno.EAGAIN,
        errno.EBUSY,
        errno.EDQUOT,
        errno.EFBIG,
        errno.EIO,
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOMEM,
        errno.ENOSPC,
        errno.EROFS,
        errno.ESTALE,
        errno.ETIMEDOUT,
    }
)
"""Errors of the operating system that may be over later, without a change of the settings or of the rights."""

ROOM = 64 * 1024
"""Bytes without which SQLite does not open a journal: its shared memory takes half of it."""


def may_pass(exc: OSError) -> bool:
    """Return whether the cause of `exc` may pass without a repair of the journal: a full or read-only disk, say."""
    return exc.errno in MAY_PASS


def disk_trouble(folder: Path) -> str:
    """Return why nothing can be written into `folder`, as far as its file system says so; else an empty text."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return ""
    if found.f_flag & os.ST_RDONLY:
        return "the file system is read-only"
    if found.f_bavail * found.f_frsize < ROOM:
        return "the disk is full"
    return "the disk has no room for another file" if found.f_files and not found.f_favail else ""


def cause_of(exc: sqlite3.Error | OSError, folder: Path) -> str:
    """Return the cause of an error about a file in `folder`, the error's own text included."""
    said = (exc.strerror or type(exc).__name__) if isinstance(exc, OSError) else str(exc)
    trouble = disk_trouble(folder)
    return f"{trouble} ({said})" if trouble else said
