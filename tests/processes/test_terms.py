"""A slice of `python -m tests.processes --terms 200`; tests/cli/test_signals.py has the same step by step."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tests.processes.terms import GRACE, term_in


@pytest.mark.slow
@pytest.mark.timeout(240)  # half a dozen processes start, one after the other, and the machine may be busy
@pytest.mark.fault(104, 119)
async def test_ended_by_a_signal_again_and_again(tmp_path: Path) -> None:
    """Whenever SIGTERM comes, once or twice, the process ends in time and with its exit code, and nothing is lost."""
    done = await term_in(4, tmp_path, Random(3))

    assert done.complaints == []
    assert done.verdict.wrong == {}
    assert 4 == (done.once + done.twice).total()
    assert max(done.longest, done.longest_twice) < GRACE
