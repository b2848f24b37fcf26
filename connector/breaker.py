"""A circuit breaker: after enough failures in a row an endpoint is left alone for a while."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from connector.clock import Clock, backoff

__all__ = ["Breaker", "BreakerState"]

BreakerState = Literal["closed", "open", "half_open"]

THRESHOLD = 5
"""Failures in a row that open it: one or two happen every day, five without a success between them do not."""


class Breaker:
    """
    Counts consecutive failures of one endpoint, pauses it, and lets one call through to see whether it is back.

    `first` and `longest` are seconds of pause (full jitter, doubling). `listen` is called with the new state and
    the reason whenever it moves.
    """

    permanent = False
    """Whether it is open for as long as the process lives: a plugin could not be loaded."""

    def __init__(
        self,
        clock: Clock,
        *,
        first: float,
        longest: float,
        listen: Callable[[BreakerState, str], None] = lambda _state, _reason: None,
    ) -> None:
        self._clock = clock
        self._first = first
        self._longest = longest
        self._listen = listen
        self._failures = 0
        self._openings = 0
        self.opened = 0
        """How many pauses it has made, ever."""
        self.hopeless = False
        """Whether the last failure was one that waiting does not mend (credentials, address)."""
        self._until = 0.0
        self.state: BreakerState = "closed"
        self.reason = ""

    def wait(self) -> float:
        """
        Return the seconds for which no call may be made; 0 gives leave for one.

        A caller that gets 0 from an open breaker is the probe; others wait until it reported.
        """
        if self.state == "closed":
            return 0.0
        left = self._until - self._clock.monotonic()
        if left > 0:
            return left
        # The probe takes the turn: who asks next waits a pause, and not for ever should the probe be cancelled.
        self._until = self._clock.monotonic() + self._first
        self._move("half_open", self.reason)
        return 0.0

    @property
    def remaining(self) -> float:
        """Seconds of pause left, without asking for leave; 0 when a call may be tried."""
        return 0.0 if self.state == "closed" else max(0.0, self._until - self._clock.monotonic())

    def succeeded(self) -> None:
        """A call went through. While it is open, that was a call from before: the pause that was asked for holds."""
        self._failures = 0
        if self.state == "half_open":
            self._openings = 0
            self.hopeless = False
            self._move("closed", "")

    def close(self) -> None:
        """End the pause at once: something shows that the reason for it was wrong, or is no more."""
        self._failures = self._openings = 0
        self.hopeless = False
        self._move("closed", "")

    def resume(self, reason: str) -> None:
        """Begin paused, for what an earlier process found; one call may be tried at once."""
        self._openings = 1
        self.opened += 1
        self._move("open", reason)

    def failed(
        self, reason: str, *, hopeless: bool = False, at_once: bool = False, at_least: float | None = None
    ) -> None:
        """
        A call failed for a fault of the endpoint.

        `hopeless`: repeating it cannot help (credentials, address); `at_once`: the endpoint asked for a pause of
        `at_least` seconds. Either opens it at the first failure.
        """
        self._failures += 1
        left = self._until - self._clock.monotonic()
        if self.state == "open" and left > 0 and (at_least is None or at_least <= left):
            return  # one burst of calls that fail together is one failure of the endpoint
        if hopeless or at_once or self.state == "half_open" or self._failures >= THRESHOLD:
            fresh = self.state != "open" or left <= 0
            self._openings += fresh
            pause = backoff(
                self._clock, self._openings + 2, first=self._first, longest=self._longest, at_least=at_least
            )
            self._until = self._clock.monotonic() + pause
            self.hopeless = hopeless
            self.opened += fresh
            self._move("open", reason)

    def _move(self, state: BreakerState, reason: str) -> None:
        moved = state != self.state
        self.state, self.reason = state, reason
        if moved:
            self._listen(state, reason)
