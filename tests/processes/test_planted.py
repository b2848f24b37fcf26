"""The tests of parts that the simulated world lacks have teeth: with a bug of its kind, each fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.processes.planted import BUGS, outcome

pytestmark = [pytest.mark.planted, pytest.mark.timeout(240)]  # a process for each run, and the machine may be busy


@pytest.mark.parametrize("bug", BUGS)
def test_planted(tmp_path: Path, bug: str) -> None:
    """The test that shows the case passes, and with the bug it fails by its own check."""
    for folder in (tmp_path / "without", tmp_path / "with"):
        folder.mkdir()
    without = outcome(bug, tmp_path / "without", planted=False)
    if without.how == "skipped":
        pytest.skip("this machine does not let the test run")
    assert without.how == "passed", without.said

    found = outcome(bug, tmp_path / "with", planted=True)
    assert found.how == "failed", found.said
