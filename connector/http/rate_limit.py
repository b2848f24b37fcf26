"""Limits calls per time as vendors count them: over any window, not on average."""

from __future__ import annotations

import asyncio

from connector.clock import Clock
from connector.settings.values import Rate

__all__ = ["RateLimiter"]


class RateLimiter:
    """
    Keeps every window of the rate's length within the rate; without a rate, never waits.

    A bucket as large as the rate would let nearly twice as many calls through in the window after a pause. Here a tenth
    of the rate may come at once, and the rest is spread over the window. Callers are served in the order of their
    arrival.
    """

    def __init__(self, rate: Rate | None, clock: Clock) -> None:
        self._clock = clock
        self._turn = asyncio.Lock()
        self._due = 0.0
        burst = max(1, rate.calls // 10) if rate else 1
        self._interval = rate.seconds / (rate.calls - burst + 1) if rate else 0.0
        self._ahead = (burst - 1) * self._interval

    async def wait(self) -> None:
        """Return when one more call may be made; a cancelled caller uses up nothing."""
        if not self._interval:
            return
        async with self._turn:
            early = self._due - self._ahead - self._clock.monotonic()
            if early > 0:
                await self._clock.sleep(early)
            self._due = max(self._due, self._clock.monotonic()) + self._interval
