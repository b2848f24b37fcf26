"""A rejection that leaves open who is at fault is attributed by the evidence of other orders."""

from __future__ import annotations

import pytest

from connector.errors import AuthError, ConnectorError, EndpointError
from connector.http.attribution import MANY, Attribution, Subject
from tests.http.manual_clock import Hands

pytestmark = pytest.mark.fault(133)


class Bench:
    """The evidence about creates at one endpoint, and the number of calls that it accepted."""

    def __init__(self) -> None:
        self.clock = Hands()
        self.attribution = Attribution(self.clock, first=1, longest=300)
        self.taken = 0

    def take(self, name: str, action: str = "") -> None:
        """Let an order pass."""
        self.taken += 1
        self.attribution.passed(Subject("create", name, action), "POST")

    def refuse(self, name: str, status: int = 403, action: str = "", *, several: bool = False) -> None:
        """Let an order be rejected."""
        exc: ConnectorError = AuthError("blocked") if status in (401, 403) else EndpointError("blocked")
        exc.status = status
        self.attribution.refused(Subject("create", name, action, several), "POST", exc, self.taken)

    @property
    def open(self) -> bool:
        """True if the endpoint is not considered at fault."""
        return self.attribution.breaker.state == "closed"

    def alone(self, name: str) -> bool:
        """Return True if an order is to be held."""
        return self.attribution.pop_culprit(name, "wms") is not None


def test_an_order_refused_three_times_while_others_pass_is_at_fault() -> None:
    """One or two rejections may be accidents; the endpoint is not paused."""
    bench = Bench()
    bench.take("a")
    for _ in range(2):
        bench.refuse("bad")
        bench.take("b")
        assert not bench.alone("bad")
    bench.refuse("bad")
    assert bench.open
    assert bench.attribution.pop_culprit("bad", "wms") == (
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
    """
    After a start with a wrong password, the first rejection pauses it; a
    success opens it and clears the evidence.
    """
    bench = Bench()
    bench.refuse("a")
    assert not bench.open
    bench.refuse("b")
    assert bench.attribution.suspects == 2
    bench.take("c")
    assert bench.open
    assert bench.attribution.suspects == 0


def test_many_different_orders_in_a_row_make_it_the_endpoint() -> None:
    """Four rejected in a row may be bad orders; the fifth shows that the endpoint is at fault."""
    bench = Bench()
    bench.take("good")
    for number in range(MANY - 1):
        bench.refuse(f"bad{number}")
    assert bench.open
    bench.refuse("one more")
    assert not bench.open
    assert bench.attribution.breaker.hopeless


def test_only_a_pass_of_the_same_call_is_evidence() -> None:
    """
    The right to cancel does not imply the right to update, so an accepted
    cancellation is no evidence for updates.
    """
    bench = Bench()
    bench.take("a", "cancel")
    bench.refuse("b", action="update")
    assert not bench.open


def test_with_no_other_to_compare_it_with_it_is_the_order_but_for_a_401() -> None:
    """A 401 is about credentials, unless another call with the same credentials was accepted in between."""
    for status, look_up, open_ in ((403, False, True), (413, False, True), (401, False, False), (401, True, True)):
        bench = Bench()
        bench.take("good")
        for _ in range(3):
            bench.refuse("bad", status)
            bench.taken += look_up
        assert bench.open is open_
        assert bench.alone("bad") is open_


def test_a_batch_proves_nothing_about_one_order() -> None:
    """A batch is split; only while the endpoint is paused does its rejection count as another failed probe."""
    bench = Bench()
    for _ in range(10):
        bench.refuse("", several=True)
    assert bench.open
    bench.refuse("one")
    assert not bench.open
    assert bench.attribution.breaker.opened == 1
    bench.clock.at += 400
    assert bench.attribution.breaker.wait() == 0
    bench.refuse("", several=True)
    assert bench.attribution.breaker.opened == 2


def test_the_order_refused_longest_ago_goes_first() -> None:
    """Probes rotate: orders never rejected have number 0, and numbers grow."""
    bench = Bench()
    for name in ("a", "b", "a"):
        bench.refuse(name)
    assert bench.attribution.number("c") == 0 < bench.attribution.number("b") < bench.attribution.number("a")


def test_its_memory_is_bounded() -> None:
    """Ten thousand rejected orders do not take ten thousand entries."""
    bench = Bench()
    for number in range(10_000):
        bench.refuse(str(number))
    assert bench.attribution.suspects == 1000
