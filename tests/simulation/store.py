"""
The journal of one process in the simulation: the real SQL on a connection that outlives the process.

Each operation runs at a time of its own, as on the database's thread, and is heard of a little later; a kill comes
before it, in the middle of it, or between the two.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from functools import cache, partial
from random import Random
from typing import Any, Protocol, TypeVar

from connector.errors import JournalError
from connector.journal.engine.group_commit import GroupCommit
from connector.journal.engine.migrations import migrate
from connector.journal.engine.store import JournalStore
from tests.simulation.loop import Time

__all__ = ["Process", "Store", "new_journal"]

T = TypeVar("T")

EDGES = """
CREATE TABLE simulated (edge TEXT PRIMARY KEY, times INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TRIGGER simulated_delivery AFTER UPDATE OF state ON deliveries WHEN NEW.state <> OLD.state BEGIN
    INSERT INTO simulated VALUES ('delivery ' || OLD.state || '>' || NEW.state, 1)
    ON CONFLICT (edge) DO UPDATE SET times = times + 1;
END;
CREATE TRIGGER simulated_ack AFTER UPDATE OF ack_state ON orders WHEN NEW.ack_state <> OLD.ack_state BEGIN
    INSERT INTO simulated VALUES ('ack ' || OLD.ack_state || '>' || NEW.ack_state, 1)
    ON CONFLICT (edge) DO UPDATE SET times = times + 1;
END;
CREATE TRIGGER simulated_report AFTER UPDATE OF state ON reports WHEN NEW.state <> OLD.state BEGIN
    INSERT INTO simulated VALUES ('report ' || OLD.state || '>' || NEW.state, 1)
    ON CONFLICT (edge) DO UPDATE SET times = times + 1;
END;
"""
"""The ways between states that were taken are counted by the journal itself, in the same transactions."""


class Process(Protocol):
    """The journal's and the network's view of a process. `ends` is called when it is killed: its connections end."""

    time: Time
    alive: bool
    ends: list[Callable[[], None]]

    def passes(self, point: str) -> bool:
        """Pass a point at which the process may be killed; return True if it was."""

    def passes_in(self, point: str) -> bool:
        """Come to the middle of a transaction; return True if the process is to be killed there."""

    def die(self, point: str) -> None:
        """Be killed, at once and without a word."""


class Store:
    """Runs the journal's operations in order, at virtual times. A `Runner` (connector.journal.engine.group_commit)."""

    def __init__(self, db: sqlite3.Connection, process: Process, chance: Random, slow: float) -> None:
        self.db = db
        self._process = process
        self._chance = chance
        self._slow = slow
        self._free = 0.0
        self._waiting: dict[asyncio.Future[Any], None] = {}

    def submit(self, operation: Callable[[sqlite3.Connection], T]) -> asyncio.Future[T]:
        """Queue `operation`; the future has its result or exception."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        if not self._process.alive:
            future.set_exception(_dead())
            return future
        name, writes = _named(operation)
        time = self._process.time
        slow = self._chance.random() < self._slow
        self._free = max(self._free, time.now) + self._chance.uniform(0.0, 0.2 if slow else 0.004 if writes else 0.001)
        self._waiting[future] = None
        time.at(self._free, partial(self._run, operation, name, future, writes))
        return future

    def end(self) -> None:
        """The process is dead: let the tasks that wait for the journal end, too."""
        for future in self._waiting:
            if not future.done():
                future.set_exception(_dead())
        self._waiting.clear()

    async def close(self) -> None:
        """Close nothing: the connection is the file, and outlives the process."""

    def _run(self, operation: Callable[[Any], Any], name: str, future: asyncio.Future[Any], writes: bool) -> None:
        process = self._process
        if not process.alive or process.passes(f"{name}:before"):
            return
        db: Any = self.db
        if writes and process.passes_in(f"{name}:in"):
            db = _Doomed(self.db, self._chance.randrange(1, 6))
        try:
            outcome: Any = operation(db)
            failure: Exception | None = None
        except _Killed:
            if self.db.in_transaction:
                self.db.execute("ROLLBACK")
            process.die(f"{name}:in")
            return
        except Exception as exc:  # noqa: BLE001 - handed to whoever awaits
            outcome, failure = None, exc
        if process.passes(f"{name}:after"):
            return
        wait = self._chance.uniform(0.0, 0.002)
        process.time.after(wait, partial(self._answer, future, outcome, failure))

    def _answer(self, future: asyncio.Future[Any], outcome: Any, failure: Exception | None) -> None:
        self._waiting.pop(future, None)
        if not self._process.alive or future.done():
            return
        if failure is not None:
            future.set_exception(failure)
        else:
            future.set_result(outcome)


class _Killed(BaseException):
    """The process is killed in the middle of a transaction."""


class _Doomed:
    """A connection on which the process is killed at its `left`th statement, or at the commit."""

    def __init__(self, db: sqlite3.Connection, left: int) -> None:
        self._db = db
        self._left = left

    def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
        self._count(sql)
        return self._db.execute(sql, *args)

    def executemany(self, sql: str, *args: Any) -> sqlite3.Cursor:
        self._count(sql)
        return self._db.executemany(sql, *args)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)

    def _count(self, sql: str) -> None:
        self._left -= 1
        if sql == "COMMIT" or self._left < 0:
            raise _Killed


def _dead() -> JournalError:
    return JournalError("the process is dead")


def _named(operation: Any) -> tuple[str, bool]:
    """Return the name of an operation, `module.method` of the first in it, and whether it is a transaction."""
    if isinstance(operation, partial) and operation.func.__module__ == GroupCommit.__module__:
        return _named(operation.args[0][0])[0], True
    if isinstance(operation, partial) and operation.func.__module__ == JournalStore.__module__:
        return _named(operation.args[1])
    inner = operation.func if isinstance(operation, partial) else operation
    method = inner.__qualname__.partition(".<locals>")[0].rpartition(".")[2]
    return f"{inner.__module__.rpartition('.')[2]}.{method.lstrip('_')}", False


@cache
def _empty() -> bytes:
    db = sqlite3.connect(":memory:", isolation_level=None)
    migrate(db)
    db.executescript(EDGES)
    image = db.serialize()
    db.close()
    return image


def new_journal() -> sqlite3.Connection:
    """Return a journal without orders, in memory, that counts the ways that states take."""
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.deserialize(_empty())
    db.execute("PRAGMA foreign_keys = ON")
    return db
