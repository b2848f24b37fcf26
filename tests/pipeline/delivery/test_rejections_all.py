"""Rejected orders without any others: they are held for an operator, and reported only once that is confirmed."""

from __future__ import annotations

import logging
import sqlite3
from collections import Counter

import anyio
import pytest

from connector.cli.status import as_text
from connector.events import EndpointChanged, OrderHeld, OrderRejected
from connector.journal.sqlite import MemoryJournal
from connector.journal.views.status import causes, status
from tests.flow.bench import Bench
from tests.flow.test_crash import Kept
from tests.pipeline.delivery.test_rejections import bench_of, failed, ids

pytestmark = pytest.mark.looptime

CAUSE = "wms rejects every order"


def held(db: sqlite3.Connection) -> dict[str, str]:
    """Return the deliveries that are held for it, with their details."""
    rows = db.execute(
        "SELECT order_id, detail FROM deliveries JOIN orders USING (key) WHERE state = 'held' AND cause = ?", (CAUSE,)
    )
    return dict(rows.fetchall())


def held_at(bench: Bench) -> list[float]:
    """Return the times of the holds, in seconds since the start."""
    start = bench.events[0].at
    return [(event.at - start).total_seconds() for event in bench.events if isinstance(event, OrderHeld)]


@pytest.mark.fault(58)
@pytest.mark.parametrize("count", [5, 9])
async def test_each_is_held_with_its_reason_after_a_bounded_number_of_probes(
    count: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Three rejections each, and then no order is sent any more; `status` names the cause, no failure is reported."""
    bench, source, wms = bench_of()
    wms.refuses = lambda _: True
    source.put(*ids(count))
    journal = MemoryJournal()
    async with bench.running(journal) as connector:
        await anyio.sleep(2 * 3600)
        found = await journal.read(held)
        assert set(ids(count)) == found.keys()
        assert all(each.startswith("X-Wms-Code is unknown; its source is not notified.") for each in found.values())
        assert {f"shop-{number}": 3 for number in ids(count)} == Counter(wms.creates)
        assert max(held_at(bench)) < 3600
        stand, why = await journal.read(status), await journal.read(causes)
        text = as_text(bench.settings, stand, why, bench.clock.now())
        assert f"{count} held: {CAUSE}" in text
        assert f"wms: paused, {count} orders rejected in a row and none accepted" in text
        assert ["wms"] == connector.distrusted
        await anyio.sleep(3 * 3600)

    assert {} == failed(source)
    assert 3 * count == len(wms.creates)
    again = [r.message for r in caplog.records if r.levelno == logging.WARNING and "wms is paused for" in r.message]
    assert ["15 minutes", "30 minutes", "60 minutes", "2 hours", "4 hours"] == [
        line.split(" for ")[1].split(" now: ")[0] for line in again
    ]


@pytest.mark.slow
@pytest.mark.fault(56, 58)
async def test_when_another_is_accepted_each_is_tried_once_more_and_told() -> None:
    """The orders were at fault: the receiver accepts a good one, and then each of them is rejected for good, once."""
    bench, source, wms = bench_of(poll_interval=5)
    bad = {f"shop-{number}" for number in ids(6)}
    wms.refuses = lambda external_id: external_id in bad
    source.put(*ids(6))
    journal = MemoryJournal()
    async with bench.running(journal) as connector:
        await anyio.sleep(2 * 3600)
        assert 6 == len(await journal.read(held))
        source.put("good")
        await anyio.sleep(600)
        await connector.drain()
        assert {} == await journal.read(held)
        assert [] == connector.distrusted

    assert Counter(ids(6)) == failed(source)
    assert Counter({"shop-good": 1}) == wms.count()
    assert {4} == {Counter(wms.creates)[each] for each in bad}


@pytest.mark.slow
@pytest.mark.fault(58)
@pytest.mark.parametrize("restart", [False, True])
async def test_when_it_is_mended_they_are_delivered_once_another_is_accepted(restart: bool) -> None:
    """Our settings were at fault: the first accepted order releases them, in the same process or a later one."""
    bench, source, wms = bench_of(poll_interval=5)
    wms.refuses = lambda _: True
    source.put(*ids(6))
    journal = Kept()
    async with bench.running(journal) as connector:
        await anyio.sleep(2 * 3600)
        assert 6 == len(await journal.read(held))
        if not restart:
            wms.refuses = lambda _: False
            source.put("good")
            await anyio.sleep(600)
            await connector.drain()
    if restart:
        wms.refuses = lambda _: False
        await bench.drained(journal)
        assert 6 == len(await journal.read(held))
        source.put("good")
        await bench.drained(journal)

    assert {} == failed(source)
    assert Counter(f"shop-{order_id}" for order_id in [*ids(6), "good"]) == wms.count()
    assert {} == await journal.read(held)


@pytest.mark.fault(58)
async def test_a_retry_lets_them_go_as_well() -> None:
    """An operator corrects the settings and retries the cause; without a correction they are held again."""
    bench, source, wms = bench_of()
    wms.refuses = lambda _: True
    source.put(*ids(5))
    journal = MemoryJournal()
    async with bench.running(journal) as connector:
        await anyio.sleep(2 * 3600)
        assert 5 == await journal.holds.release(CAUSE, bench.clock.now())
        connector.look()
        await anyio.sleep(4 * 3600)
        assert 5 == len(await journal.read(held))
        assert {} == failed(source)
        wms.refuses = lambda _: False
        assert 5 == await journal.holds.release(CAUSE, bench.clock.now())
        connector.look()
        await anyio.sleep(600)

    assert Counter(f"shop-{order_id}" for order_id in ids(5)) == wms.count()
    assert 5 == source.told.total()


@pytest.mark.fault(38, 58)
async def test_a_corrected_order_is_not_held_for_what_it_was() -> None:
    """One of them is corrected at its source: its delivery confirms that the others were at fault."""
    bench, source, wms = bench_of(poll_interval=5)
    wms.refuses = lambda external_id: not source.feed[external_id.removeprefix("shop-")].get("notes")
    source.put(*ids(5))
    journal = MemoryJournal()
    async with bench.running(journal) as connector:
        await anyio.sleep(2 * 3600)
        source.put("3", notes="mended")
        await anyio.sleep(600)
        await connector.drain()

    assert Counter(["1", "2", "4", "5"]) == failed(source)
    assert Counter(["shop-3"]) == wms.count()


@pytest.mark.slow
@pytest.mark.fault(58)
async def test_nothing_is_told_as_failed_while_a_receiver_is_paused_for_its_refusals() -> None:
    """Not even a rejection that was confirmed before the pause: it is tried again after it."""
    bench, source, wms = bench_of(poll_interval=5)
    bad = {f"shop-{number}" for number in ids(40)}
    wms.refuses = lambda external_id: external_id in bad
    told_while_paused = []
    async with bench.running(MemoryJournal()) as connector:
        for number in range(40):
            source.put(str(number + 1))
            if number % 7 == 6:
                source.put(f"good{number}")
            for _ in range(20):
                before, paused = len(bench.events), bool(connector.distrusted)
                await anyio.sleep(0.99)
                told = [event for event in bench.events[before:] if isinstance(event, OrderRejected)]
                closed = any(isinstance(e, EndpointChanged) and e.state == "closed" for e in bench.events[before:])
                told_while_paused += told if paused and not closed else []
        await anyio.sleep(3600)
        source.put("last")
        await anyio.sleep(1800)

    assert [] == told_while_paused
    assert Counter(ids(40)) == failed(source)


@pytest.mark.fault(58)
@pytest.mark.parametrize("count", [5, 100])
async def test_a_drain_ends_and_says_who_has_to_act_however_often_it_is_run(count: int) -> None:
    """`run --once` every minute: one order is tried, the receiver is named, and no failure is reported."""
    bench, source, wms = bench_of()
    wms.refuses = lambda _: True
    source.put(*ids(count))
    journal = Kept()
    for run in range(20):
        wms.creates.clear()
        drained = await bench.drained(journal)
        assert len(wms.creates) <= (12 if run == 0 else 1)
        assert not drained.later
        await anyio.sleep(60)
        if len(await journal.read(held)) < count:
            assert ["wms"] == list(drained.failed)
    assert {} == failed(source)
    assert (count == 5) == (len(await journal.read(held)) == count)

    wms.refuses = lambda _: False
    source.put("good")
    for _ in range(2):
        await bench.drained(journal)
    assert {} == failed(source)
    assert count + 1 == len(wms.count())


@pytest.mark.fault(58)
async def test_orders_that_come_one_by_one_are_not_given_up_one_by_one_by_one_run_after_the_other() -> None:
    """Two orders an hour, a run for them, and a receiver that rejects everything: four are reported, as in one run."""
    bench, source, wms = bench_of()
    wms.refuses = lambda _: True
    journal = Kept()
    for run in range(10):
        source.put(f"{run}a", f"{run}b")
        await bench.drained(journal)
        await anyio.sleep(3600)
    assert 4 == len(failed(source))
