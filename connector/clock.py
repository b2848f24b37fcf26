"""Time and randomness, injected: production code asks a `Clock`, never the operating system."""

from __future__ import annotations

import asyncio
import random
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import anyio

__all__ = ["Boot", "Clock", "KnowsBoot", "SystemClock", "backoff"]


class Clock(Protocol):
    """What the connector may know of time and chance."""

    def now(self) -> datetime:
        """Return the wall clock, in UTC; it may be set at any time (see `connector.steady_clock`)."""

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
