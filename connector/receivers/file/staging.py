"""
A file under a hidden name while it is written, so that its consumer cannot take it away meanwhile.

To take a file away is to rename it, and so is to put it aside: one of both comes first. What is at its place is whole.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from connector.errors import EndpointError
from connector.receivers.file.disk import AppendFile, Disk, sync_folder

__all__ = ["hidden", "left_aside", "put_in_place", "remove", "take_aside"]

ENDING = ".writing"


def hidden(path: Path) -> Path:
    """Return where the file of `path` is while it is written."""
    return path.with_name(f".{path.name}{ENDING}")


def take_aside(path: Path, disk: Disk, *, create: int | None = None) -> AppendFile | None:
    """
    Take the file away from its place, and open it.

    One that is not there is made, with the rights `create`; None is returned if it is not to be made. Raises
    `EndpointError` for what is no regular file, and `TransientError` while another process has it; `OSError` passes.
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


def put_in_place(path: Path) -> None:
    """
    Put the file that was aside in its place, durably.

    Raises `FileExistsError` when something else is there by now, `FileNotFoundError` when it was taken away aside.
    """
    if os.path.lexists(path):  # nobody but us makes a file of this name; else the rename would remove it
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    hidden(path).rename(path)
    sync_folder(path.parent)


def remove(path: Path) -> None:
    """Remove a file that is aside, and holds nothing."""
    hidden(path).unlink(missing_ok=True)
    sync_folder(path.parent)


def left_aside(folder: Path) -> Iterator[Path]:
    """Yield the places of the files that were left aside in a folder, by a crash say."""
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
