"""
Time and randomness, injected: production code uses a `Clock`, never the operating system.

`SystemClock` is the machine's clock. The flow computes with `SteadyClock.now`, which starts at the machine's time and
then advances evenly, so that setting the machine's clock neither shortens nor lengthens any wait. Times that are sent,
recorded or shown to people are those of the machine's clock: `wall_time` converts. The journal stores deadlines as the
flow computed them, plus one row with the offset of the machine's clock (`connector.journal.engine.clock_steps`).

A `SteadyClock` advances with the event loop (`Clock.monotonic`), which on Linux stops while the machine is suspended.
To the flow a suspension is therefore a forward step of the machine's clock: the remaining wait is served afterwards.
"""

from __future__ import annotations

import asyncio
import random
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import anyio

__all__ = ["SLEWED", "Boot", "Clock", "KnowsBoot", "SteadyClock", "SystemClock", "backoff", "humanized", "wall_time"]

SLEWED = timedelta(seconds=0.5)
"""What the machine's clock may gain or lose before it is noted: less is left to add up, as where it is slewed."""


class Clock(Protocol):
    """What the connector may know of time and chance."""

    def now(self) -> datetime:
        """Return the wall clock, in UTC; it may be set at any time (see `SteadyClock`)."""

    def monotonic(self) -> float:
        """Return seconds that never run backwards. For everything that the process waits for."""

    async def sleep(self, seconds: float) -> None:
        """Wait `seconds`."""

    def uniform(self, low: float, high: float) -> float:
        """Return a random number between `low` and `high`."""


class Boot(NamedTuple):
    """Which start of the machine this is (`id`), and how many seconds it has run since, suspended or not."""

    id: str
    seconds: float


@runtime_checkable
class KnowsBoot(Protocol):
    """A clock that can compare times of one process with those of the next, whatever its wall clock is set to."""

    def boot(self) -> Boot | None:
        """Return how long the machine has run; None where nobody knows."""


class SystemClock:
    """The machine's own clock, and a generator of its own."""

    def __init__(self, seed: int | None = None) -> None:
        self._random = random.Random(seed)

    def now(self) -> datetime:
        """Return the wall clock, in UTC."""
        return datetime.now(UTC)

    def boot(self) -> Boot | None:
        """Return how long the machine has run, as Linux counts it; None on other systems."""
        try:
            seconds = time.clock_gettime(time.CLOCK_BOOTTIME)
            # A container may have a time of its own, in which the seconds count from elsewhere.
            own = Path("/proc/self/ns/time").readlink()
            return Boot(f"{Path('/proc/sys/kernel/random/boot_id').read_text('ascii').strip()} {own}", seconds)
        except (AttributeError, OSError, ValueError):
            return None

    def monotonic(self) -> float:
        """Return the event loop's clock, which tests may replace."""
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        """Wait `seconds` of the event loop's clock."""
        await anyio.sleep(seconds)

    def uniform(self, low: float, high: float) -> float:
        """Return a random number between `low` and `high`."""
        return self._random.uniform(low, high)


class SteadyClock:
    """`machine`'s time, without its steps."""

    def __init__(self, machine: Clock) -> None:
        self._machine = machine
        self._start, self._began = machine.now(), machine.monotonic()
        self.ahead = timedelta()
        """By how much the machine's clock was ahead of this one at the last look."""
        self.stepped_at: datetime | None = None
        """When that changed last, by this clock; None if it never did."""

    def now(self) -> datetime:
        """Return a time that goes on evenly. For deadlines; see `wall_time` for what leaves the process."""
        return self._start + timedelta(seconds=self._machine.monotonic() - self._began)

    def look(self) -> timedelta:
        """Return by how much the machine's clock is ahead of this one."""
        now = self.now()
        ahead = self._machine.now() - now
        if abs(ahead - self.ahead) >= SLEWED:
            self.ahead, self.stepped_at = ahead, now
        return self.ahead

    def shown(self, at: datetime) -> datetime:
        """Return what the machine's clock shows, as it stands now, at a time of this one."""
        return at + self.look()

    def boot(self) -> Boot | None:
        """See `KnowsBoot.boot`."""
        return self._machine.boot() if isinstance(self._machine, KnowsBoot) else None

    def monotonic(self) -> float:
        """See `Clock.monotonic`."""
        return self._machine.monotonic()

    async def sleep(self, seconds: float) -> None:
        """See `Clock.sleep`."""
        await self._machine.sleep(seconds)

    def uniform(self, low: float, high: float) -> float:
        """See `Clock.uniform`."""
        return self._machine.uniform(low, high)


def wall_time(clock: Clock, at: datetime) -> datetime:
    """Return a time of `clock` as people, and other systems, are to see it."""
    return clock.shown(at) if isinstance(clock, SteadyClock) else at


def humanized(seconds: float) -> str:
    """Return a length of time in words, in the largest unit of which it has two."""
    for size, unit in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"


def backoff(clock: Clock, attempt: int, *, first: float, longest: float, at_least: float | None = None) -> float:
    """
    Return the seconds to wait after failed attempt number `attempt` (1 is the first): full jitter.

    Full jitter spreads a thousand orders that failed in the same second over the whole window, where equal waits
    would send them back as one wave. `at_least` is what the other side asked for (`Retry-After`); it is kept, up to
    an hour, and jittered upwards only.
    """
    ceiling = min(longest, first * 2.0 ** min(attempt - 1, 32))
    wait = clock.uniform(ceiling / 10, ceiling)
    if at_least is not None:
        asked = min(max(at_least, 0.0), 3600.0)
        wait = max(wait, asked + clock.uniform(0, asked / 10))
    return wait
