"""Complete polls: only from those may an absence be concluded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable

import pytest

from connector.sources.base import FeedItem, Page
from tests.contracts.journal_bench import rows
from tests.doubles import MemorySource
from tests.flow.bench import Bench
from tests.flow.test_crash import Kept


class Shifting(MemorySource):
    """A feed whose second page is read after orders of the first have left it: "3" moved up, and is missed."""

    counts = True
    left = 0
    """How many had been told of when the first walk asked for its second page."""

    async def fetch(self, gone: Callable[[], int]) -> AsyncGenerator[Page]:
        """List the feed in pages of two; the first poll waits between them."""
        self.walks += 1
        first = self.walks == 1
        for names in (["1", "2"], ["4"]) if first else ([*self.feed],):
            if first and "4" in names:
                await asyncio.sleep(90)  # time for the first two to be looked up, delivered, and told
                self.left = gone()
            total = len(self.feed) if self.counts else None
            yield Page([FeedItem(name, b'{"id":"%b"}' % name.encode()) for name in names if name in self.feed], total)


@pytest.mark.looptime
@pytest.mark.parametrize("counts", [True, False])
@pytest.mark.fault(28, 111)
async def test_a_walk_that_a_shift_hid_an_order_from_ends_no_caution(counts: bool) -> None:
    """The journal was lost, so each order is looked up before its create: also one that only the second poll found."""
    bench, journal = Bench(), Kept()
    shop = bench.sources["shop"] = Shifting("shop", bench.clock)
    shop.counts = counts
    shop.put("1", "2", "3", "4")
    await rows(journal, "INSERT INTO identity VALUES ('journal', 'x'), ('doubt', 'lost')")

    await bench.drained(journal)

    assert shop.left == 2
    assert shop.walks > 1
    assert sorted(bench.receivers["wms"].finds_of) == ["shop-1", "shop-2", "shop-3", "shop-4"]
    assert not shop.feed
