"""Group commit: one transaction for all who came while the last one synced; nobody pays for another's fault."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from typing import Any, TypeVar

import anyio
import pytest

from connector.errors import JournalError
from connector.journal.engine.connection import Database
from connector.journal.engine.group_commit import GroupCommit, uncancellable
from tests.journal.engine.stepped_database import ByHand, fail_after, names, start, turns, write

T = TypeVar("T")


async def test_callers_of_one_turn_share_a_transaction(runner: ByHand) -> None:
    """A hundred that write at the same moment cost one sync of the disk, not a hundred."""
    commits = GroupCommit(runner)
    tasks = start(commits, *(write(str(number)) for number in range(100)))
    await turns()
    assert len(runner.queued) == 1
    await runner.sync()
    assert [await task for task in tasks] == [str(number) for number in range(100)]
    assert (runner.began, runner.committed, commits.commits) == (1, 1, 1)


async def test_callers_that_come_while_one_syncs_share_the_next(runner: ByHand) -> None:
    """Nobody joins a transaction that is under way, and nobody waits for more than the next one."""
    commits = GroupCommit(runner)
    (first,) = start(commits, write("first"))
    await turns()
    later: list[asyncio.Task[Any]] = []
    for number in range(10):  # each in a turn of its own, while the first one syncs
        later += start(commits, write(str(number)))
        await turns()
    assert len(runner.queued) == 1
    await runner.sync()
    assert first.done()
    assert len(runner.queued) == 1
    assert not any(task.done() for task in later)
    await runner.sync()
    assert [await task for task in later] == [str(number) for number in range(10)]
    assert (runner.committed, commits.commits) == (2, 2)
    assert runner.queued == []


async def test_nobody_hears_before_it_is_committed(runner: ByHand) -> None:
    """A write returns when its rows are durable, not when they were handed over."""
    (task,) = start(GroupCommit(runner), write("a"))
    await turns(20)
    assert not task.done()
    assert names(runner.db) == set()
    await runner.sync()
    assert task.done()
    assert names(runner.db) == {"a"}


async def test_a_hundred_writers_to_a_real_file_cost_one_or_two_commits(database: Database) -> None:
    """With a thread and a disk, too."""
    commits = GroupCommit(database)
    seen: list[str] = []
    await database.submit(lambda db: db.execute("CREATE TABLE t (name TEXT PRIMARY KEY) STRICT"))
    await database.submit(lambda db: db.set_trace_callback(seen.append))
    async with anyio.create_task_group() as tg:
        for number in range(100):
            tg.start_soon(commits.transact, write(str(number)))
    assert len(await database.submit(names)) == 100
    assert seen.count("COMMIT") in (1, 2)
    assert seen.count("BEGIN IMMEDIATE") == seen.count("COMMIT")  # a deferred one can fail in the middle


async def test_one_faulty_operation_fails_alone(runner: ByHand) -> None:
    """Its neighbours are written, it is not, and each gets its own outcome."""
    commits = GroupCommit(runner)
    tasks = start(commits, write("a"), fail_after("b"), write("c"), fail_after("d"), write("c"))
    await turns()
    await runner.sync()
    assert await tasks[0] == "a"
    assert await tasks[2] == "c"
    for task, kind in ((tasks[1], ValueError), (tasks[3], ValueError), (tasks[4], sqlite3.IntegrityError)):
        with pytest.raises(kind):
            await task
    assert names(runner.db) == {"a", "c"}
    assert not runner.db.in_transaction


async def test_a_faulty_operation_alone_leaves_nothing(runner: ByHand) -> None:
    """Its writes before the failure are rolled back, and the next one finds no open transaction."""
    commits = GroupCommit(runner)
    for operation in (fail_after("a"), write("a")):
        (task,) = start(commits, operation)
        await turns()
        await runner.sync()
        assert not runner.db.in_transaction
    assert await task == "a"
    assert names(runner.db) == {"a"}


async def test_a_transaction_that_cannot_begin_fails_all_at_once(runner: ByHand) -> None:
    """One by one, each would wait for the same lock again: minutes, with a hundred callers."""
    runner.db.execute("BEGIN IMMEDIATE")  # as a lock that somebody else holds would, this keeps the next from beginning
    began = runner.began
    tasks = start(GroupCommit(runner), *(write(str(number)) for number in range(10)))
    await turns()
    await runner.sync()
    for task in tasks:
        with pytest.raises(sqlite3.OperationalError):
            await task
    assert runner.began == began + 1


@pytest.mark.fault(116)
async def test_a_runner_that_is_gone_fails_everybody(runner: ByHand) -> None:
    """Nobody waits for ever, and the next caller gets the error as well."""
    commits = GroupCommit(runner)
    for _ in range(2):
        tasks = start(commits, write("a"), write("b"))
        await turns()
        _, future = runner.queued.pop()
        future.set_exception(JournalError("the journal is closed"))
        for task in tasks:
            with pytest.raises(JournalError):
                await task


async def test_finish_waits_for_all_that_was_asked_for(runner: ByHand) -> None:
    """For the group under way, the one that waits behind it, and the one that has not been closed yet."""
    commits = GroupCommit(runner)
    first = start(commits, write("a"))
    await turns()
    second = start(commits, write("b"), fail_after("c"))
    await asyncio.sleep(0)
    finish = asyncio.create_task(commits.finish())
    for _ in range(2):
        await turns()
        assert not finish.done()
        await runner.sync()
    await finish
    assert all(task.done() for task in first + second)
    assert isinstance(second[1].exception(), ValueError)
    assert names(runner.db) == {"a", "b"}


async def test_finish_has_nothing_to_wait_for_when_nothing_was_asked(runner: ByHand) -> None:
    """It makes no transaction of its own then."""
    await GroupCommit(runner).finish()
    assert runner.queued == []


async def test_finish_ends_although_the_runner_fails() -> None:
    """A disk that is full must not keep the process from ending."""

    class Full:
        def submit(self, operation: Callable[[sqlite3.Connection], T]) -> asyncio.Future[T]:
            future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
            future.set_exception(sqlite3.OperationalError("database or disk is full"))
            return future

    commits = GroupCommit(Full())
    (task,) = start(commits, write("a"))
    await asyncio.sleep(0)
    await commits.finish()
    assert isinstance(task.exception(), sqlite3.OperationalError)


async def test_a_verdict_that_is_there_is_returned_at_once() -> None:
    """Result or exception."""
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    future.set_result(7)
    assert await uncancellable(future) == 7
    failed: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    failed.set_exception(ValueError("no"))
    with pytest.raises(ValueError, match="no"):
        await uncancellable(failed)
