"""A slice of `python -m tests.processes --losses 100`: the journal is lost between starts, and no order is doubled."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tests.processes.losses import lose_in, strikes

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]  # many processes, and the machine may be busy


@pytest.mark.fault(111, 112)
async def test_a_journal_that_is_lost_or_older_doubles_nothing(tmp_path: Path) -> None:
    """
    A snapshot of a moment ago is put in its place, and then it is deleted, each after a kill or an end.

    The start after the first goes on, the one after the second refuses until it is accepted; in the end each order is
    at the warehouse once, each source knows, and no stock moved twice.
    """
    done = await lose_in(["snapshot", "deleted"], tmp_path, Random(3))

    assert done.complaints == []
    assert done.verdict.wrong == {}
    assert {"snapshot": 1, "deleted": 1} == done.hits
    assert {"deleted": 1} == done.refused


@pytest.mark.fault(130)
@pytest.mark.parametrize("seed", [1, 2])
async def test_a_volume_that_is_put_back_doubles_nothing(tmp_path: Path, seed: int) -> None:
    """Journal and sentinel are put back together, twice: a witness shows it, or else an option of the start."""
    done = await lose_in(["put back with its sentinel"] * 2, tmp_path, Random(seed))

    assert done.complaints == []
    assert done.verdict.wrong == {}
    assert {"put back with its sentinel": 2} == done.hits
    assert {} == done.refused


def test_each_damage_has_its_turn() -> None:
    """As often as every other one, in an order that the seed decides."""
    plan = strikes(20, Random(1))
    assert {2} == {plan.count(each) for each in plan}
    assert 10 == len(set(plan))
    assert plan == strikes(20, Random(1)) != strikes(20, Random(2))
