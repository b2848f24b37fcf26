"""A slice of `python -m tests.processes --cancels 200`; tests/flow/test_crash.py has the same in virtual time."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tests.processes.cancels import GRACE, cancel_in


@pytest.mark.slow
@pytest.mark.fault(115, 117, 120)
async def test_cancelled_again_and_again(tmp_path: Path) -> None:
    """Wherever an application is cancelled natively, its cancellation comes through, in time, and nothing is lost."""
    done = await cancel_in(8, tmp_path, Random(5))

    assert done.complaints == []
    assert done.verdict.wrong == {}
    assert 8 == done.how.total()
    assert done.longest < GRACE
