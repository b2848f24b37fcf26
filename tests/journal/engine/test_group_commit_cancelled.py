"""A caller that is cancelled during its write gets the cancellation after the verdict (faults.md #115, 8.3)."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import anyio
import pytest

from connector.journal.engine.connection import Database
from connector.journal.engine.group_commit import GroupCommit
from tests.journal.engine.stepped_database import ByHand, fail_after, names, start, turns, write


@pytest.mark.fault(115)
async def test_a_cancelled_caller_hears_after_the_verdict(runner: ByHand) -> None:
    """The native cancellation of a task does not come through before the operation is durable, however often."""
    commits = GroupCommit(runner)
    cancelled, other = start(commits, write("a"), write("b"))
    await turns()
    for _ in range(3):
        cancelled.cancel()
        await turns()
        assert not cancelled.done()
    await runner.sync()
    assert cancelled.cancelled()
    assert await other == "b"
    assert names(runner.db) == {"a", "b"}
    assert not runner.db.in_transaction


async def test_a_caller_that_is_cancelled_before_its_turn_is_written_all_the_same(runner: ByHand) -> None:
    """It was asked for; that it stands in the queue only is nobody's business."""
    commits = GroupCommit(runner)
    (task,) = start(commits, write("a"))
    await asyncio.sleep(0)  # it has asked, and the group has not been closed yet
    assert runner.queued == []
    task.cancel()
    await turns()
    assert not task.done()
    await runner.sync()
    assert task.cancelled()
    assert names(runner.db) == {"a"}


async def test_a_cancelled_scope_hears_after_the_verdict(runner: ByHand) -> None:
    """The same for anyio's cancellation: the result is there, and the scope ends at the next await."""
    commits = GroupCommit(runner)
    results: list[str] = []

    async def caller(scope: anyio.CancelScope) -> None:
        with scope:
            results.append(await commits.transact(write("a")))
            await anyio.lowlevel.checkpoint()
            results.append("went on")

    scope = anyio.CancelScope()
    task = asyncio.create_task(caller(scope))
    await turns()
    scope.cancel()
    await turns(20)
    assert not task.done()
    await runner.sync()
    await task
    assert results == ["a"]
    assert scope.cancelled_caught
    assert names(runner.db) == {"a"}


async def test_a_timeout_comes_after_the_verdict(runner: ByHand) -> None:
    """`asyncio.timeout` cancels natively; its TimeoutError comes out, and the write is done."""
    commits = GroupCommit(runner)

    async def caller() -> None:
        async with asyncio.timeout(0):
            await commits.transact(write("a"))

    task = asyncio.create_task(caller())
    await turns(20)
    assert not task.done()
    await runner.sync()
    with pytest.raises(TimeoutError):
        await task
    assert names(runner.db) == {"a"}


async def test_a_cancelled_caller_whose_write_failed_is_cancelled(runner: ByHand) -> None:
    """The cancellation goes first; the failure is not left behind as a warning that nobody retrieved it."""
    left: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: left.append(context))
    commits = GroupCommit(runner)
    (task,) = start(commits, fail_after("a"))
    await turns()
    task.cancel()
    await turns()
    await runner.sync()
    assert task.cancelled()
    assert names(runner.db) == set()
    del task
    gc.collect()
    await turns()
    assert left == []


@pytest.mark.fault(115)
@pytest.mark.parametrize("cancel_after", range(6))
async def test_the_connection_is_never_left_in_a_transaction(database: Database, cancel_after: int) -> None:
    """Wherever a caller is cancelled: the transaction is over, and the next one can begin (faults.md #115)."""
    commits = GroupCommit(database)
    await database.submit(lambda db: db.execute("CREATE TABLE t (name TEXT PRIMARY KEY) STRICT"))
    task = asyncio.create_task(commits.transact(write("a")))
    for _ in range(cancel_after):
        await asyncio.sleep(0)
    started = cancel_after > 0
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not database.in_transaction
    assert await database.submit(names) == ({"a"} if started else set())
    assert await commits.transact(write("b")) == "b"
