"""A slice of `python -m tests.processes --kills 500`: killed in each window, nothing is lost, doubled or untold."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tests.processes.kills import kill_in, planned
from tests.processes.windows import WINDOWS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]  # many processes, and the machine may be busy


@pytest.mark.fault(*range(1, 14), *range(15, 22), 25, 121)
async def test_killed_once_in_each_window(tmp_path: Path) -> None:
    """
    Killed with -9 in each window, over one journal; the next start takes it up, and the last finishes.

    The clock of each process may be off by an hour or a day. The warehouse would take an order twice, and has each one
    once; each source received one acknowledgement, never a false one, no stock moved twice, no failure was counted
    twice, and the journal is sound after every kill.
    """
    done = await kill_in(planned(len(WINDOWS), Random(11)), tmp_path, Random(11))

    assert done.complaints == []
    assert done.verdict.wrong == {}
    assert {window.name: 1 for window in WINDOWS} == done.hits


@pytest.mark.fault(21)
async def test_a_crash_loop_comes_to_its_end(tmp_path: Path) -> None:
    """Killed four times in a row while it recovers from the last kill, it makes good progress after that."""
    loop = [window for window in WINDOWS if window.name == "recovery"] * 4
    done = await kill_in([*(window for window in WINDOWS if window.name == "applied"), *loop], tmp_path, Random(2))

    assert done.complaints == []
    assert done.verdict.wrong == {}
    assert 4 == done.hits["recovery"]
