"""
Poison items: one order, change, acknowledgement or report that keeps failing while its endpoint works.

An endpoint that fails for everybody is paused by its circuit breaker. A poison item fails alone (a 500 for this order
only), or our own code raises an exception for it. Neither opens a breaker, so `PoisonTracker` counts the failures of
each item, logs warnings at growing intervals, and finally gives the item up to an operator.
"""

from __future__ import annotations

import logging
from pathlib import PurePath

import msgspec

from connector.causes import internal_error, keeps_failing
from connector.clock import Clock, humanized
from connector.errors import readable
from connector.http.endpoint import Endpoint
from connector.pipeline.log_throttle import LogThrottle

__all__ = ["MAX_CRASHES", "MIN_FAILURES", "MIN_SECONDS", "GiveUp", "PoisonTracker", "place_of"]

logger = logging.getLogger(__name__)

MIN_FAILURES = 10
"""Failures of an item that are no coincidence."""
MIN_SECONDS = 3600.0
"""Seconds between the first failure and giving up: an endpoint may have a bad hour without failing for everybody."""
MAX_CRASHES = 3
"""Exceptions of our own code for one item, after which it is given up: a transient cause has passed by then."""


class GiveUp(msgspec.Struct, frozen=True):
    """
    The reason to stop trying an item.

    All items with the same trouble share the `cause`, so that one `connector retry --cause` releases them together.
    `internal`: an exception of our own code, so that a code change has to come before the retry.
    """

    cause: str
    detail: str
    internal: bool = False

    @property
    def remedy(self) -> str:
        """The operator's next step, as the end of a sentence."""
        return "fix the error (the log has its traceback), then retry" if self.internal else "then retry"

    def __str__(self) -> str:
        return f"{self.cause}: {self.detail}"


class _Failures(msgspec.Struct):
    """
    The failures of one item since its first one.

    `others` is the number of successes of other items before the first failure. `denied`: the endpoint itself declined
    the item, so no success of another item is needed to give it up.
    """

    since: float
    others: int
    reason: str = ""
    count: int = 0
    denied: bool = False


class _Crashes(msgspec.Struct):
    """The exceptions of our own code for one item: how many, and the last one with the action and the place."""

    count: int = 0
    error: str = ""
    action: str = ""
    place: str = ""


class PoisonTracker:
    """
    Counts the failures of single items at one endpoint, and decides when an item is given up.

    The counts are kept in memory: a restart tries every item again. `name` names the endpoint and `label` the endpoint
    in log lines; an item is identified by a text such as an order's external id, which the log shows, too.
    """

    def __init__(self, name: str, clock: Clock, endpoint: Endpoint | None, label: str = "") -> None:
        self._name = name
        self._label = label or name
        self._clock = clock
        self._endpoint = endpoint
        self._failures: dict[str, _Failures] = {}
        self._crashes: dict[str, _Crashes] = {}
        self._stuck: dict[str, None] = {}
        self._successes = 0
        self._throttle = LogThrottle(clock)

    def __bool__(self) -> bool:
        """True while any item has failed and not ended."""
        return bool(self._failures or self._crashes)

    @property
    def stuck(self) -> int:
        """The number of items that failed so often that a drain does not wait for them."""
        return len(self._stuck)

    @property
    def summary(self) -> str:
        """The oldest stuck item with its failures, and the number of the others; empty if no item is stuck."""
        if not self._stuck:
            return ""
        item = next(iter(self._stuck))
        failures = self._failures[item]
        age = humanized(self._clock.monotonic() - failures.since)
        more = f" and {len(self._stuck) - 1} more" if len(self._stuck) > 1 else ""
        return f"{item}{more}: failed {failures.count} times in {age}; last error: {failures.reason}"

    def failed(self, item: str, reason: str, *, denied: bool = False) -> None:
        """
        Count a failed try that will be repeated; log a warning if the failures go on for long.

        A failure while the endpoint is paused does not count.
        """
        if self._endpoint is not None and self._endpoint.paused:
            return
        failures = self._failures.get(item)
        if failures is None:
            failures = self._failures[item] = _Failures(self._clock.monotonic(), self._successes)
        failures.count += 1
        failures.reason = readable(reason)
        failures.denied = denied
        if failures.count >= MIN_FAILURES:
            self._stuck[item] = None
            oldest = self._failures[next(iter(self._stuck))].since
            if self._throttle.reached(self._clock.monotonic() - oldest):
                logger.warning("%s: %s", self._label, self.summary)

    def crashed(self, item: str, exc: Exception, action: str) -> str:
        """
        Count an exception that our own code raised during `action` (a gerund); return a text without its message.

        The message may hold secrets or personal data. The first exception of an item is logged with its traceback.
        """
        crashes = self._crashes.setdefault(item, _Crashes())
        crashes.count += 1
        crashes.error, crashes.action, crashes.place = type(exc).__name__, action, place_of(exc)
        logger.error(
            "%s: internal error %s while %s %s (%d of %d before it is given up)",
            self._label,
            crashes.error,
            action,
            item,
            crashes.count,
            MAX_CRASHES,
            exc_info=exc if crashes.count == 1 else None,
        )
        return f"{crashes.error} while {action} it"

    def give_up(self, item: str) -> GiveUp | None:
        """
        Return the reason to stop trying an item, and forget the item; None if it may be tried again.

        The reason is one of:
        - `MAX_CRASHES` exceptions of our own code;
        - `MIN_FAILURES` failures over `MIN_SECONDS`, while other items succeeded or the endpoint declined this one.
        """
        found = self._bug(item) or self._failing(item)
        if found is not None:
            self.forget(item)
        return found

    def succeeded(self, item: str) -> None:
        """Count a success, which proves that the endpoint works, and forget the item's failures."""
        self._successes += 1
        self.forget(item)

    def forget(self, item: str) -> None:
        """Forget the failures of an item that ended in another way."""
        self._crashes.pop(item, None)
        self._failures.pop(item, None)
        if self._stuck.pop(item, self) is None and not self._stuck:
            self._throttle.reset()

    def _bug(self, item: str) -> GiveUp | None:
        crashes = self._crashes.get(item)
        if crashes is None or crashes.count < MAX_CRASHES:
            return None
        detail = f"{crashes.count} times while {crashes.action} it, at {crashes.place}"
        return GiveUp(internal_error(crashes.error, self._name), detail, internal=True)

    def _failing(self, item: str) -> GiveUp | None:
        failures = self._failures.get(item)
        if failures is None or failures.count < MIN_FAILURES:
            return None
        if failures.others == self._successes and not failures.denied:
            return None
        age = self._clock.monotonic() - failures.since
        if age < MIN_SECONDS:
            return None
        others = "" if failures.denied else ", while others succeeded"
        detail = f"{failures.count} times in {humanized(age)}{others}; last error: {failures.reason}"
        return GiveUp(keeps_failing(self._name), detail)


def place_of(exc: BaseException) -> str:
    """Return the file and line in which an exception was raised."""
    traceback = exc.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    if traceback is None:
        return "an unknown place"
    return f"{PurePath(traceback.tb_frame.f_code.co_filename).name}:{traceback.tb_lineno}"
