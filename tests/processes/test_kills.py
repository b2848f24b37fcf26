"""A slice of `python -m tests.processes --kills 500`: killed in each window, nothing is lost, doubled or untold."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tests.processes.kills import kill_in, planned
from tests.processes.windows import WINDOWS


@pytest.mark.fault(2, 3, 4, 5, 8, 9, 10, 11, 12, 13, 15, 18, 19, 20, 21)
async def test_killed_once_in_each_window(tmp_path: Path) -> None:
    """
    Killed with -9 in each of thirteen windows, over one journal; the next start takes it up, and the last finishes.

    The warehouse would take an order twice, and has each one once; each source was told once, never of what was not
    so, no stock moved twice, no failure was counted twice, and the journal is sound after every kill.
    """
    done = await kill_in(planned(len(WINDOWS), Random(11)), tmp_path, Random(11))

    assert done.complaints == []
    assert done.verdict.wrong == {}
    assert {window.name: 1 for window in WINDOWS} == done.hits
