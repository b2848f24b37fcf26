"""The loop of a worker: it sleeps until work is due or it is woken, and ends when it is finished."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import anyio
import anyio.lowlevel
import pytest

from connector.pipeline.worker import Wakeups, Worker, seconds_until

pytestmark = pytest.mark.looptime


class Scripted(Worker):
    """A worker whose calls return these answers in turn; after the last one it waits for a wake-up."""

    def __init__(self, *answers: float | None, meanwhile: Callable[[Scripted], None] = lambda _self: None) -> None:
        super().__init__()
        self.answers = list(answers)
        self.meanwhile = meanwhile
        self.times: list[float] = []

    async def work(self) -> float | None:
        """Return the next answer."""
        self.times.append(anyio.current_time())
        if len(self.times) == 1:
            self.meanwhile(self)
        await anyio.lowlevel.checkpoint()
        return self.answers.pop(0) if self.answers else None


async def times(worker: Scripted, *wakes: float, within: float = 100) -> list[float]:
    """Return when it worked, in seconds since it began, woken at these."""
    start = anyio.current_time()
    with anyio.move_on_after(within):
        async with anyio.create_task_group() as tg:
            tg.start_soon(worker.run)
            for wake in wakes:
                await anyio.sleep(start + wake - anyio.current_time())
                worker.wake()
    return [at - start for at in worker.times]


async def test_it_works_again_when_work_is_due() -> None:
    """At once for 0, after the wait for another number, and never by itself for None."""
    assert [0, 0, 5, 7] == await times(Scripted(0, 5, 2, None))


async def test_a_wake_up_ends_the_wait() -> None:
    """Both a wait for a time and a wait for a wake-up."""
    assert [0, 3, 50] == await times(Scripted(10, None), 3, 50)


async def test_a_wake_up_while_it_works_is_not_lost() -> None:
    """The new work may be missing from the last reading."""
    assert [0, 0] == await times(Scripted(meanwhile=Worker.wake))


async def test_it_finishes_what_is_due_and_ends() -> None:
    """Work that is due later waits in the journal."""
    worker = Scripted(0, 0, 5, meanwhile=Worker.finish)
    with anyio.fail_after(1):
        await worker.run()
    assert 3 == len(worker.times)


async def test_wake_ups_go_by_kind_and_name() -> None:
    """To one worker, or to all; an unregistered name is an error of the assembly."""
    heard: list[str] = []
    wakeups = Wakeups()
    wakeups.register("acks", "shop", lambda: heard.append("acks of shop"))
    wakeups.register("changes", "wms", lambda: heard.append("changes at wms"))
    wakeups.wake("changes", "wms")
    wakeups.wake_all()
    assert ["changes at wms", "acks of shop", "changes at wms"] == heard
    with pytest.raises(KeyError):
        wakeups.wake("acks", "wms")


async def test_a_time_that_has_passed_is_now() -> None:
    """And no time is none."""
    now = datetime(2026, 3, 24, tzinfo=UTC)
    assert [0, 3, None] == [seconds_until(at, now) for at in (now - timedelta(1), now + timedelta(seconds=3), None)]
