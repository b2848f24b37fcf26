"""When to say again that a trouble goes on: seldom enough to be read, and never for the last time."""

from __future__ import annotations

from connector.clock import Clock

__all__ = ["LogThrottle"]

FIRST = 900.0
"""Seconds that a trouble lasts before it is said again; what passes by itself mostly has by then."""
LONGEST = 86_400.0
"""Seconds between two lines at most: somebody reads the log of a day."""


class LogThrottle:
    """One trouble. It is due after `first` seconds, then whenever it has lasted twice as long, and once a day."""

    def __init__(self, clock: Clock, first: float = FIRST) -> None:
        self._clock = clock
        self._first = first
        self._since: float | None = None
        self._next = first

    def due(self) -> float | None:
        """Take note that the trouble goes on; return its age in seconds if it is time to say so."""
        now = self._clock.monotonic()
        if self._since is None:
            self._since = now
        age = now - self._since
        return age if self.reached(age) else None

    def reached(self, age: float) -> bool:
        """Tell whether it is time to say so, of a trouble that has lasted `age` seconds."""
        if age < self._next:
            return False
        while self._next <= age:
            self._next += min(self._next, LONGEST)
        return True

    def over(self) -> None:
        """The trouble has ended; the next one begins anew."""
        self._since, self._next = None, self._first
