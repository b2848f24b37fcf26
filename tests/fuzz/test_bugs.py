"""Each target can fail: it finds the bug that is made for it (`python -m tests.fuzz --bugs`)."""

from __future__ import annotations

import pytest

from tests.fuzz.bugs import BUGS, caught
from tests.fuzz.targets import targets

TARGETS = targets()
MOST = 5000
"""Bodies; most bugs show within a few hundred."""


def test_every_target_has_a_bug() -> None:
    """A target without one may be blind."""
    assert list(BUGS.keys() ^ TARGETS.keys()) == []


@pytest.mark.planted
@pytest.mark.parametrize("name", TARGETS)
def test_the_bug_is_found(name: str) -> None:
    """As something else than an error of our tree, at some body; not before it is put in."""
    found = caught(TARGETS[name], MOST)
    assert found.at, f"{name} does not find its bug in {MOST} bodies"
