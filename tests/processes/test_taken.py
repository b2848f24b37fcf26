"""A slice of `python -m tests.processes --taken 300`: files are taken away while the process is killed at each step."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tests.processes.handing import BUGS, POINTS
from tests.processes.taken import WAYS, points, take_in

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]  # many processes, and the machine may be busy


@pytest.mark.fault(129)
@pytest.mark.parametrize("way", WAYS)
async def test_killed_at_each_step_of_handing_over(tmp_path: Path, way: str) -> None:
    """In each way of handing over, the consumer has every order once, and the acknowledgements come after that."""
    done = await take_in(points(len(POINTS), Random(way)), tmp_path, Random(way), way=way)

    assert done.complaints == []
    assert done.verdict.wrong == {}
    assert sum(done.hits.values()) >= len(POINTS) - 2, "at most of them there was something to hand over"


@pytest.mark.planted
@pytest.mark.parametrize("bug", BUGS)
async def test_a_bug_in_handing_over_is_found(tmp_path: Path, bug: str) -> None:
    """It has teeth: each bug loses or doubles an order."""
    for seed in range(8):
        folder = tmp_path / str(seed)
        folder.mkdir()
        done = await take_in(points(6, Random(seed)), folder, Random(seed), bug=bug)
        if done.verdict.lost or done.verdict.doubled:
            return
    pytest.fail(f"{bug} was not found")
