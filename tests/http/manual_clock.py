"""A clock for tests of waits that last minutes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

__all__ = ["Hands"]


class Hands:
    """A clock that is moved by hand, with chance that always chooses the longest wait."""

    def __init__(self) -> None:
        self.at = 1000.0
        self.tick = 0.0
        """Seconds that pass with every reading."""

    def now(self) -> datetime:
        """Return the time that the hands show."""
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.at)

    def monotonic(self) -> float:
        """Return the position of the hands."""
        self.at += self.tick
        return self.at

    async def sleep(self, seconds: float) -> None:
        """Move the hands."""
        self.at += seconds

    def uniform(self, low: float, high: float) -> float:
        """Return the upper bound."""
        return high
