"""Group commit: one transaction, and one sync of the disk, for all callers that came while the last one was syncing."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Protocol, TypeVar

import anyio

from connector.errors import JournalError
from connector.journal.engine.stall import passing

__all__ = ["GroupCommit", "Runner", "uncancellable"]

T = TypeVar("T")
Operation = Callable[[sqlite3.Connection], T]


class Runner(Protocol):
    """Something that runs a function on the one connection, in order, wherever that lives."""

    def submit(self, operation: Operation[T]) -> asyncio.Future[T]:
        """Queue `operation`; the future has its result or exception."""


class GroupCommit:
    """
    Collects operations and runs each collection as one transaction.

    An operation must be all or nothing by itself only as far as the transaction is: if one of a group raises, the
    group is rolled back and its members run one by one, so that only the faulty one fails. A failure of the disk
    (see `passing`) is nobody's fault: all of the group hear of it, and may try again together.
    """

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._waiting: list[tuple[Operation[Any], asyncio.Future[Any]]] = []
        self._busy = False
        self.commits = 0

    async def transact(self, operation: Operation[T]) -> T:
        """
        Run `operation` in a transaction and return its result once it is durable.

        A caller that is cancelled meanwhile gets its cancellation only after the verdict: the database thread cannot
        be stopped half-way, and nobody may act on a guess.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._waiting.append((operation, future))
        if not self._busy:
            self._busy = True
            # The next turn of the loop, so that all who are about to write in this one share the transaction.
            loop.call_soon(self._flush)
        return await uncancellable(future)

    async def finish(self) -> None:
        """Wait until everything that was asked for has its verdict."""
        while self._busy:
            with suppress(sqlite3.Error, JournalError):
                await self.transact(_nothing)

    def _flush(self) -> None:
        group, self._waiting = self._waiting, []
        self.commits += 1
        done = self._runner.submit(partial(_run, [operation for operation, _ in group]))
        done.add_done_callback(partial(self._finished, group))

    def _finished(
        self, group: list[tuple[Operation[Any], asyncio.Future[Any]]], done: asyncio.Future[list[Any]]
    ) -> None:
        if self._waiting:
            self._flush()
        else:
            self._busy = False
        failure = done.exception()
        results = [failure] * len(group) if failure else done.result()
        for (_, future), result in zip(group, results, strict=True):
            if future.done():
                continue
            if isinstance(result, BaseException):
                future.set_exception(result)
            else:
                future.set_result(result)


def _run(operations: Sequence[Operation[Any]], db: sqlite3.Connection) -> list[Any]:
    """Run a group on the database thread; return a result, or the exception, for each."""
    try:
        db.execute("BEGIN IMMEDIATE")
    except Exception as exc:  # noqa: BLE001 - handed to all: one by one, each would wait for the same lock again
        return [exc] * len(operations)
    try:
        results = [operation(db) for operation in operations]
        db.execute("COMMIT")
    except Exception as exc:  # noqa: BLE001 - handed to the caller it belongs to
        if db.in_transaction:
            db.execute("ROLLBACK")
        if len(operations) == 1 or passing(exc):
            return [exc] * len(operations)
        return [result for operation in operations for result in _run([operation], db)]
    return results


def _nothing(db: sqlite3.Connection) -> None:
    """Write nothing."""


async def uncancellable(future: asyncio.Future[T]) -> T:
    """Wait for `future` in any case; then return its result, or pass on a cancellation that came meanwhile."""
    cancelled: asyncio.CancelledError | None = None
    with anyio.CancelScope(shield=True):
        while not future.done():
            try:
                await asyncio.wait([future])
            except asyncio.CancelledError as exc:  # a native cancellation, which no shield keeps off
                cancelled = exc
    if cancelled is not None:
        future.exception()  # seen, if there was one; the cancellation goes first
        raise cancelled
    return future.result()
