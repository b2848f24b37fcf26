"""Until an order is delivered, its request follows the feed through every change."""

from __future__ import annotations

from collections import Counter
from typing import Any

import anyio
import msgspec
import pytest

from connector.errors import InDoubtError, RejectedError, TransientError
from connector.journal.sqlite import MemoryJournal
from tests.doubles import FailingSource
from tests.flow.bench import Bench

pytestmark = [pytest.mark.looptime, pytest.mark.fault(141)]

CODED = {"notes": "=lookup('codes', raw.code)"}
PLAIN = {"notes": "=concat('for ', raw.day)"}


def mapped(mapping: Any, *receivers: str) -> Bench:
    """Return a bench whose mapping reads fields outside the revision."""
    bench = Bench(*receivers)
    bench.settings.routes[0] = msgspec.structs.replace(bench.settings.routes[0], mapping=mapping)
    bench.settings = msgspec.structs.replace(bench.settings, tables={"codes": {"post": "P", "boat": "B"}})
    return bench


def notes(bench: Bench) -> list[str]:
    """Return the notes that the receiver was sent."""
    return [msgspec.json.decode(body).get("notes") for _, body in bench.wms.orders]


async def state(journal: MemoryJournal) -> list[tuple[str, str, int]]:
    """Return the states of the deliveries in the journal."""
    rows: list[tuple[str, str, int]] = await journal.read(
        lambda db: db.execute("SELECT state, coalesce(cause, ''), attempts FROM deliveries ORDER BY key").fetchall()
    )
    return rows


async def test_a_held_order_that_was_corrected_in_what_only_its_mapping_reads_is_tried_again() -> None:
    """Its revision is the same; its request is not."""
    bench = mapped(CODED)
    bench.shop.put("1", code="pots")
    journal = MemoryJournal()
    async with bench.running(journal) as connector:
        await connector.drain()
        assert [("held", "missing code: codes/pots", 0)] == await state(journal)
        bench.shop.put("1", code="post")
        await connector.drain()
    assert ["P"] == notes(bench)
    assert {} == bench.shop.feed


async def test_a_held_order_whose_request_stays_as_it_was_is_left_alone() -> None:
    """Changes outside its request neither try it again nor fill its history."""
    bench = mapped(CODED)
    bench.shop.put("1", code="pots")
    journal = MemoryJournal()
    async with bench.running(journal) as connector:
        await connector.drain()
        for number in range(5):
            bench.shop.put("1", code="pots", seen=number)
            await connector.drain()
        (said,) = await journal.read(lambda db: db.execute("SELECT count(*) FROM history").fetchone())
        (raw,) = await journal.read(lambda db: db.execute("SELECT raw FROM payloads").fetchone())
    assert (1, 4) == (said, msgspec.json.decode(raw)["seen"])
    assert [] == bench.wms.creates


async def test_what_waits_is_sent_as_it_is_listed_last() -> None:
    """An order that could not be sent goes out as its source lists it by then, and so does one in hand."""
    bench = mapped(PLAIN)
    bench.shop.put("1", "2", "3", day="monday")
    bench.wms.down = True
    async with bench.running(MemoryJournal()) as connector:
        await anyio.sleep(70)
        bench.shop.put("1", "2", "3", day="friday")
        await anyio.sleep(120)
        bench.wms.down = False
        await connector.drain()
    assert ["for friday"] * 3 == notes(bench)


async def test_what_may_have_been_sent_keeps_what_it_was_sent_with() -> None:
    """While it is in doubt nothing is replaced; once it is known to be absent, the newest listing is sent."""
    bench = mapped(PLAIN)
    bench.shop.put("1", "2", day="monday")
    bench.wms.failures.append(InDoubtError("lost on the way"))
    bench.wms.lost.append(InDoubtError("lost on the way back"))
    async with bench.running(MemoryJournal()) as connector:
        await anyio.sleep(5)
        bench.shop.put("1", "2", day="friday")
        await connector.drain()
    assert Counter(["shop-1", "shop-2"]) == bench.wms.count()
    assert 2 == len(notes(bench))


async def test_a_refused_order_costs_a_strike_only_for_another_request() -> None:
    """At a source that counts failures, a change outside the request is neither tried nor reported again."""
    bench = mapped(PLAIN)
    bench.sources["shop"] = source = FailingSource("shop", bench.clock)
    source.put("1", day="monday")
    bench.wms.failures.extend([RejectedError("no such day")] * 2)
    async with bench.running(MemoryJournal()) as connector:
        await connector.drain()
        await anyio.sleep(600)
        assert [("1", "failed")] == [each[:2] for each in source.outcomes]
        source.put("1", day="monday", seen="yes")
        await anyio.sleep(600)
        assert 1 == len(source.outcomes)
        source.put("1", day="friday")
        await anyio.sleep(600)
    assert [("1", "failed"), ("1", "exported")] == [each[:2] for each in source.outcomes]
    assert ["for friday"] == notes(bench)


async def test_what_is_delivered_is_updated_by_its_revision_alone() -> None:
    """A change that only the mapping reads causes no update of a delivered order."""
    bench = mapped(PLAIN)
    bench.shop.put("1", day="monday")
    bench.shop.failures.extend([TransientError("down")] * 50)
    async with bench.running(MemoryJournal()) as connector:
        await anyio.sleep(5)
        bench.shop.put("1", day="friday")
        await anyio.sleep(200)
        bench.shop.failures.clear()
        await connector.drain()
    assert ["for monday"] == notes(bench)


async def test_one_receiver_of_two_is_tried_again_by_itself() -> None:
    """Of an order that one receiver has and one waits for, only the waiting delivery follows the new listing."""
    bench = mapped({"wms": None, "erp": CODED}, "wms", "erp")
    bench.shop.put("1", code="pots")
    async with bench.running(MemoryJournal()) as connector:
        await connector.drain()
        bench.shop.put("1", code="boat")
        await connector.drain()
    assert Counter(["shop-1"]) == bench.wms.count() == bench.receivers["erp"].count()
    assert b'"notes":"B"' in bench.receivers["erp"].orders[0][1]


async def test_what_was_none_of_ours_and_is_now_is_delivered() -> None:
    """And the reverse: an order that became a quotation before it was sent is left alone."""
    bench = mapped(PLAIN)
    bench.shop.put("1", day="monday", skip="a quotation")
    bench.shop.put("2", day="monday")
    bench.wms.down = True
    async with bench.running(MemoryJournal()) as connector:
        await anyio.sleep(70)
        bench.shop.put("1", day="monday")
        bench.shop.put("2", day="monday", skip="a quotation")
        await anyio.sleep(120)
        bench.wms.down = False
        await connector.drain()
    assert Counter(["shop-1"]) == bench.wms.count()


async def test_a_failure_is_told_again_for_another_reason_alone() -> None:
    """A change that leaves the error of an unreadable order as it was costs no strike."""
    bench = mapped(None)
    bench.sources["shop"] = source = FailingSource("shop", bench.clock)
    source.put("1", missing="street")
    source.put("2")
    async with bench.running(MemoryJournal()) as connector:
        await connector.drain()
        for number in range(3):
            source.put("1", missing="street", seen=number)
            await connector.drain()
        source.put("1", missing="city")
        source.put("3")
        await connector.drain()
        await connector.drain()
        source.put("1")
        await connector.drain()
    told = [reason for order_id, outcome, reason in source.outcomes if (order_id, outcome) == ("1", "failed")]
    assert ["missing field: street", "missing field: city"] == told
    assert Counter(["shop-1", "shop-2", "shop-3"]) == bench.wms.count()


async def test_what_is_only_looked_up_first_is_sent_as_it_is_listed_by_then() -> None:
    """A new journal looks orders up before its first creates; one edited meanwhile, and absent, goes out as edited."""
    bench = Bench(settle=300)
    bench.settings.receivers["wms"] = msgspec.structs.replace(bench.settings.receivers["wms"], look_up_first="always")
    journal = MemoryJournal()
    bench.shop.put("1", notes="monday")
    bench.wms.find_failures.extend([TransientError("down")] * 4)
    async with bench.running(journal) as connector:
        await anyio.sleep(2)
        bench.shop.put("1", notes="friday")
        await connector.drain()
    assert ["friday"] == notes(bench)
