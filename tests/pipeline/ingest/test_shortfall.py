"""Shortfalls of a poll: orders that are counted and not listed, and rows that cannot be read."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import anyio
import pytest

from connector.events import OrderVanished
from connector.journal.records import Shortfall
from connector.journal.sqlite import MemoryJournal
from connector.journal.views.status import status
from connector.sources.base import Page, UnreadableRow
from tests.flow.bench import Bench

pytestmark = pytest.mark.looptime

ROW = UnreadableRow(3, "2", "4", "500")


def stating(bench: Bench, more: Callable[[], int], *, rows: Callable[[], list[UnreadableRow]] = list) -> None:
    """Let the shop state more orders than it lists by that number, and show unreadable rows."""
    fetch = bench.shop.fetch

    async def fetched(gone: Callable[[], int]) -> AsyncGenerator[Page]:
        total = len(bench.shop.feed) + more() + len(rows())
        first = True
        async for page in fetch(gone):
            yield Page(page.items, total, unreadable=rows() if first else ())
            first = False
        if first:
            yield Page([], total, unreadable=rows())

    bench.shop.fetch = fetched  # type: ignore[method-assign]


def vanished(bench: Bench) -> list[str]:
    """Return the orders that were reported as vanished."""
    return [event.order_id for event in bench.events if isinstance(event, OrderVanished)]


@pytest.mark.fault(135)
async def test_a_total_that_exceeds_what_is_listed_keeps_the_poll_interval(caplog: pytest.LogCaptureFixture) -> None:
    """One more poll at once, then the interval; it is logged once, and `status` shows it."""
    bench = Bench(poll_interval=60)
    bench.shop.put("1", "2")
    stating(bench, lambda: 3)
    journal = MemoryJournal()
    with caplog.at_level(logging.WARNING):
        async with bench.running(journal) as connector:
            await anyio.sleep(40)
            assert bench.shop.walks <= 3
            await anyio.sleep(600)
            assert bench.shop.walks <= 15
            shown = (await journal.read(status)).sources["shop"].shortfall
            connector.stop()
    assert shown == Shortfall(unlisted=3, baseline=3)
    assert len([line for line in caplog.messages if "lists 3 fewer" in line]) == 1


async def test_another_tenants_orders_that_come_and_go_cost_one_more_poll_each_time() -> None:
    """Each time that the total grows the feed is read once more; so the polls are at most doubled."""
    bench = Bench(poll_interval=60)
    stating(bench, lambda: bench.shop.walks // 2)
    async with bench.running(MemoryJournal()):
        await anyio.sleep(6000)
    assert bench.shop.walks <= 202


async def test_an_order_that_was_missed_is_found_at_once() -> None:
    """A stated total that is not reached indicates shifted pages: the next poll does not wait."""
    bench = Bench(poll_interval=600)
    bench.shop.put("1", "2")
    hidden = bench.shop.feed.pop("2")
    stating(bench, lambda: 1 - len(bench.shop.archive) if bench.shop.walks < 2 else 0)
    async with bench.running(MemoryJournal()):
        await anyio.sleep(0.5)
        bench.shop.feed["2"] = hidden
        await anyio.sleep(5)
    assert set(bench.shop.archive) == {"1", "2"}


@pytest.mark.fault(135)
async def test_what_leaves_such_a_feed_vanishes_all_the_same() -> None:
    """As many are missing as at the minimum, and all pages state the same total: an order not listed has left."""
    bench = Bench(poll_interval=60)
    bench.wms.down = True
    bench.shop.put("1", "2")
    stating(bench, lambda: 3)
    async with bench.running(MemoryJournal()):
        await anyio.sleep(90)
        del bench.shop.feed["1"]
        await anyio.sleep(400)
    assert vanished(bench) == ["1"]


async def test_what_may_be_hidden_does_not_vanish() -> None:
    """When more are missing than at the minimum, one of ours may be among them."""
    bench = Bench(poll_interval=60)
    bench.wms.down = True
    bench.shop.put("1", "2")
    hidden = False
    stating(bench, lambda: 3 + hidden)
    journal = MemoryJournal()
    async with bench.running(journal):
        await anyio.sleep(90)
        hidden = True
        del bench.shop.feed["1"]
        await anyio.sleep(400)
    assert vanished(bench) == []


async def test_that_is_still_so_after_a_restart(tmp_path: Path) -> None:
    """The journal keeps the minimum of missing orders."""
    bench = Bench(poll_interval=60)
    bench.wms.down = True
    bench.shop.put("1", "2")
    hidden = False
    stating(bench, lambda: 3 + hidden)
    opened = bench.journal(tmp_path)
    async with bench.running(await opened()):
        await anyio.sleep(90)
    hidden = True
    del bench.shop.feed["1"]
    async with bench.running(await opened()):
        await anyio.sleep(400)
    assert vanished(bench) == []


@pytest.mark.fault(136)
async def test_rows_that_cannot_be_read_are_said_once_and_shown(caplog: pytest.LogCaptureFixture) -> None:
    """They are named by their neighbours, and the log reports when they can be read again."""
    bench = Bench(poll_interval=60)
    bench.shop.put("1", "2", "4")
    rows = [ROW]
    stating(bench, lambda: 0, rows=lambda: rows)
    journal = MemoryJournal()
    with caplog.at_level(logging.INFO):
        async with bench.running(journal) as connector:
            await anyio.sleep(300)
            shown = (await journal.read(status)).sources["shop"].shortfall
            said = [line for line in caplog.messages if "cannot be read" in line]
            rows = []
            await anyio.sleep(100)
            connector.stop()
    assert shown.unreadable == (ROW,)
    assert [line.partition(", and")[0] for line in said] == [
        "source shop: row 4 of the feed (after order 2, before order 4) cannot be read"
    ]
    assert "source shop: every row of its feed can be read again" in caplog.messages
    assert bench.shop.walks <= 9


async def test_nothing_vanishes_while_a_row_cannot_be_read() -> None:
    """The unreadable row may be that order's."""
    bench = Bench(poll_interval=60)
    bench.wms.down = True
    bench.shop.put("1", "2")
    stating(bench, lambda: 0, rows=lambda: [ROW])
    async with bench.running(MemoryJournal()):
        await anyio.sleep(90)
        del bench.shop.feed["1"]
        await anyio.sleep(400)
    assert vanished(bench) == []


async def test_a_drain_ends_and_says_that_somebody_has_to_look() -> None:
    """The other orders are delivered; an unreadable row is no success."""
    bench = Bench()
    bench.shop.put("1", "2")
    stating(bench, lambda: 0, rows=lambda: [ROW])
    drained = await bench.drained()
    assert drained.failed == {"shop": "1 row of its feed cannot be read; `connector status` names them"}
    assert not drained.later
    assert set(bench.shop.archive) == {"1", "2"}
