"""A backlog, in small: the same process and the same measurement as with a million orders."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks.backlog import COMMANDS, feed, started
from tests.benchmarks.processes import standing_in

pytestmark = pytest.mark.slow

MORE = 25.0
"""MiB by which memory may differ between two runs of the same: far less than 20,000 orders take."""


@pytest.mark.fault(123)
def test_a_journal_full_of_orders_that_wait_is_not_in_memory(tmp_path: Path) -> None:
    """20,000 orders wait, 30 MB of them: the start delivers and polls, is ended in the midst, and goes on likewise."""
    with standing_in() as standin:
        empty, first, again, *commands = started(standin, tmp_path, 20_000, 200)

    for row in (first, again):
        assert row["peak_mib"] < empty["peak_mib"] + MORE
        assert row["peak_mib"] < 256
    assert [row["command"] for row in commands] == list(COMMANDS)
    assert all(row["peak_mib"] < 256 for row in commands)


@pytest.mark.fault(49, 123)
@pytest.mark.parametrize("shape", ["patch", "tens"])
def test_a_long_feed_is_not_in_memory(shape: str, tmp_path: Path) -> None:
    """A walk over 4,000 orders whose receiver is away: each page goes to the journal, and leaves the memory."""
    with standing_in() as standin:
        row = feed(standin, tmp_path, 4_000, shape)

    assert row["late_mib"] < row["early_mib"] + MORE
    assert row["peak_mib"] < 256
