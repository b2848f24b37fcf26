"""
Stalls: the waits of the journal while its file cannot be written or read for a transient cause.

A full disk, a lock that somebody else holds, a file system that went read-only: the callers wait, as long as it takes,
and try again together. Whoever waits takes nothing new up, so the whole flow stops by itself, and goes on by itself.
Nothing is lost by that: the writes were rolled back, and each is guarded by the state it starts from.
A damaged file, a defect, a connection that is gone: waiting does not mend those, and they are raised at once.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol, TypeVar

import anyio

from connector.clock import Clock
from connector.errors import JournalStalled
from connector.journal.engine.disk_errors import cause_of
from connector.retry import backoff

__all__ = ["GIVE_UP", "Stall", "StallRetry", "Stalls", "passing", "unless_stalled"]

T = TypeVar("T")

logger = logging.getLogger(__name__)

FIRST, LONGEST = 0.25, 5.0
"""Seconds between two tries: a try costs next to nothing, and the flow stands still meanwhile."""
GIVE_UP = 60.0
"""Seconds after which whoever has to end (a start, a drain) does not wait for the disk any longer."""
GLANCE = 0.5
"""Seconds between two looks at whether the journal has stalled."""

MAY_PASS = frozenset(
    {
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
    }
)
LASTS = frozenset({sqlite3.SQLITE_READONLY_DBMOVED, sqlite3.SQLITE_IOERR_CORRUPTFS})
"""Of those, the ones that only a person can mend: the file was moved away, the file system is damaged."""


def passing(failure: BaseException) -> bool:
    """Return whether the cause of `failure` may pass without a repair of the journal."""
    code: int = getattr(failure, "sqlite_errorcode", 0)
    return isinstance(failure, sqlite3.Error) and code & 0xFF in MAY_PASS and code not in LASTS


class Stall:
    """
    A journal that waits for its disk: which (`name`), why, and since when (UTC).

    `why` names no file: it may be shown to anybody.
    """

    def __init__(self, name: str, why: str, clock: Clock) -> None:
        self.name = name
        self.why = why
        self.since = clock.now()
        self._began = clock.monotonic()
        self._clock = clock

    @property
    def seconds(self) -> float:
        """The seconds that it has lasted."""
        return self._clock.monotonic() - self._began


class StallRetry:
    """
    Repeats operations that failed for a transient cause. `what` completes "the journal could not be ...".

    All that wait try at the same moments, so that they share a transaction. `listen` hears when a stall begins, and
    None when it is over: when somebody was let through and nobody waits any more.
    """

    def __init__(self, name: str, what: str, clock: Clock, listen: Callable[[Stall | None], None]) -> None:
        self._name = name
        self._what = what
        self._clock = clock
        self._listen = listen
        self._waiting = 0
        self._pauses = 0
        self._again_at = 0.0
        self.stall: Stall | None = None
        self.failing = False
        """True if the last try failed, whether or not a caller still waits."""

    async def again(self, attempt: Callable[[], Awaitable[T]], failure: sqlite3.Error) -> T:
        """
        Repeat `attempt`, which failed with `failure`, until it gets through; return its result.

        A caller that is cancelled while it waits leaves at once: nothing of what it wanted was done. Raises what does
        not pass, `failure` itself to begin with.
        """
        self._waiting += 1
        through = False
        waited = 0
        try:
            while passing(failure):
                if self.stall is None:
                    self._begin(failure)
                if waited == self._pauses:  # the pause that all shared is over, and was too short
                    self._pauses += 1
                    pause = backoff(self._clock, self._pauses, first=FIRST, longest=LONGEST)
                    self._again_at = self._clock.monotonic() + pause
                waited = self._pauses
                await self._clock.sleep(max(0.0, self._again_at - self._clock.monotonic()))
                try:
                    result = await attempt()
                except sqlite3.Error as exc:
                    failure = exc
                else:
                    through = True
                    return result
            raise failure
        finally:
            self._waiting -= 1
            if not self._waiting:
                self._end(through=through)

    def _begin(self, failure: sqlite3.Error) -> None:
        self._pauses = 0
        self.failing = True
        folder = Path(self._name).parent
        cause = cause_of(failure, folder) if folder.is_absolute() else str(failure)
        why = f"the journal cannot be {self._what}: {cause}"
        self.stall = Stall(self._name, why, self._clock)
        logger.error(
            "%s: %s; everything waits until it can: see to the disk, the rights and whoever else has it open",
            self._name,
            why,
        )
        self._listen(self.stall)

    def _end(self, *, through: bool) -> None:
        stall, self.stall = self.stall, None
        if stall is None:
            return
        if through:
            self.failing = False
            logger.warning("%s: the journal can be %s again, after %.0f seconds", self._name, self._what, stall.seconds)
        self._listen(None)


class Stalls(Protocol):
    """A journal that may have to wait for its disk."""

    @property
    def stalled(self) -> Stall | None:
        """Why it waits, or None."""


async def unless_stalled(journal: Stalls, clock: Clock, work: Callable[[], Awaitable[T]]) -> T:
    """Do `work`; raise `JournalStalled` when the journal has waited for its disk for `GIVE_UP` seconds meanwhile."""
    results: list[T] = []
    failure: Exception | None = None
    gave_up: Stall | None = None
    started = clock.monotonic()
    async with anyio.create_task_group() as tg:

        async def watch() -> None:
            nonlocal gave_up
            while True:
                await clock.sleep(GLANCE)
                stall = journal.stalled
                if stall is not None and min(stall.seconds, clock.monotonic() - started) >= GIVE_UP:
                    gave_up = stall
                    tg.cancel_scope.cancel()

        tg.start_soon(watch, name="see whether the journal has stalled")
        try:
            results.append(await work())
        except Exception as exc:  # noqa: BLE001 - raised again below; the task group would wrap it up
            failure = exc
        tg.cancel_scope.cancel()
    if failure is not None:
        raise failure
    if gave_up is not None and not results:
        raise JournalStalled(
            f"{gave_up.name}: {gave_up.why}, for {GIVE_UP:.0f} seconds; nothing is lost, try again when that has passed"
        )
    return results[0]
