"""The file receiver on a real disk, and a disk that fails on demand."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from connector.clock import Clock, SystemClock
from connector.order import Line, Order
from connector.receivers.base import Delivery
from connector.receivers.file.disk import Disk
from connector.receivers.file.receiver import FileReceiver
from connector.receivers.file.settings import FileSettings
from tests.contracts.receiver_harness import EXAMPLE

__all__ = ["FORMS", "FailingDisk", "SetClock", "delivery", "held", "names", "order", "receiver"]

FORMS: dict[str, dict[str, Any]] = {
    "jsonl": {},
    "csv": {"format": "csv"},
    "csv by line": {"format": "csv", "rows": "line"},
}
"""Every kind of file."""


class FailingDisk(Disk):
    """Fails once at each step that is named in `failing`, after `room` more bytes for a write."""

    def __init__(self) -> None:
        self.failing: list[str] = []
        self.room = 0
        self.code = errno.ENOSPC
        self.syncs = 0

    def look(self, path: Path) -> os.stat_result:
        """Fail, or not."""
        self._fail("look")
        return super().look(path)

    def size(self, fd: int) -> int:
        """Fail, or not."""
        self._fail("size")
        return super().size(fd)

    def write(self, fd: int, data: memoryview) -> int:
        """Write as much as there is room for, and fail at the next call, as a full disk does."""
        if "write" in self.failing and self.room:
            done = super().write(fd, data[: self.room])
            self.room = 0
            return done
        self._fail("write")
        return super().write(fd, data[: max(1, len(data) // 2)])  # a short write, which is allowed

    def sync(self, fd: int) -> None:
        """Fail, or not."""
        self.syncs += 1
        self._fail("sync")

    def truncate(self, fd: int, size: int) -> None:
        """Fail, or not."""
        self._fail("truncate")
        super().truncate(fd, size)

    def _fail(self, step: str) -> None:
        if step in self.failing:
            self.failing.remove(step)
            raise OSError(self.code, os.strerror(self.code))


class SetClock(SystemClock):
    """A clock that a test sets."""

    def __init__(self, at: str) -> None:
        super().__init__(1)
        self.at = datetime.fromisoformat(at)

    def now(self) -> datetime:
        """Return that."""
        return self.at


@asynccontextmanager
async def receiver(
    path: Path, *, disk: Disk | None = None, clock: Clock | None = None, **more: Any
) -> AsyncIterator[FileReceiver]:
    """Open a receiver on the file at `path`, and close it."""
    made = FileReceiver("archive", FileSettings(path=str(path), **more), clock or SystemClock(), disk=disk)
    try:
        yield made
    finally:
        await made.aclose()


def order(order_id: str, lines: int = 2, **more: Any) -> Order:
    """Return an order with this many lines, with hard texts in it."""
    each = tuple(
        Line(line_id=str(n), sku=f"SKU-{n}", name='a "quoted", name\nof two lines', quantity=Decimal(n + 1))
        for n in range(lines)
    )
    return msgspec.structs.replace(EXAMPLE, **{"order_id": order_id, "lines": each, "notes": "Ring,\ntwice.", **more})


def delivery(made: FileReceiver, wanted: Order | str) -> Delivery:
    """Return an order as the pipeline hands it over."""
    whole = order(wanted) if isinstance(wanted, str) else wanted
    return Delivery(whole.external_id, msgspec.json.encode(made.default(whole)))


def held(path: Path, form: str) -> list[str]:
    """Read the file as a stranger would; return the external id of each order, and fail if anything is amiss."""
    return list(_held(path.read_bytes(), form))


def _held(content: bytes, form: str) -> Iterator[str]:
    assert content.endswith(b"\n"), "its last line ends"
    if form == "jsonl":
        yield from (json.loads(line)["external_id"] for line in content.decode().splitlines())
        return
    header, *rows = csv.reader(io.StringIO(content.decode(), newline=""), strict=True)
    assert {len(row) for row in rows} == {len(header)}, "each row is as wide as the header"
    if form == "csv":
        yield from (row[0] for row in rows)
        return
    at = 0
    while at < len(rows):
        count = int(rows[at][2])
        part = rows[at : at + count]
        assert [(rows[at][0], str(n + 1), str(count)) for n in range(count)] == [tuple(row[:3]) for row in part]
        yield rows[at][0]
        at += count


def names(folder: Path) -> list[str]:
    """Return the files in a folder that a consumer sees."""
    return sorted(each.name for each in folder.iterdir() if not each.name.startswith("."))
