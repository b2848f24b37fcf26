"""
Time and randomness, injected: production code uses a `Clock`, never the operating system.

`SystemClock` is the machine's clock. The flow computes with `SteadyClock.now`, which starts at the machine's time and
then advances evenly, so that setting the machine's clock neither shortens nor lengthens any wait. Times that are sent,
recorded or shown to people are those of the machine's clock; `wall_time` converts. The journal stores deadlines as the
flow computed them, plus one row with the offset of the machine's clock (`connector.journal.engine.clock_steps`).

A `SteadyClock` advances with the event loop (`Clock.monotonic`), which on Linux stops while the machine is suspended.
To the flow a suspension is therefore a forward step of the machine's clock, and the rest of a wait follows after it.
"""

from __future__ import annotations

import asyncio
import random
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import anyio

__all__ = ["SLEWED", "Boot", "Clock", "KnowsBoot", "SteadyClock", "SystemClock", "humanized", "wall_time"]

SLEWED = timedelta(seconds=0.5)
"""
The offset up to which a slewed machine clock is not recorded; smaller gains
and losses add up until they reach it.
"""


class Clock(Protocol):
    """The source of time and randomness."""

    def now(self) -> datetime:
        """Return the wall clock time in UTC, which may be set at any moment (see `SteadyClock`)."""

    def monotonic(self) -> float:
        """Return seconds that never run backwards; all waiting within the process uses them."""

    async def sleep(self, seconds: float) -> None:
        """Wait for `seconds`."""

    def uniform(self, low: float, high: float) -> float:
        """Return a random number between `low` and `high`."""


class Boot(NamedTuple):
    """One start of the machine (`id`), and the seconds since then, including time suspended."""

    id: str
    seconds: float


@runtime_checkable
class KnowsBoot(Protocol):
    """A clock that can compare times across processes, however the wall clock is set."""

    def boot(self) -> Boot | None:
        """Return the current boot; None if it cannot be determined."""


class SystemClock:
    """The machine's clock, with a random generator of its own."""

    def __init__(self, seed: int | None = None) -> None:
        self._random = random.Random(seed)

    def now(self) -> datetime:
        """Return the wall clock time in UTC."""
        return datetime.now(UTC)

    def boot(self) -> Boot | None:
        """Return the current boot as Linux counts it; None on other systems."""
        try:
            seconds = time.clock_gettime(time.CLOCK_BOOTTIME)
            # A container may have a time namespace of its own, whose seconds have another origin.
            own = Path("/proc/self/ns/time").readlink()
            return Boot(f"{Path('/proc/sys/kernel/random/boot_id').read_text('ascii').strip()} {own}", seconds)
        except (AttributeError, OSError, ValueError):
            return None

    def monotonic(self) -> float:
        """Return the time of the event loop, which tests may replace."""
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        """Wait for `seconds` on the event loop's clock."""
        await anyio.sleep(seconds)

    def uniform(self, low: float, high: float) -> float:
        """Return a random number between `low` and `high`."""
        return self._random.uniform(low, high)


class SteadyClock:
    """The machine's time without its steps."""

    def __init__(self, machine: Clock) -> None:
        self._machine = machine
        self._start, self._began = machine.now(), machine.monotonic()
        self.ahead = timedelta()
        """The offset of the machine's clock from this one at the last check."""
        self.stepped_at: datetime | None = None
        """The time, by this clock, when the offset last changed; None if it never did."""

    def now(self) -> datetime:
        """Return the steady time, for deadlines; convert times that leave the process with `wall_time`."""
        return self._start + timedelta(seconds=self._machine.monotonic() - self._began)

    def look(self) -> timedelta:
        """Check and return the offset of the machine's clock from this one."""
        now = self.now()
        ahead = self._machine.now() - now
        if abs(ahead - self.ahead) >= SLEWED:
            self.ahead, self.stepped_at = ahead, now
        return self.ahead

    def shown(self, at: datetime) -> datetime:
        """Return the time of the machine's clock, as it is set now, for a time of this clock."""
        return at + self.look()

    def boot(self) -> Boot | None:
        """Return the current boot, see `KnowsBoot.boot`."""
        return self._machine.boot() if isinstance(self._machine, KnowsBoot) else None

    def monotonic(self) -> float:
        """Return the machine's monotonic seconds."""
        return self._machine.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait for `seconds` on the machine's clock."""
        await self._machine.sleep(seconds)

    def uniform(self, low: float, high: float) -> float:
        """Return a random number between `low` and `high` from the machine's generator."""
        return self._machine.uniform(low, high)


def wall_time(clock: Clock, at: datetime) -> datetime:
    """Convert a time of `clock` to the machine's clock, for people and other systems."""
    return clock.shown(at) if isinstance(clock, SteadyClock) else at


def humanized(seconds: float) -> str:
    """Return a duration in words, in the largest unit of which there are at least two."""
    for size, unit in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"
