"""The loop of a worker (wake up, work, sleep until more work is due), and the wake-ups between stages."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import datetime
from typing import Literal

import anyio

__all__ = ["Wakeups", "Work", "Worker", "seconds_until"]

Work = Literal["deliveries", "changes", "acks", "reports", "replays"]
"""The kinds of work that the journal may have due."""


class Worker(ABC):
    """A loop over the work that the journal has due for one endpoint."""

    def __init__(self) -> None:
        self._woken = anyio.Event()
        self._finishing = False

    def wake(self) -> None:
        """Read the journal again: it may have something new that is due."""
        self._woken.set()

    def finish(self) -> None:
        """Do the work that is due now, and end."""
        self._finishing = True
        self._woken.set()

    async def run(self) -> None:
        """Work until finished, or cancelled."""
        while True:
            self._woken = woken = anyio.Event()  # before the journal is read: a wake-up meanwhile is about newer work
            wait = await self.work()
            if wait == 0:
                continue
            if self._finishing and not woken.is_set():
                return
            with anyio.move_on_after(wait):
                await woken.wait()

    @abstractmethod
    async def work(self) -> float | None:
        """Do the work that is due; return the seconds until more is due (0 for now), or None to wait for a wake-up."""


class Wakeups:
    """
    Wakes the workers of other stages by the kind of work and the name of the endpoint.

    A stage that records work for another stage in the journal needs no reference to it: `wake("acks", "shop")`.
    """

    def __init__(self) -> None:
        self._workers: dict[tuple[Work, str], Callable[[], None]] = {}

    def register(self, work: Work, name: str, wake: Callable[[], None]) -> None:
        """Let `wake` be called for work of this kind at the endpoint `name`."""
        self._workers[work, name] = wake

    def wake(self, work: Work, name: str) -> None:
        """Wake the worker for this kind of work at the endpoint `name`, which was registered before."""
        self._workers[work, name]()

    def wake_all(self) -> None:
        """Wake every worker: another process, or the operator, made something due."""
        for wake in self._workers.values():
            wake()


def seconds_until(at: datetime | None, now: datetime) -> float | None:
    """Return the seconds from `now` until `at`, 0 for a time that has passed; None for no time."""
    return None if at is None else max(0.0, (at - now).total_seconds())
