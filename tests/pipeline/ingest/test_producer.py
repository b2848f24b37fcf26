"""A feed that is read in one piece and passed on in pages: orders confirmed meanwhile are not acknowledged again."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import ClassVar

import anyio
import msgspec
import pytest
from msgspec.structs import replace

from connector.journal.sqlite import MemoryJournal
from connector.settings.values import Duration
from connector.sources.base import FeedItem, Page
from tests.doubles import MemorySource
from tests.flow.bench import Bench
from tests.sources.traede.bench import order, traede
from tests.sources.zendera.bench import shipment, zendera


class InOnePiece(MemorySource):
    """Reads the whole feed at once, then yields it slowly, one order at a time."""

    traits = replace(MemorySource.traits, ack_idempotent=False)
    honest: ClassVar[bool] = True

    async def fetch(self, gone: Callable[[], int]) -> AsyncGenerator[Page]:
        """Read the feed; then take a second for each page."""
        items = [FeedItem(each, msgspec.json.encode(content)) for each, content in self.feed.items()]
        for place, item in enumerate(items):
            yield Page([item], continued=place > 0 and self.honest)
            await anyio.sleep(2)


class AsIfAskedAgain(InOnePiece):
    """The wrong way: each page claims to be newer than it is."""

    honest = False


@pytest.mark.looptime
@pytest.mark.parametrize(("kind", "state"), [(InOnePiece, "confirmed"), (AsIfAskedAgain, "parked")])
async def test_what_was_read_before_it_was_confirmed_is_not_told_again(kind: type[InOnePiece], state: str) -> None:
    """
    A repeated mark would move stock at Traede twice, so an order that is listed again is held for an operator.

    The contrary case is a page that claims to be newer than it is. The list counts at once here (`settle` 0).
    """
    bench = Bench(ack_interval=8, poll_interval=0.5)
    bench.settings.sources["shop"] = msgspec.structs.replace(bench.settings.sources["shop"], settle=Duration(0))
    bench.sources["shop"] = kind("shop", bench.clock)
    bench.shop.put("1", "2", "3")
    journal = MemoryJournal()
    async with bench.running(journal):
        await anyio.sleep(12)  # the second reading is at 6.5 s, all are told at 8 s, and "3" is handed on at 10.5 s
        rows = await journal.read(lambda db: db.execute("SELECT order_id, ack_state FROM orders").fetchall())
        await anyio.sleep(20)

    assert {"1": 1, "2": 1, "3": 1} == bench.shop.told
    assert {"1": "confirmed", "2": "confirmed", "3": state} == dict(rows)


async def test_traede_and_zendera_say_which_pages_were_read_together() -> None:
    """Traede where it ignores the paging, Zendera always: only the first page is a request of its own."""
    async with traede([order(number) for number in range(1, 6)], pages=False, page_size=2) as wholesale:
        assert [page.continued async for page in wholesale.source.fetch(lambda: 0)] == [False, True, True]
    async with zendera([shipment(number) for number in range(1, 6)], page_size=2) as transport:
        assert [page.continued async for page in transport.source.fetch(lambda: 0)] == [False, True, True]
