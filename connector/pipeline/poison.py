"""
What is tried in vain while its endpoint works: it is said, again and again, and in the end it waits for a person.

An endpoint that fails for everybody is paused by its breaker, and that is said. This is about one order, change,
acknowledgement or report that fails by itself (a 500 for this order alone, say), which no breaker sees.
"""

from __future__ import annotations

import logging

import msgspec

from connector.clock import Clock, humanized
from connector.errors import readable
from connector.http.endpoint import Endpoint
from connector.pipeline.log_throttle import LogThrottle

__all__ = ["LONG", "MANY", "PoisonTracker"]

logger = logging.getLogger(__name__)

MANY = 10
"""Failed tries that are more than bad luck."""
LONG = 3600.0
"""Seconds for which it is tried at least: an endpoint may have a bad hour without failing for everybody."""


class _Tried(msgspec.Struct):
    """
    How often, since when, and after how many that went through; and what was wrong the last time.

    `denied`: the endpoint itself said no, so that it is not to be waited for until others go through.
    """

    since: float
    passed: int
    reason: str = ""
    count: int = 0
    denied: bool = False


class PoisonTracker:
    """
    How often each one failed at one endpoint, while its breaker was closed. In memory: a new start tries again.

    `at` names the endpoint in the log. What is counted goes by a text, such as an order's external id, which the log
    names, too.
    """

    def __init__(self, at: str, clock: Clock, endpoint: Endpoint | None) -> None:
        self._at = at
        self._clock = clock
        self._endpoint = endpoint
        self._tried: dict[str, _Tried] = {}
        self._stuck: dict[str, None] = {}
        self._passed = 0
        self._reminder = LogThrottle(clock)

    def __bool__(self) -> bool:
        """Whether any has failed and is not at an end."""
        return bool(self._tried)

    @property
    def stuck(self) -> int:
        """How many have failed so often that nobody should wait for them."""
        return len(self._stuck)

    @property
    def why(self) -> str:
        """What is wrong with those that are stuck, in words; empty if none is."""
        if not self._stuck:
            return ""
        what = next(iter(self._stuck))
        tried = self._tried[what]
        age = humanized(self._clock.monotonic() - tried.since)
        more = f" and {len(self._stuck) - 1} more" if len(self._stuck) > 1 else ""
        return f"{what}{more}: tried {tried.count} times in {age}, in vain; the last: {tried.reason}"

    def note(self, what: str, reason: str, *, denied: bool = False) -> None:
        """Count a try that failed and is made again; say so if that goes on for long. `denied`: it was answered so."""
        if self._endpoint is not None and self._endpoint.paused:
            return
        tried = self._tried.get(what)
        if tried is None:
            tried = self._tried[what] = _Tried(self._clock.monotonic(), self._passed)
        tried.count += 1
        tried.reason = readable(reason)
        tried.denied = denied
        if tried.count >= MANY:
            self._stuck[what] = None
            oldest = self._tried[next(iter(self._stuck))].since
            if self._reminder.reached(self._clock.monotonic() - oldest):
                logger.warning("%s: %s", self._at, self.why)

    def given_up(self, what: str) -> str | None:
        """Return why one is not tried any more, and forget it; None for one that may be tried again."""
        tried = self._tried.get(what)
        if tried is None or tried.count < MANY or (tried.passed == self._passed and not tried.denied):
            return None
        age = self._clock.monotonic() - tried.since
        if age < LONG:
            return None
        self.forget(what)
        among = "" if tried.denied else ", while others went through"
        return f"{tried.count} times in {humanized(age)}{among}; the last: {tried.reason}"

    def passed(self, what: str) -> None:
        """One went through: the endpoint works."""
        self._passed += 1
        self.forget(what)

    def forget(self, what: str) -> None:
        """It has come to another end."""
        self._tried.pop(what, None)
        if self._stuck.pop(what, self) is None and not self._stuck:
            self._reminder.over()
