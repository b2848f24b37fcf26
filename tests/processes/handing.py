"""
`connector`, which kills itself while it hands a file over: `python -m tests.processes.handing POINT NUMBER BUG ...`.

POINT is one of `POINTS`, or `-`; NUMBER counts how often it is reached until it is the last time. BUG is one of `BUGS`,
which is put into the process, or `-`.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from connector.cli import main
from connector.journal.tables.deliveries import DeliveriesTable
from connector.receivers.file import store as file_store
from connector.receivers.file.disk import AppendFile, Disk
from connector.receivers.file.handover_log import Entry, HandoverLog
from connector.receivers.file.store import Store

__all__ = ["BUGS", "POINTS", "arm"]

POINTS = ("aside", "half written", "written", "recorded", "in place", "settled")
"""
The file is under its hidden name; half of a group is in it; all of it is; it is recorded; it is in its place, and the
journal does not know; the journal knows, and its source does not.
"""


def arm(point: str, number: int) -> None:
    """Let this process die when `point` is reached for the `number`th time."""
    left = number

    def reached(name: str) -> None:
        nonlocal left
        left -= name == point
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

    _after(file_store, "hide", lambda: reached("aside"))
    _after(Disk, "write", lambda: reached("half written"))
    _after(AppendFile, "append", lambda: reached("written"))
    _after(HandoverLog, "add", lambda: reached("recorded"))
    _after(file_store, "publish", lambda: reached("in place"))
    _halve()
    settle = DeliveriesTable.settle

    async def settled(self: DeliveriesTable, *arguments: Any) -> Any:
        done = await settle(self, *arguments)
        reached("settled")
        return done

    DeliveriesTable.settle = settled  # type: ignore[method-assign,assignment]


def _after(where: Any, name: str, then: Callable[[], None]) -> None:
    function = getattr(where, name)

    def called(*arguments: Any, **more: Any) -> Any:
        done = function(*arguments, **more)
        then()
        return done

    setattr(where, name, called)


def _halve() -> None:
    """Let each write be two."""
    write = Disk.write
    Disk.write = lambda self, fd, data: write(self, fd, data[: len(data) // 2 + 1])  # type: ignore[method-assign]


def _in_place() -> None:
    """The file is written where everybody sees it, and can take it away meanwhile."""
    file_store.hide = lambda path, disk, *, create=None: AppendFile.open(path, disk, create=create)  # type: ignore[attr-defined]
    file_store.publish = lambda _path: None  # type: ignore[assignment,attr-defined]


def _forgets() -> None:
    """An order is looked up in the file alone, which may have been taken away."""
    HandoverLog.find = lambda _self, _key, _external_id: None  # type: ignore[method-assign,assignment]
    HandoverLog.place = lambda _self, _key: None  # type: ignore[method-assign,assignment]


def _recorded_early() -> None:
    """An order is recorded as handed over before its lines are on the disk."""

    def write(self: Store, file: AppendFile, data: bytes, entries: Sequence[Entry]) -> None:
        self.syncs += 1
        self._log.add(entries)
        file.append(data)

    Store._write = write  # type: ignore[method-assign]


def _put_back_unrecorded() -> None:
    """Files that were left aside are put in their place, and their orders are not recorded."""

    def recover(self: Store, path: Path) -> None:
        file_store.publish(path)  # type: ignore[attr-defined]

    Store._recover = recover  # type: ignore[method-assign]


BUGS: Mapping[str, Callable[[], None]] = {
    "forgets": _forgets,
    "in place": _in_place,
    "put back unrecorded": _put_back_unrecorded,
    "recorded early": _recorded_early,
}
"""Bugs that can be put into the process, to see that they are found."""


if __name__ == "__main__":
    if sys.argv[3] in BUGS:
        BUGS[sys.argv[3]]()
    arm(sys.argv[1], int(sys.argv[2]))
    main(sys.argv[4:], prog_name="connector")
