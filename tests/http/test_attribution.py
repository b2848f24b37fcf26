"""Whose fault a refusal is that names no culprit: the evidence of other orders decides."""

from __future__ import annotations

import pytest

from connector.errors import AuthError, ConnectorError, EndpointError
from connector.http.attribution import MANY, Attribution, Subject
from tests.http.manual_clock import Hands

pytestmark = pytest.mark.fault(133)


class Bench:
    """The evidence about creates at one endpoint, and how many calls it took."""

    def __init__(self) -> None:
        self.clock = Hands()
        self.blame = Attribution(self.clock, first=1, longest=300)
        self.taken = 0

    def take(self, name: str, action: str = "") -> None:
        """Let an order pass."""
        self.taken += 1
        self.blame.passed(Subject("create", name, action), "POST")

    def refuse(self, name: str, status: int = 403, action: str = "", *, several: bool = False) -> None:
        """Let an order be refused."""
        exc: ConnectorError = AuthError("blocked") if status in (401, 403) else EndpointError("blocked")
        exc.status = status
        self.blame.refused(Subject("create", name, action, several), "POST", exc, self.taken)

    @property
    def open(self) -> bool:
        """Whether the endpoint is taken to be in order."""
        return self.blame.breaker.state == "closed"

    def alone(self, name: str) -> bool:
        """Tell whether an order is to be held."""
        return self.blame.alone(name, "wms") is not None


def test_an_order_refused_three_times_while_others_pass_is_at_fault() -> None:
    """Once may be an accident, twice too; the endpoint is not paused."""
    bench = Bench()
    bench.take("a")
    for _ in range(2):
        bench.refuse("bad")
        bench.take("b")
        assert not bench.alone("bad")
    bench.refuse("bad")
    assert bench.open
    assert bench.blame.alone("bad", "wms") == (
        "wms refuses this order alone (403)",
        (
            "blocked; wms accepts other orders. Check whether a firewall, a size limit or the address there blocks "
            "something in this order. Fix that, then retry or skip"
        ),
    )
    assert not bench.alone("bad"), "it may be tried again when a person lets it go"
    bench.refuse("bad")
    assert bench.alone("bad")


def test_nothing_that_passed_yet_makes_it_the_endpoint() -> None:
    """At a start with a wrong password the first refusal pauses it; a pass opens it, and forgets what was refused."""
    bench = Bench()
    bench.refuse("a")
    assert not bench.open
    bench.refuse("b")
    assert bench.blame.suspects == 2
    bench.take("c")
    assert bench.open
    assert bench.blame.suspects == 0


def test_many_different_orders_in_a_row_make_it_the_endpoint() -> None:
    """Four of five refused in a row may be bad orders; the fifth shows that it is not they."""
    bench = Bench()
    bench.take("good")
    for number in range(MANY - 1):
        bench.refuse(f"bad{number}")
    assert bench.open
    bench.refuse("one more")
    assert not bench.open
    assert bench.blame.breaker.hopeless


def test_only_a_pass_of_the_same_call_is_evidence() -> None:
    """Whoever may cancel may not be allowed to update: that a cancellation passed says nothing about an update."""
    bench = Bench()
    bench.take("a", "cancel")
    bench.refuse("b", action="update")
    assert not bench.open


def test_with_no_other_to_compare_it_with_it_is_the_order_but_for_a_401() -> None:
    """A 401 is about who asks, unless another call with the same credentials was taken meanwhile."""
    for status, look_up, open_ in ((403, False, True), (413, False, True), (401, False, False), (401, True, True)):
        bench = Bench()
        bench.take("good")
        for _ in range(3):
            bench.refuse("bad", status)
            bench.taken += look_up
        assert bench.open is open_
        assert bench.alone("bad") is open_


def test_a_batch_proves_nothing_about_one_order() -> None:
    """It is split; only while the endpoint is paused does it count as another failed try."""
    bench = Bench()
    for _ in range(10):
        bench.refuse("", several=True)
    assert bench.open
    bench.refuse("one")
    assert not bench.open
    assert bench.blame.breaker.opened == 1
    bench.clock.at += 400
    assert bench.blame.breaker.wait() == 0
    bench.refuse("", several=True)
    assert bench.blame.breaker.opened == 2


def test_the_order_refused_longest_ago_goes_first() -> None:
    """Probes rotate: who was not refused has no number, and numbers grow."""
    bench = Bench()
    for name in ("a", "b", "a"):
        bench.refuse(name)
    assert bench.blame.number("c") == 0 < bench.blame.number("b") < bench.blame.number("a")


def test_its_memory_is_bounded() -> None:
    """Ten thousand refused orders are not ten thousand entries."""
    bench = Bench()
    for number in range(10_000):
        bench.refuse(str(number))
    assert bench.blame.suspects == 1000
