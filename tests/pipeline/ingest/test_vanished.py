"""Orders that leave their feed without an acknowledgement: not delivered, and not forgotten either."""

from __future__ import annotations

import logging
import sqlite3
from collections import Counter
from collections.abc import AsyncGenerator, Callable

import anyio
import pytest
from msgspec.structs import replace

from connector.errors import RejectedError, TransientError
from connector.events import OrderVanished
from connector.journal.sqlite import MemoryJournal
from connector.sources.base import Page
from tests.doubles import FailingSource, MemorySource
from tests.flow.bench import Bench

pytestmark = pytest.mark.looptime


def states(db: sqlite3.Connection) -> dict[str, str]:
    """Return the state of every order."""
    return dict(db.execute("SELECT order_id, state FROM order_states JOIN orders USING (key)").fetchall())


def vanished(bench: Bench) -> list[str]:
    """Return the orders that were reported as vanished, in sequence."""
    return [event.order_id for event in bench.events if isinstance(event, OrderVanished)]


@pytest.mark.fault(33, 35)
async def test_what_waits_and_is_not_listed_any_more_vanishes_after_two_walks(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """One poll proves nothing; after the second the order is `vanished`, is logged, and is not delivered."""
    bench = Bench(poll_interval=60)
    bench.wms.down = True
    bench.shop.put("1", "2", "3")
    bench.shop.put("held", notes="unmappable")
    journal = MemoryJournal()
    async with bench.running(journal) as connector:
        await anyio.sleep(30)
        del bench.shop.feed["2"], bench.shop.feed["held"]
        await anyio.sleep(60)
        assert "vanished" not in (await journal.read(states)).values()
        await anyio.sleep(300)
        assert {"1": "delivering", "2": "vanished", "3": "delivering", "held": "vanished"} == {
            name: "delivering" if state == "new" else state for name, state in (await journal.read(states)).items()
        }
        bench.wms.down = False
        await anyio.sleep(120)
        await connector.drain()
        history = await journal.read(
            lambda db: db.execute(
                "SELECT count(*) FROM history JOIN orders USING (key) WHERE what = 'vanished' AND order_id = '2'"
            ).fetchall()
        )

    assert Counter(["shop-1", "shop-3"]) == bench.wms.count()
    assert Counter(["1", "3"]) == bench.shop.told
    assert ["2", "held"] == sorted(vanished(bench))
    assert [(1,)] == history
    lines = [record.message for record in caplog.records if "no longer lists" in record.message]
    assert 1 == len(lines)
    assert "2 orders that were not delivered (2, held)" in lines[0]
    assert logging.WARNING == next(r.levelno for r in caplog.records if "no longer lists" in r.message)


@pytest.mark.fault(35, 36)
async def test_one_that_is_listed_again_goes_on() -> None:
    """The feed lists it again, unchanged: it is delivered once, and acknowledged."""
    bench = Bench(poll_interval=60)
    bench.shop.put("1")
    bench.wms.down = True
    journal = MemoryJournal()
    async with bench.running(journal) as connector:
        await anyio.sleep(30)
        content = bench.shop.feed.pop("1")
        await anyio.sleep(300)
        assert {"1": "vanished"} == await journal.read(states)
        bench.wms.down = False
        await anyio.sleep(120)
        bench.shop.feed["1"] = content
        await connector.drain()

    assert Counter(["shop-1"]) == bench.wms.count()
    assert Counter(["1"]) == bench.shop.told


@pytest.mark.fault(28)
async def test_one_walk_without_it_means_nothing() -> None:
    """It was on a page that shifted: the next poll lists it, and the count starts again."""
    bench = Bench(poll_interval=60)
    bench.shop.put("1")
    bench.wms.down = True
    journal = MemoryJournal()
    async with bench.running(journal):
        await anyio.sleep(30)
        for _ in range(5):
            content = bench.shop.feed.pop("1")
            await anyio.sleep(60)
            bench.shop.feed["1"] = content
            await anyio.sleep(60)

    assert [] == vanished(bench)


@pytest.mark.fault(28, 35)
@pytest.mark.parametrize("trouble", ["fails", "lists fewer than it says"])
async def test_a_walk_that_is_not_complete_proves_nothing(trouble: str) -> None:
    """A feed that breaks off, or whose total is not reached, is no evidence of absence, however often."""
    bench = Bench(poll_interval=60)
    bench.shop.put("1", "2")
    bench.wms.down = True
    fetch = bench.shop.fetch

    async def less(gone: Callable[[], int]) -> AsyncGenerator[Page]:
        async for page in fetch(gone):
            yield Page(page.items, total=2)
        if trouble == "fails":
            raise TransientError("502")

    journal = MemoryJournal()
    async with bench.running(journal):
        await anyio.sleep(30)
        bench.shop.fetch = less  # type: ignore[method-assign]
        del bench.shop.feed["1"]
        await anyio.sleep(600)

    assert [] == vanished(bench)


@pytest.mark.fault(34)
async def test_an_order_that_vanishes_while_it_is_sent_is_delivered_once() -> None:
    """An order under way, or delivered, does not vanish; it is acknowledged, and the source decides."""
    bench = Bench(poll_interval=5)
    bench.wms.delay = 60
    bench.shop.put("1")
    journal = MemoryJournal()
    async with bench.running(journal) as connector:
        await anyio.sleep(2)
        del bench.shop.feed["1"]
        await anyio.sleep(120)
        await connector.drain()

    assert Counter(["shop-1"]) == bench.wms.count()
    assert Counter(["1"]) == bench.shop.told
    assert [] == vanished(bench)


@pytest.mark.fault(34)
async def test_an_order_that_is_cancelled_while_it_is_sent_is_a_matter_for_a_person() -> None:
    """It is delivered once and acknowledged, and held for a cancellation that is impossible here."""
    bench = Bench(poll_interval=5)
    bench.wms.delay = 60
    bench.shop.put("1")
    journal = MemoryJournal()
    async with bench.running(journal) as connector:
        await anyio.sleep(2)
        bench.shop.put("1", cancelled=True)
        await anyio.sleep(50)
        bench.shop.failures.extend(TransientError("busy") for _ in range(2))
        await anyio.sleep(60)
        await connector.drain()
        notes = await journal.read(lambda db: [what for (what,) in db.execute("SELECT what FROM history")])
        end = await journal.read(states)

    assert Counter(["shop-1"]) == bench.wms.count()
    assert 1 <= bench.shop.told["1"]
    assert {"changed after delivery", "cancelled after delivery"} & set(notes)
    assert end["1"] in ("held", "cancelled")


class Lasting(MemorySource):
    """A source that lists any part of its orders."""

    traits = replace(MemorySource.traits, feed_shrinks=False)


@pytest.mark.fault(35)
async def test_a_source_that_lists_a_part_says_nothing_by_leaving_out() -> None:
    """Where orders stay in the feed, which lists the newest, absence proves nothing."""
    bench = Bench(poll_interval=60)
    bench.sources["shop"] = source = Lasting("shop", bench.clock)
    source.put("1")
    bench.wms.down = True
    async with bench.running(MemoryJournal()):
        await anyio.sleep(30)
        source.feed.clear()
        await anyio.sleep(600)

    assert [] == vanished(bench)


@pytest.mark.fault(35, 37)
async def test_an_order_that_was_told_as_failed_does_not_vanish() -> None:
    """Its removal is the source's response; if it comes back unchanged, the failure is not reported again."""
    bench = Bench(poll_interval=60)
    bench.sources["shop"] = source = FailingSource("shop", bench.clock)
    source.put("1")
    bench.wms.failures.extend(RejectedError("no such article") for _ in range(20))
    journal = MemoryJournal()
    async with bench.running(journal):
        await anyio.sleep(120)
        content = source.feed.pop("1")
        await anyio.sleep(300)
        assert {"1": "rejected"} == await journal.read(states)
        source.feed["1"] = content
        await anyio.sleep(300)

    assert [] == vanished(bench)
    assert Counter(["1"]) == source.told


async def test_the_question_after_a_walk_uses_the_partial_indexes() -> None:
    """The query must not read a million delivered orders once a minute."""
    from connector.journal.tables import orders

    journal = MemoryJournal()
    for part, (_, place) in orders._FROM.items():
        plan = await journal.read(
            lambda db, question=orders._WAITING[part], values=(*place, 1, "shop", 0): [  # type: ignore[misc]
                row[3] for row in db.execute("EXPLAIN QUERY PLAN " + question, values)
            ]
        )
        assert any(f"deliveries_{part}" in line for line in plan), plan
        assert not any(line.startswith(("SCAN o", "USE TEMP")) for line in plan), plan


@pytest.mark.fault(35, 123)
async def test_where_very_many_wait_each_part_has_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """One part is compared with two polls, then the next: only orders that have left the feed vanish."""
    from connector.journal.tables import orders

    monkeypatch.setattr(orders, "MOST", 5)
    bench = Bench(poll_interval=60)
    bench.shop.put(*map(str, range(20)))
    bench.wms.down = True
    async with bench.running(MemoryJournal()):
        await anyio.sleep(90)
        for each in range(0, 20, 2):
            del bench.shop.feed[str(each)]
        await anyio.sleep(60 * 20)

    assert sorted(vanished(bench)) == sorted(str(each) for each in range(0, 20, 2))
