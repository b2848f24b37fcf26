"""
`connector`, whose disk fills up: `python -m tests.processes.filling HOW COMMAND ...`.

Right before each of the named transactions comes for the first time, no more can be written. HOW is `disk` (a file
called `ballast` takes all the room that there is; who removes it makes room) or `limit` (this process may not write
to any file; who has the right lifts it, see `resource.prlimit`).
"""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from connector.cli import main
from connector.journal.tables.acks import AcksTable
from connector.journal.tables.deliveries import DeliveriesTable
from connector.journal.tables.orders import OrdersTable

__all__ = ["BALLAST", "NAMED", "fill"]

NAMED = ("orders.ingest", "deliveries.intend", "deliveries.settle", "acks.claim", "acks.settle")
"""The transactions of an order's life."""
TABLES = {"orders": OrdersTable, "deliveries": DeliveriesTable, "acks": AcksTable}
BALLAST = "ballast"


def fill(how: str) -> None:
    """Let the disk of this process fill up before each of `NAMED`, once each."""
    left = set(NAMED)
    for name in NAMED:
        _before(name, left, _by_ballast if how == "disk" else _by_limit)


def _before(name: str, left: set[str], spoil: Callable[[], None]) -> None:
    table, _, verb = name.partition(".")
    where = TABLES[table]
    method = getattr(where, verb)

    async def called(*arguments: Any) -> Any:
        if name in left and not _full():
            left.remove(name)
            spoil()
        return await method(*arguments)

    setattr(where, verb, called)


def _full() -> bool:
    """Return True if nobody has made room since the last time."""
    return Path(BALLAST).exists() or resource.getrlimit(resource.RLIMIT_FSIZE)[0] == 0


def _by_limit() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))


def _by_ballast() -> None:
    file = os.open(BALLAST, os.O_WRONLY | os.O_CREAT, 0o600)
    for size in (65536, 4096, 1):
        try:
            while True:
                os.write(file, bytes(size))
        except OSError:
            continue
    os.close(file)


if __name__ == "__main__":
    fill(sys.argv[1])
    main(sys.argv[2:], prog_name="connector")
