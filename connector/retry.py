"""
Retry policy: exponential back-off with full jitter, never shorter than the other side's `Retry-After`.

`RetryPolicy` computes when a failed call is due again. When to stop trying is decided in `connector.pipeline.poison`,
and when to leave a whole endpoint alone in `connector.http.breaker`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol, SupportsFloat

from connector.clock import Clock
from connector.errors import ConnectorError, TransientError

__all__ = ["RetryDelays", "RetryPolicy", "backoff"]

LONGEST_REQUESTED = 3600.0
"""Seconds of a `Retry-After` that are honoured at most: an absurd one must not stop an endpoint for a year."""


class RetryDelays(Protocol):
    """The first and the longest delay in seconds, such as the setting `retry` of an endpoint."""

    @property
    def first(self) -> SupportsFloat:
        """The delay after the first failure, which doubles with each further one."""

    @property
    def longest(self) -> SupportsFloat:
        """The upper limit of a delay."""


class RetryPolicy:
    """Computes the delay before the next try of something that failed."""

    def __init__(self, delays: RetryDelays, clock: Clock) -> None:
        self._first, self._longest = float(delays.first), float(delays.longest)
        self._clock = clock

    def delay(self, attempt: int, at_least: float | None = None) -> float:
        """Return the seconds to wait after failed attempt number `attempt` (1, or less, is the first)."""
        return backoff(self._clock, attempt, first=self._first, longest=self._longest, at_least=at_least)

    def next_try(self, attempt: int, exc: ConnectorError | None = None) -> datetime:
        """Return the time of the next try after attempt number `attempt` failed with `exc`."""
        requested = exc.retry_after if isinstance(exc, TransientError) else None
        return self._clock.now() + timedelta(seconds=self.delay(attempt, requested))


def backoff(clock: Clock, attempt: int, *, first: float, longest: float, at_least: float | None = None) -> float:
    """
    Return the seconds to wait after failed attempt number `attempt` (1, or less, is the first), with full jitter.

    Full jitter spreads a thousand orders that failed in the same second over the whole window, where equal delays
    would send them back as one wave. `at_least` is the `Retry-After` of the other side; up to an hour of it is
    honoured, and the jitter only adds to it.
    """
    ceiling = min(longest, first * 2.0 ** min(max(attempt, 1) - 1, 32))
    wait = clock.uniform(ceiling / 10, ceiling)
    if at_least is not None:
        requested = min(max(at_least, 0.0), LONGEST_REQUESTED)
        wait = max(wait, requested + clock.uniform(0, requested / 10))
    return wait
