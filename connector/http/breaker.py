"""A circuit breaker: pauses an endpoint after consecutive failures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from connector.clock import Clock
from connector.retry import backoff

__all__ = ["Breaker", "BreakerState", "ProbeTurn"]

BreakerState = Literal["closed", "open", "half_open"]

THRESHOLD = 5
"""Consecutive failures that open the breaker: one or two happen every day, five without a success in between do not."""


GRACE = 2.0
"""Seconds for which a user of a paused endpoint yields to the others, if its own call was the last probe."""


class Breaker:
    """
    Counts consecutive failures of one endpoint, pauses it, and lets one probe call through to see whether it is back.

    `first` and `longest` are the pauses in seconds (full jitter, doubling); the first pause is already doubled
    `head_start` times. `listen` is called with the new state and the reason at each change of state.

    An endpoint that answers "too many requests" (429) is paused for a time that doubles from `first` to `longest`, even
    if other calls succeed meanwhile: one kind of call may be throttled and another not.
    """

    permanent = False
    """True if the breaker stays open for the life of the process: a plugin could not be loaded."""

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
        """The number of pauses in the life of this breaker."""
        self.hopeless = False
        """True if the last failure was one that waiting does not fix (credentials, address)."""
        self._until = 0.0
        self._throttles = 0
        self._throttled = ""
        """The kind of call that was throttled last."""
        self._calm_at = 0.0
        self.state: BreakerState = "closed"
        self.reason = ""

    def wait(self) -> float:
        """
        Return the seconds for which no call may be made; 0 permits one call.

        A caller that gets 0 from an open breaker makes the probe; others wait for its result.
        """
        if self.state == "closed":
            return 0.0
        left = self._until - self._clock.monotonic()
        if left > 0:
            return left
        # Others wait one more pause for the probe's result, and not forever, in case the probe is cancelled.
        self._until = self._clock.monotonic() + self._first
        self._set_state("half_open", self.reason)
        return 0.0

    @property
    def in_a_row(self) -> int:
        """The number of pauses since it last closed."""
        return self._openings

    @property
    def remaining(self) -> float:
        """The seconds of pause that are left, without claiming the probe; 0 when a call may be tried."""
        return 0.0 if self.state == "closed" else max(0.0, self._until - self._clock.monotonic())

    def succeeded(self, kind: str = "") -> None:
        """
        Record that a call of this kind succeeded.

        If the breaker is open, the call began before the pause, and the pause remains. While another kind of call is
        throttled, the breaker stays half open, one call at a time, until a call of that kind succeeds or the throttling
        is long ago.
        """
        self._failures = 0
        if self.state != "half_open":
            return
        if self._throttles and kind != self._throttled and not self._long_ago():
            self._until = self._clock.monotonic()
            return
        self._openings = self._throttles = 0
        self.hopeless = False
        self._set_state("closed", "")

    def close(self) -> None:
        """End the pause at once, because its reason proved wrong or no longer applies."""
        self._failures = self._openings = self._throttles = 0
        self.hopeless = False
        self._set_state("closed", "")

    def resume(self, reason: str) -> None:
        """Start paused, because of the state that an earlier process recorded; one call may be tried at once."""
        self._openings = 1
        self.opened += 1
        self._set_state("open", reason)

    def throttled(self, reason: str, kind: str, *, at_least: float | None = None) -> None:
        """
        Record that a call of this kind was rejected as one too many (429), for `at_least` seconds if the response named
        a time.
        """
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
        """Return True if the last pause of a throttled endpoint ended so long ago that it is no longer evidence."""
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
        Record that a call failed through a fault of the endpoint.

        * `hopeless`: a retry cannot help (credentials, address); the breaker opens at the first failure.
        * `at_once`: the endpoint demanded a pause of `at_least` seconds; the breaker opens at the first failure.
        * `exactly`: the pause lasts `at_least` seconds and no longer.
        """
        self._failures += 1
        left = self._until - self._clock.monotonic()
        if self.state == "open" and left > 0 and (at_least is None or at_least <= left):
            return  # calls that fail together are one failure of the endpoint
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
            self._set_state("open", reason)

    def _set_state(self, state: BreakerState, reason: str) -> None:
        moved = state != self.state
        self.state, self.reason = state, reason
        if moved:
            self._listen(state, reason)


class ProbeTurn:
    """
    Shares the probes of a paused endpoint among its users: polls, acknowledgements, reports.

    Otherwise one order whose acknowledgement always fails could be every probe, and the feed would never be read.
    """

    def __init__(self, breaker: Breaker | None, clock: Clock) -> None:
        self._breaker = breaker
        self._clock = clock
        self._probed = -1
        """The number of pauses there had been when this user's call was let through."""
        self._since: float | None = None

    def wait(self) -> float:
        """Return the seconds for which, after the pause, others may go first; 0 if it is this user's turn."""
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
        """Record that this user makes a call now."""
        if self._breaker is not None and self._breaker.state != "closed":
            self._probed = self._breaker.opened
        self._since = None
