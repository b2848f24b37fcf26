"""A circuit breaker: after enough failures in a row an endpoint is left alone for a while."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from connector.clock import Clock, backoff

__all__ = ["Breaker", "BreakerState", "ProbeTurn"]

BreakerState = Literal["closed", "open", "half_open"]

THRESHOLD = 5
"""Failures in a row that open it: one or two happen every day, five without a success between them do not."""


GRACE = 2.0
"""Seconds that a user of a paused endpoint leaves to the others, when its own call was the last one let through."""


class Breaker:
    """
    Counts consecutive failures of one endpoint, pauses it, and lets one call through to see whether it is back.

    `first` and `longest` are seconds of pause (full jitter, doubling); the first pause is doubled `head_start` times
    already. `listen` is called with the new state and the reason whenever it moves.

    An endpoint that is asked too often (429) is left alone for a time that doubles from `first` to `longest`, whatever
    other calls go through meanwhile: one kind of call may be throttled and another one not.
    """

    permanent = False
    """True for one that is open for as long as the process lives: a plugin could not be loaded."""

    def __init__(
        self,
        clock: Clock,
        *,
        first: float,
        longest: float,
        head_start: int = 2,
        listen: Callable[[BreakerState, str], None] = lambda _state, _reason: None,
    ) -> None:
        self._clock = clock
        self._head_start = head_start
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
        self._throttles = 0
        self._throttled = ""
        """The kind of call that was throttled last."""
        self._calm_at = 0.0
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
    def in_a_row(self) -> int:
        """The number of pauses since it was closed last."""
        return self._openings

    @property
    def remaining(self) -> float:
        """Seconds of pause left, without asking for leave; 0 when a call may be tried."""
        return 0.0 if self.state == "closed" else max(0.0, self._until - self._clock.monotonic())

    def succeeded(self, kind: str = "") -> None:
        """
        A call of that kind went through.

        While it is open, that was a call from before: the pause that was asked for holds. While another kind of call
        is throttled it stays half open: one call at a time, until such a call goes through or it is long ago.
        """
        self._failures = 0
        if self.state != "half_open":
            return
        if self._throttles and kind != self._throttled and not self._long_ago():
            self._until = self._clock.monotonic()
            return
        self._openings = self._throttles = 0
        self.hopeless = False
        self._move("closed", "")

    def close(self) -> None:
        """End the pause at once: something shows that the reason for it was wrong, or is no more."""
        self._failures = self._openings = self._throttles = 0
        self.hopeless = False
        self._move("closed", "")

    def resume(self, reason: str) -> None:
        """Begin paused, for what an earlier process found; one call may be tried at once."""
        self._openings = 1
        self.opened += 1
        self._move("open", reason)

    def throttled(self, reason: str, kind: str, *, at_least: float | None = None) -> None:
        """A call of that kind was refused because there are too many (429), for `at_least` seconds if it said so."""
        if self._long_ago():
            self._throttles = 0
        before = self.opened
        if at_least is not None:
            self.failed(reason, at_once=True, at_least=at_least)
        elif self.remaining == 0 or self.state == "half_open":
            wait = min(self._longest, self._first * 2.0 ** min(self._throttles, 32))
            self.failed(reason, at_once=True, at_least=self._clock.uniform(wait / 2, wait), exactly=True)
        if self.opened > before:
            self._throttles += 1
            self._throttled = kind
            self._calm_at = self._until + self._longest

    def _long_ago(self) -> bool:
        """Tell whether the last pause of a throttled endpoint ended so long ago that it says nothing about now."""
        return self._clock.monotonic() > self._calm_at

    def failed(
        self,
        reason: str,
        *,
        hopeless: bool = False,
        at_once: bool = False,
        at_least: float | None = None,
        exactly: bool = False,
    ) -> None:
        """
        A call failed for a fault of the endpoint.

        `hopeless`: repeating it cannot help (credentials, address); `at_once`: the endpoint asked for a pause of
        `at_least` seconds. Either opens it at the first failure. `exactly`: the pause is no longer than that.
        """
        self._failures += 1
        left = self._until - self._clock.monotonic()
        if self.state == "open" and left > 0 and (at_least is None or at_least <= left):
            return  # one burst of calls that fail together is one failure of the endpoint
        if hopeless or at_once or self.state == "half_open" or self._failures >= THRESHOLD:
            fresh = self.state != "open" or left <= 0
            self._openings += fresh
            attempt = self._openings + self._head_start
            pause = backoff(self._clock, attempt, first=self._first, longest=self._longest, at_least=at_least)
            if exactly and at_least is not None:
                pause = at_least
            self._until = self._clock.monotonic() + pause
            self.hopeless = hopeless
            self.opened += fresh
            self._move("open", reason)

    def _move(self, state: BreakerState, reason: str) -> None:
        moved = state != self.state
        self.state, self.reason = state, reason
        if moved:
            self._listen(state, reason)


class ProbeTurn:
    """
    Shares the one call that a paused endpoint lets through among its users: polls, acknowledgements, reports.

    Without it, one order whose acknowledgement always fails would be the probe each time, and the feed never read.
    """

    def __init__(self, breaker: Breaker | None, clock: Clock) -> None:
        self._breaker = breaker
        self._clock = clock
        self._probed = -1
        """The number of pauses there had been when this user's call was let through."""
        self._since: float | None = None

    def wait(self) -> float:
        """Return the seconds for which, the pause being over, others may go first; 0 when it is this user's turn."""
        breaker = self._breaker
        if breaker is None or breaker.state == "closed" or breaker.opened != self._probed + 1:
            self._since = None
            return 0.0
        if breaker.remaining > 0:
            return 0.0
        now = self._clock.monotonic()
        self._since = now if self._since is None else self._since
        return max(0.0, self._since + GRACE - now)

    def take(self) -> None:
        """Note that this user makes a call now."""
        if self._breaker is not None and self._breaker.state != "closed":
            self._probed = self._breaker.opened
        self._since = None
