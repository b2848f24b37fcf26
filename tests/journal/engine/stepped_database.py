"""A database whose thread moves only when the test says so, and operations to run on it."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import Any, TypeVar

from connector.errors import JournalError
from connector.journal.engine.group_commit import GroupCommit, Operation

__all__ = ["ByHand", "fail_after", "names", "start", "turns", "write"]

T = TypeVar("T")


class ByHand:
    """A database whose thread moves only when the test says so."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db
        self.queued: list[tuple[Operation[Any], asyncio.Future[Any]]] = []
        self.began = 0
        self.committed = 0
        self.ended = False
        db.set_trace_callback(self._count)

    def _count(self, statement: str) -> None:
        self.began += statement.startswith("BEGIN")
        self.committed += statement == "COMMIT"

    def submit(self, operation: Operation[T]) -> asyncio.Future[T]:
        """Queue it."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        if self.ended:
            future.set_exception(JournalError("the test is over"))
        else:
            self.queued.append((operation, future))
        return future

    def end(self) -> None:
        """Fail the queued work: a caller that waits for a verdict cannot be stopped in another way."""
        self.ended = True
        for _, future in self.queued:
            future.set_exception(JournalError("the test is over"))

    async def sync(self) -> None:
        """Run the work that was queued first, and report its outcome to every caller."""
        operation, future = self.queued.pop(0)
        try:
            future.set_result(operation(self.db))
        except Exception as exc:  # noqa: BLE001 - handed to whoever awaits
            future.set_exception(exc)
        await turns()


async def turns(count: int = 5) -> None:
    """Let everybody else run, a few times."""
    for _ in range(count):
        await asyncio.sleep(0)


def write(name: str) -> Operation[str]:
    """Return an operation that writes `name`, and returns it."""

    def operation(db: sqlite3.Connection) -> str:
        db.execute("INSERT INTO t VALUES (?)", (name,))
        return name

    return operation


def fail_after(name: str) -> Operation[None]:
    """Return an operation that writes, and then raises."""

    def operation(db: sqlite3.Connection) -> None:
        db.execute("INSERT INTO t VALUES (?)", (name,))
        raise ValueError(name)

    return operation


def names(db: sqlite3.Connection) -> set[str]:
    """Return the written rows."""
    return {name for (name,) in db.execute("SELECT name FROM t")}


def start(commits: GroupCommit, *operations: Operation[Any]) -> list[asyncio.Task[Any]]:
    """Start a caller for each."""
    return [asyncio.create_task(commits.transact(operation)) for operation in operations]
