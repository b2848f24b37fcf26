"""The set of the orders that a walk has listed."""

from __future__ import annotations

import tracemalloc
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.sources.seen_ids import SeenIds

IDS = st.lists(st.integers(0, 2000).map(str) | st.integers(0, 2**70).map(str) | st.text("0123٣a-", max_size=4))


@pytest.mark.parametrize("many", [1, 3, 10_000])
@given(IDS, IDS)
def test_it_is_a_set_of_texts(many: int, there: list[str], asked: list[str]) -> None:
    """Whatever ids look like, few or many: "7" and "07" are two, and a digit of another script is none of ours."""
    with patch("connector.sources.seen_ids.MANY", many):
        ids, model = SeenIds(), set[str]()
        for each in there:
            assert ids.add(each) == (each not in model)
            model.add(each)

        assert len(ids) == len(model)
        assert [each in ids for each in asked] == [each in model for each in asked]
        assert (ids == SeenIds(reversed(there))) is True
        assert (ids == SeenIds(asked)) == (model == set(asked))


@pytest.mark.slow
@pytest.mark.fault(123)
def test_a_long_feed_takes_little_room() -> None:
    """A walk over a million orders must not hold a million texts: of 207,000 less than a tenth are kept as such."""
    tracemalloc.start()
    try:
        ids = SeenIds(str(number) for number in range(7_000_000, 7_207_000))
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert len(ids) == 207_000
    assert kept < 2_000_000
