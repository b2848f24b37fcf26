"""The schedules of a push: 500 (50 without the slow tests), two runs of one seed, every seed that showed a fault."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from tests.simulation.bugs import BUGS, caught
from tests.simulation.runner import failure, run_all
from tests.simulation.same import differing
from tests.simulation.schedule import run

FAST = 50
"""Schedules that are not slow."""
LATE = frozenset(
    {
        "believes_a_backup",
        "bigbatch",
        "breaker_fails_orders",
        "no_pace",
        "swallow_cancel",
    }
)
"""Bugs that take more schedules to be found; `python -m tests.simulation --bugs` looks for all."""


@pytest.fixture(autouse=True)
def silence() -> Iterator[None]:
    """Thousands of simulated failures would each write a line."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize(
    ("first", "count"),
    [
        *((first, 5) for first in range(0, FAST, 5)),
        *(pytest.param(first, 25, marks=pytest.mark.slow) for first in range(FAST, 500, 25)),
    ],
)
def test_every_order_arrives_once_and_its_source_knows_whatever_happens(first: int, count: int) -> None:
    """The invariants of faults.md 4.4, in schedules of crashes, lost answers and orders that change."""
    for result in run_all(range(first, first + count), 1):
        assert not result.violations, failure(result)


PINNED = {
    1027: "a backup was put back, and Traede was told again, unasked, what it knew: its stock moved twice",
    1131: "the same, of an acknowledgement that was on its way when the journal was lost",
    600283: "a person let a source be told again, and what was skipped at another receiver was created once more",
}
"""Seeds that showed a fault of the connector, and which. Others became bugs of bugs.py, under their own seeds."""


@pytest.mark.parametrize("seed", PINNED)
def test_a_fault_that_was_found_stays_away(seed: int) -> None:
    """A violation that a seed has shown once, it does not show again."""
    result = run(seed)
    assert not result.violations, failure(result)


@pytest.mark.planted
@pytest.mark.parametrize("name", sorted(BUGS.keys() - LATE))
def test_a_bug_that_is_put_into_the_connector_is_found(name: str) -> None:
    """The simulation has teeth: see each bug's own text. Some of them were there, and were found by it."""
    assert caught(name, 60).at, BUGS[name].__doc__


@pytest.mark.slow
def test_the_same_seed_is_the_same_schedule() -> None:
    """In another process, with other addresses and other hashes of text, the trace is the same to the last byte."""
    assert differing(range(40, 52), timeout=50) == []
