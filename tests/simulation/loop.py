"""
Virtual time: an event loop that never waits, and the world's own agenda, which goes on when the loop does not.

`select` is where an event loop waits; here it moves the time instead, to whatever comes first: the loop's own next
timer, or the world's next act. No thread and no file descriptor is involved, and nothing depends on the machine.
"""

from __future__ import annotations

import asyncio
import gc
import selectors
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager, suppress
from heapq import heappop, heappush
from itertools import count
from typing import Any

from anyio._backends._asyncio import CancelScope

__all__ = ["Loop", "Stuck", "Time", "ordered"]

STANDSTILL = 200_000
"""Turns of the loop at one and the same time, after which it is taken to turn for ever."""


class Stuck(BaseException):
    """Nothing will ever happen again, or nothing but the same: every task in the loop waits in vain."""


class Time:
    """The virtual time in seconds, and the agenda of the world."""

    def __init__(self) -> None:
        self.now = 0.0
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()

    def at(self, when: float, act: Callable[[], None]) -> None:
        """Do `act` at that time, whichever process runs then."""
        heappush(self._agenda, (when, next(self._numbers), act))

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        """Do `act` so many seconds from now."""
        self.at(self.now + seconds, act)

    def move(self, until: float | None) -> None:
        """Go on to the world's next act and do it, or to `until` if that comes first. Raises `Stuck`."""
        if self._agenda and (until is None or self._agenda[0][0] <= until):
            when, _, act = heappop(self._agenda)
            self.now = max(self.now, when)
            act()
        elif until is None:
            raise Stuck("everything waits for something that will not happen")
        else:
            self.now = max(self.now, until)

    def let_pass(self, seconds: float) -> None:
        """Let time pass while nothing of ours runs; the world goes on."""
        end = self.now + seconds
        while self._agenda and self._agenda[0][0] <= end:
            self.move(end)
        self.now = end


class _Selector(selectors.BaseSelector):
    """Where the loop waits: it moves the time."""

    def __init__(self, time: Time) -> None:
        self.time = time
        self._turns = 0
        self._last = -1.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        now = self.time.now
        if now != self._last:
            self._last, self._turns = now, 0
        self._turns += 1
        if self._turns > STANDSTILL:
            raise Stuck("the loop turns, and time stands still")
        self.time.move(None if timeout is None else now + max(timeout, 0.0))
        return []

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        raise NotImplementedError("the simulation has no files")

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        raise KeyError(fileobj)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return {}


class _Task(asyncio.Task[Any]):
    """A task that sets order by its number: by its address, two runs of one seed would differ."""

    def __init__(self, number: int, coroutine: Coroutine[Any, Any, Any], **how: Any) -> None:
        self.number = number
        super().__init__(coroutine, **how)

    def __hash__(self) -> int:
        return self.number


class Loop(asyncio.SelectorEventLoop):
    """An event loop on virtual time, of one process that may be killed."""

    def __init__(self, time: Time) -> None:
        self._virtual = _Selector(time)
        super().__init__(self._virtual)
        numbers = count(1)
        self.set_task_factory(lambda loop, coroutine, **how: _Task(next(numbers), coroutine, loop=loop, **how))

    def time(self) -> float:
        """Return the virtual time."""
        return self._virtual.time.now

    def bury(self) -> None:
        """
        End the tasks that were killed, away from the world.

        Garbage collection would do it at a time of its own, with warnings. The last steps of these tasks take place in
        a time in which nothing else happens.
        """
        grave = Time()
        grave.now = self._virtual.time.now
        self._virtual.time = grave
        with suppress(Stuck):  # a fault on purpose may keep somebody waiting for ever
            self._bury()

    def _bury(self) -> None:
        for _ in range(100):
            tasks = sorted((task for task in asyncio.all_tasks(self) if isinstance(task, _Task)), key=hash)
            if not tasks:
                break
            # Whoever was about to start does: a coroutine that is thrown away before that makes Python warn.
            self.call_soon(self.stop)
            self.run_forever()
            for task in tasks:
                task.cancel()
            self.run_until_complete(asyncio.wait(tasks, timeout=1))
            for task in tasks:
                if task.done() and not task.cancelled():
                    task.exception()
        self.run_until_complete(self.shutdown_asyncgens())

    def _make_self_pipe(self) -> None:
        """No other thread ever wakes this loop."""

    def _close_self_pipe(self) -> None:
        """See `_make_self_pipe`."""

    def _write_to_self(self) -> None:
        """See `_make_self_pipe`."""


class _Ordered(dict[Any, None]):
    """A set that keeps the order in which it was filled, as far as anyio uses one."""

    def add(self, item: Any) -> None:
        self[item] = None

    def discard(self, item: Any) -> None:
        self.pop(item, None)

    def remove(self, item: Any) -> None:
        del self[item]


@contextmanager
def ordered() -> Iterator[None]:
    """
    Let anyio's cancel scopes keep their tasks in order; for the time of one schedule, without the collector.

    The scopes cancel tasks in the order of a set, which is that of addresses in memory; and the garbage collector comes
    when it likes.
    """
    before: Any = CancelScope.__init__

    def init(scope: Any, *args: Any, **kwargs: Any) -> None:
        before(scope, *args, **kwargs)
        scope._child_scopes, scope._tasks = _Ordered(), _Ordered()

    patched: Any = CancelScope
    patched.__init__ = init
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        patched.__init__ = before
        if enabled:
            gc.enable()
