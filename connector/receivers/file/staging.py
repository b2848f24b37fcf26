"""
Keeps a file under a hidden name while it is written, so that its consumer cannot take it away meanwhile.

A consumer takes a file away by renaming it, and so does the writer: one of the two comes first. A file at its public
place is always whole.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from connector.errors import EndpointError
from connector.receivers.file.disk import AppendFile, Disk, sync_folder

__all__ = ["hidden", "hide", "left_hidden", "publish", "remove"]

ENDING = ".writing"


def hidden(path: Path) -> Path:
    """Return the hidden place of `path` while it is written."""
    return path.with_name(f".{path.name}{ENDING}")


def hide(path: Path, disk: Disk, *, create: int | None = None) -> AppendFile | None:
    """
    Move the file to its hidden place, and open it.

    A missing file is created with the rights `create`; otherwise None is returned.

    Raises:
        EndpointError: it is no regular file.
        TransientError: another process has it.
    """
    aside = hidden(path)
    if there := _is_there(path):
        try:
            path.rename(aside)
        except FileNotFoundError:  # its consumer came first
            there = False
    try:
        return AppendFile.open(path, disk, at=aside, create=None if there else create)
    except BaseException:
        if there:
            aside.rename(path)
        raise


def publish(path: Path) -> None:
    """
    Move the hidden file to its public place, durably.

    Raises `FileExistsError` if another file is there by now, `FileNotFoundError` if the hidden one was removed.
    """
    if os.path.lexists(path):  # only we create a file of this name; otherwise the rename would remove it
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    hidden(path).rename(path)
    sync_folder(path.parent)


def remove(path: Path) -> None:
    """Remove a hidden file that is empty."""
    hidden(path).unlink(missing_ok=True)
    sync_folder(path.parent)


def left_hidden(folder: Path) -> Iterator[Path]:
    """Yield the public places of the files that a crash left hidden in a folder."""
    for each in sorted(folder.iterdir()):
        if each.name.startswith(".") and each.name.endswith(ENDING):
            yield each.with_name(each.name[1 : -len(ENDING)])


def _is_there(path: Path) -> bool:
    try:
        kind = path.lstat().st_mode
    except FileNotFoundError:
        return False
    if stat.S_ISLNK(kind):
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
    if not stat.S_ISREG(kind):
        raise EndpointError(f"{path}: not a regular file")
    return True
