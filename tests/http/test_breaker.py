"""The circuit breaker."""

from __future__ import annotations

from connector.http.breaker import GRACE, THRESHOLD, Breaker, ProbeTurn
from tests.http.manual_clock import Hands

FIRST, LONGEST = 1.0, 300.0


class Watched:
    """A breaker on a manual clock, with the events that its listener received."""

    def __init__(self) -> None:
        self.clock = Hands()
        self.moves: list[tuple[str, str]] = []
        self.breaker = Breaker(
            self.clock,
            first=FIRST,
            longest=LONGEST,
            listen=lambda state, reason: self.moves.append((state, reason)),
        )

    def pause(self) -> float:
        """Open it for a fault that no retry fixes; return the pause."""
        self.breaker.failed("wrong key", hopeless=True)
        return self.breaker.wait()

    def probe(self) -> None:
        """Let the pause pass and claim the probe."""
        self.clock.at += self.breaker.wait()
        assert self.breaker.wait() == 0


def test_a_few_failures_do_not_open_it() -> None:
    """One failure less than the threshold leaves it closed; the threshold opens it."""
    w = Watched()
    for _ in range(THRESHOLD - 1):
        w.breaker.failed("500")
    assert (w.breaker.state, w.breaker.wait()) == ("closed", 0)
    w.breaker.failed("502")
    assert w.breaker.state == "open"
    assert w.breaker.wait() > 0
    assert w.moves == [("open", "502")]


def test_only_failures_in_a_row_count() -> None:
    """A success in between restarts the count."""
    w = Watched()
    for _ in range(THRESHOLD):
        for _ in range(THRESHOLD - 1):
            w.breaker.failed("500")
        w.breaker.succeeded()
    assert w.moves == []


def test_what_no_repetition_cures_opens_it_at_once() -> None:
    """Rejected credentials open it at the first failure."""
    w = Watched()
    w.breaker.failed("401", hopeless=True)
    assert w.moves == [("open", "401")]


def test_it_waits_as_long_as_it_was_asked() -> None:
    """`Retry-After` is a lower bound for the pause."""
    w = Watched()
    w.breaker.failed("429", at_once=True, at_least=500)
    assert w.breaker.wait() >= 500


def test_one_call_finds_out_whether_it_is_back() -> None:
    """After the pause one caller may probe; the next waits for its result."""
    w = Watched()
    w.pause()
    w.probe()
    assert w.breaker.state == "half_open"
    assert w.breaker.wait() > 0
    w.breaker.succeeded()
    assert (w.breaker.state, w.breaker.wait()) == ("closed", 0)
    assert [state for state, _ in w.moves] == ["open", "half_open", "closed"]


def test_a_probe_that_never_reports_does_not_block_it_for_ever() -> None:
    """A probe may be cancelled; another one is let through after the first pause."""
    w = Watched()
    w.pause()
    w.probe()
    w.clock.at += FIRST
    assert w.breaker.wait() == 0


def test_each_failed_probe_doubles_the_pause_up_to_the_longest() -> None:
    """The pauses of a day's outage grow to the longest and stay there."""
    w = Watched()
    pauses = []
    for _ in range(10):
        pauses.append(w.pause())
        w.probe()
    assert pauses[1] == 2 * pauses[0]
    assert pauses[-1] == LONGEST
    assert pauses == sorted(pauses)


def test_a_success_forgets_the_earlier_pauses() -> None:
    """After a recovery the first pause is short again."""
    w = Watched()
    first = w.pause()
    w.probe()
    w.pause()
    w.probe()
    w.breaker.succeeded()
    assert w.pause() == first


def test_a_burst_of_failures_is_one_opening() -> None:
    """Eight calls in flight together fail together: the pause is that of one failure."""
    alone, burst = Watched(), Watched()
    for _ in range(8):
        burst.breaker.failed("wrong key", hopeless=True)
    assert burst.breaker.wait() == alone.pause()


def test_a_later_request_for_a_longer_pause_is_kept() -> None:
    """While it is open, a longer `Retry-After` extends the pause, and a shorter one does not shorten it."""
    w = Watched()
    w.breaker.failed("429", at_once=True, at_least=60)
    w.breaker.failed("429", at_once=True, at_least=600)
    assert w.breaker.wait() >= 600
    w.breaker.failed("429", at_once=True, at_least=5)
    assert w.breaker.wait() >= 600


def test_the_success_of_an_older_call_does_not_end_the_pause() -> None:
    """The endpoint demanded a minute; the success of a call that was already in flight does not end it."""
    w = Watched()
    w.breaker.failed("429", at_once=True, at_least=60)
    w.breaker.succeeded()
    assert w.breaker.wait() >= 60


def test_it_says_whether_waiting_helps() -> None:
    """Rejected credentials stay `hopeless` until a call succeeds, whatever the results of earlier calls."""
    w = Watched()
    w.breaker.failed("429", at_once=True, at_least=1)
    assert not w.breaker.hopeless
    w.probe()
    w.breaker.failed("wrong key", hopeless=True)
    w.breaker.failed("500")
    w.breaker.succeeded()
    assert w.breaker.hopeless
    w.probe()
    assert w.breaker.hopeless
    w.breaker.succeeded()
    assert not w.breaker.hopeless


def test_pauses_are_counted() -> None:
    """Each pause counts once, however many calls fail in it or extend it; a recovery does not reset the count."""
    w = Watched()
    counts = []
    for _ in range(3):
        w.pause()
        w.breaker.failed("429", at_once=True, at_least=1000)
        counts.append(w.breaker.opened)
        w.probe()
        w.breaker.succeeded()
    assert counts == [1, 2, 3]


def test_looking_at_the_pause_takes_no_turn() -> None:
    """`remaining` reads the pause; only `wait` claims the probe."""
    w = Watched()
    assert w.breaker.remaining == 0
    pause = w.pause()
    assert w.breaker.remaining == pause
    w.clock.at += pause
    assert w.breaker.remaining == 0
    assert w.breaker.state == "open"
    assert w.breaker.wait() == 0


def test_the_users_of_a_paused_endpoint_take_turns_at_its_probe() -> None:
    """The user of the last failed probe leaves the next one to the others, or makes it after a short time."""
    w = Watched()
    acks, feed = ProbeTurn(w.breaker, w.clock), ProbeTurn(w.breaker, w.clock)
    w.pause()
    w.probe()
    acks.take()
    assert (0, 0) == (acks.wait(), feed.wait())  # while the call is under way

    w.breaker.failed("500 for this order")
    w.clock.at += w.breaker.wait()

    assert (GRACE, 0) == (acks.wait(), feed.wait())
    w.clock.at += GRACE
    assert 0 == acks.wait()

    feed.take()
    assert 0 == w.breaker.wait()
    w.breaker.failed("500 for the feed")
    w.clock.at += w.breaker.wait()
    assert (0, GRACE) == (acks.wait(), feed.wait())

    w.breaker.close()
    assert (0, 0) == (acks.wait(), feed.wait())


def test_nothing_waits_for_a_turn_where_there_is_no_breaker() -> None:
    """A source without an endpoint has no pause."""
    turn = ProbeTurn(None, Hands())
    turn.take()
    assert 0 == turn.wait()
