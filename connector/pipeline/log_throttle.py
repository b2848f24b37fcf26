"""Throttles repeated warnings: after 15 minutes, then at doubling intervals, at least daily."""

from __future__ import annotations

from connector.clock import Clock

__all__ = ["LogThrottle"]

FIRST = 900.0
"""Seconds after which a warning is repeated; most transient trouble has passed by then."""
LONGEST = 86_400.0
"""Seconds between two repeats at most: operators read the log of a day."""


class LogThrottle:
    """The repeats of one warning: the first after `first` seconds, then each time its age has doubled, or a day on."""

    def __init__(self, clock: Clock, first: float = FIRST) -> None:
        self._clock = clock
        self._first = first
        self._since: float | None = None
        self._next = first

    def ongoing(self) -> float | None:
        """Note that the trouble goes on; return its age in seconds if the warning is due again."""
        now = self._clock.monotonic()
        if self._since is None:
            self._since = now
        age = now - self._since
        return age if self.reached(age) else None

    def reached(self, age: float) -> bool:
        """Return whether the warning is due again, for trouble that has lasted `age` seconds."""
        if age < self._next:
            return False
        while self._next <= age:
            self._next += min(self._next, LONGEST)
        return True

    def reset(self) -> None:
        """The trouble has ended: the next one starts from the beginning."""
        self._since, self._next = None, self._first
