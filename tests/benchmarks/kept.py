"""
The least that a durable journey can cost: `python -m tests.benchmarks.kept URL SHAPE LOOP FOLDER`.

It is the loop that maps as the connector does, with one row an order in SQLite: found, created, being acknowledged,
acknowledged. Each change is synced to the disk before the step that must come after it, and all changes that are queued
meanwhile share that commit. There are no look-ups, no second receiver, no retries, no history, no metrics, and nothing
that goes on after a crash: it is no connector, only a bound for one. No journal in Python can save the time by which
this loop is slower than the bare one.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp

from connector.cli import gc_tuning
from tests.benchmarks.bare import Bare, opened
from tests.benchmarks.loops import new_loop
from tests.benchmarks.mapped import RAW
from tests.benchmarks.plain import ID_KEYS
from tests.benchmarks.usage import Usage, say

__all__ = ["Kept", "Record", "recording"]

TAKEN = "INSERT INTO orders (id, raw, state) VALUES (?, ?, 'taken')"
THERE = "UPDATE orders SET state = 'there' WHERE id = ?"
TELLING = "UPDATE orders SET state = 'telling' WHERE id = ?"
TOLD = "UPDATE orders SET state = 'told', raw = NULL WHERE id = ?"

Rows = Sequence[tuple[Any, ...]]
Asked = list[tuple[str, Rows, "asyncio.Future[None]"]]


class Record:
    """One thread that writes; statements queued while it is at work share the next commit."""

    def __init__(self, path: Path) -> None:
        self._loop = asyncio.get_running_loop()
        self._asked: Asked = []
        self._busy = False
        self._work: queue.SimpleQueue[Asked | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, args=(path,))
        self._thread.start()

    def write(self, statement: str, rows: Rows) -> asyncio.Future[None]:
        """Queue a statement; the future is done when it is synced."""
        done: asyncio.Future[None] = self._loop.create_future()
        self._asked.append((statement, rows, done))
        if not self._busy:
            self._busy = True
            self._loop.call_soon(self._hand_over)
        return done

    def end(self) -> None:
        """Write the remaining changes, and end the thread."""
        self._work.put(None)
        self._thread.join()

    def _hand_over(self) -> None:
        self._busy = bool(self._asked)
        if self._busy:
            self._work.put(self._asked)
            self._asked = []

    def _run(self, path: Path) -> None:
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
            db.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, raw BLOB, state TEXT NOT NULL) STRICT")
            while (asked := self._work.get()) is not None:
                statements: dict[str, list[tuple[Any, ...]]] = {}
                for statement, rows, _ in asked:
                    statements.setdefault(statement, []).extend(rows)
                db.execute("BEGIN IMMEDIATE")
                for statement, together in statements.items():
                    db.executemany(statement, together)
                db.execute("COMMIT")
                self._loop.call_soon_threadsafe(self._written, asked)

    def _written(self, asked: Asked) -> None:
        for _, _, done in asked:
            if not done.cancelled():
                done.set_result(None)
        self._hand_over()


@contextmanager
def recording(folder: Path) -> Iterator[Record]:
    """Open a new record; leaving ends it."""
    record = Record(folder / "record.db")
    try:
        yield record
    finally:
        record.end()


class Kept(Bare):
    """The loop with a record."""

    def __init__(
        self,
        shape: str,
        source: aiohttp.ClientSession,
        receiver: aiohttp.ClientSession,
        *,
        alike: bool = True,
        record: Record,
    ) -> None:
        super().__init__(shape, source, receiver, alike=alike)
        self._record = record

    async def page(self, number: int) -> list[dict[str, Any]]:
        """Read a page; its new orders are in the record before they are delivered."""
        rows, key = await super().page(number), ID_KEYS[self._shape]
        if fresh := [(int(row[key]), row[RAW]) for row in rows if str(row[key]) not in self._seen]:
            await self._record.write(TAKEN, fresh)
        return rows

    async def create(self, order: dict[str, Any]) -> None:
        """Create an order; the record has it as created before its source gets the acknowledgement."""
        await super().create(order)
        await self._record.write(THERE, [(int(order[ID_KEYS[self._shape]]),)])

    async def patch(self, order_id: int) -> None:
        """Acknowledge one order; a delivery need not wait until the record has it as acknowledged."""
        await self._record.write(TELLING, [(order_id,)])
        await super().patch(order_id)
        self._record.write(TOLD, [(order_id,)])

    async def tell(self, batch: Sequence[str]) -> None:
        """Acknowledge a batch, likewise."""
        keys = [(int(order_id),) for order_id in batch]
        await self._record.write(TELLING, keys)
        await super().tell(batch)
        self._record.write(TOLD, keys)


async def _drain(url: str, shape: str, folder: Path) -> None:
    usage = Usage()
    with recording(folder) as record:
        async with opened(url, shape, alike=True, made=partial(Kept, record=record)) as loop:
            gc_tuning.freeze_loaded()
            await loop.drain()
            say(usage.so_far())


def main() -> None:
    """Deliver every order of the stand-in once, with a record in `FOLDER`, and print the cost."""
    url, shape, loop, folder = sys.argv[1:]
    with gc_tuning.collect_rarely(), asyncio.Runner(loop_factory=new_loop(loop)) as runner:
        runner.run(_drain(url, shape, Path(folder)))


if __name__ == "__main__":
    main()
