"""Retry delays: full jitter within bounds, and at least the `Retry-After` of the other side."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.clock import SystemClock
from connector.errors import ConnectorError, InDoubtError, TransientError
from connector.retry import RetryPolicy, backoff
from connector.settings.model import RetrySettings
from connector.settings.values import Duration

ATTEMPTS = st.integers(1, 10_000)
FIRST = st.floats(0.001, 60)
LONGEST = st.floats(0.001, 86_400)
HOUR = 3600.0


class Extreme(SystemClock):
    """Chance that always falls on one side."""

    def __init__(self, high: bool) -> None:
        super().__init__()
        self.high = high

    def uniform(self, low: float, high: float) -> float:
        """Return one end of the window."""
        return high if self.high else low


@given(ATTEMPTS, FIRST, LONGEST, st.integers())
def test_a_wait_is_within_its_window(attempt: int, first: float, longest: float, seed: int) -> None:
    """Never none at all, never longer than the longest, whatever the number of the attempt."""
    ceiling = min(longest, first * 2.0 ** min(attempt - 1, 32))
    wait = backoff(SystemClock(seed), attempt, first=first, longest=longest)
    assert ceiling / 10 <= wait <= ceiling <= longest
    assert wait > 0


@given(ATTEMPTS, FIRST, LONGEST)
def test_the_window_doubles_up_to_the_longest(attempt: int, first: float, longest: float) -> None:
    """Each attempt's window is twice the one before, until the longest."""

    def widest(number: int) -> float:
        return backoff(Extreme(high=True), number, first=first, longest=longest)

    assert widest(1) == min(first, longest)
    assert widest(attempt) <= widest(attempt + 1) <= 2 * widest(attempt)
    assert widest(attempt + 1) in (longest, 2 * widest(attempt)) or attempt > 32
    assert backoff(Extreme(high=False), attempt, first=first, longest=longest) == widest(attempt) / 10


@pytest.mark.fault(122)
def test_a_thousand_that_failed_together_do_not_come_back_together() -> None:
    """They spread over the whole window: no tenth of it has more than a fifth of them."""
    clock = SystemClock(7)
    waits = [backoff(clock, 5, first=1, longest=300) for _ in range(1000)]
    tenths = [0] * 10
    for wait in waits:
        tenths[min(int((wait - 1.6) / (16 - 1.6) * 10), 9)] += 1
    assert min(tenths) > 50
    assert max(tenths) < 200


@given(ATTEMPTS, FIRST, LONGEST, st.floats(0, HOUR), st.booleans())
def test_what_was_asked_for_is_waited_for(attempt: int, first: float, longest: float, asked: float, high: bool) -> None:
    """At least that long, at most a tenth longer, or our own wait if that is longer; never less than was asked."""
    own = backoff(Extreme(high), attempt, first=first, longest=longest)
    wait = backoff(Extreme(high), attempt, first=first, longest=longest, at_least=asked)
    assert wait >= asked
    assert wait == max(own, asked + (asked / 10 if high else 0))


@pytest.mark.fault(46)
@pytest.mark.parametrize("asked", [HOUR, HOUR + 1, 86_400.0, 1e9, math.inf])
def test_nobody_makes_us_wait_for_more_than_an_hour(asked: float) -> None:
    """An absurd `Retry-After` must not stop an endpoint for a year (faults.md #46); jitter adds a tenth at most."""
    for high in (False, True):
        assert HOUR <= backoff(Extreme(high), 1, first=1, longest=300, at_least=asked) <= HOUR * 1.1


@pytest.mark.parametrize("asked", [-1e9, -1.0, 0.0, math.nan, None])
def test_what_makes_no_sense_changes_nothing(asked: float | None) -> None:
    """A time in the past, or none: our own wait."""
    assert backoff(Extreme(high=True), 3, first=1, longest=300, at_least=asked) == 4


@pytest.mark.looptime
@pytest.mark.parametrize(
    ("attempt", "exc", "seconds"),
    [
        (0, None, 2),
        (1, None, 2),
        (3, InDoubtError("lost"), 8),
        (9, TransientError("busy"), 60),
        (1, TransientError("busy", retry_after=30), 33),
    ],
)
async def test_the_next_try_follows_the_settings_and_the_retry_after(
    attempt: int, exc: ConnectorError | None, seconds: float
) -> None:
    """Attempt 0 counts as the first; a `Retry-After` in the error is a lower limit."""
    clock = Extreme(high=True)
    policy = RetryPolicy(RetrySettings(first=Duration(2), longest=Duration(60)), clock)
    wait = policy.next_try(attempt, exc) - clock.now()
    assert wait.total_seconds() == pytest.approx(seconds, abs=1)
