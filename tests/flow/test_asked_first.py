"""A journal that does not know all that was told: the source is asked before it is told what it may know."""

from __future__ import annotations

import pytest

from tests.contracts.journal_bench import rows
from tests.flow.bench import Bench
from tests.flow.test_crash import Kept
from tests.flow.test_terms import restarted


@pytest.mark.looptime
@pytest.mark.parametrize("told", [True, False])
@pytest.mark.fault(111, 112)
async def test_what_a_lost_journal_may_have_told_is_asked_about(told: bool) -> None:
    """It was listed as the call that tells it was on its way; a second one would move stock again."""
    bench, journal = Bench(), Kept()
    shop = restarted(bench, "moves")
    shop.put("1")
    await rows(journal, "INSERT INTO identity VALUES ('journal', 'x'), ('doubt', 'lost')")
    find = bench.receivers["wms"].find

    async def meanwhile(external_id: str) -> object:
        if told and shop.feed:
            shop.told["1"] += 1  # the call of the process before arrives
            del shop.feed["1"]
        return await find(external_id)

    bench.receivers["wms"].find = meanwhile  # type: ignore[method-assign, assignment]

    await bench.drained(journal)

    assert [asked for _, asked in shop.asked] == [("1",)]
    assert shop.told == {"1": 1}
    assert not shop.feed
