"""Changes of orders after their delivery, and of orders that are never delivered."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import anyio
import msgspec
import pytest

from connector.app import Connector
from connector.errors import SettingsError, TransientError
from connector.events import PollFinished
from connector.journal.sqlite import MemoryJournal
from tests.doubles import EPOCH, AmendableReceiver, FailingSource, lost_answer
from tests.flow.bench import Bench

pytestmark = pytest.mark.looptime


def amendable() -> tuple[Bench, AmendableReceiver]:
    """Return a bench whose receiver accepts changes."""
    bench = Bench(concurrency=1)
    receiver = AmendableReceiver("wms", bench.clock)
    bench.receivers["wms"] = receiver
    return bench, receiver


async def replayed(bench: Bench, connector: Connector) -> None:
    """Replay everything, and wait until the resulting work is done."""
    with anyio.fail_after(36_000):
        await connector.replay("shop", EPOCH - timedelta(days=30))
        await connector.drain()


async def test_a_replay_since_a_time_without_a_zone_is_refused() -> None:
    """It would mean different times on different machines."""
    bench = Bench()
    async with bench.running(MemoryJournal()) as connector:
        with pytest.raises(ValueError, match="with its zone"):
            await connector.replay("shop", EPOCH.replace(tzinfo=None))


@pytest.mark.fault(32)
async def test_a_changed_order_is_updated_and_not_doubled() -> None:
    """An order that was delivered and confirmed, then changed and replayed, is updated once at the receiver."""
    bench, wms = amendable()
    bench.shop.put("1", "2", notes="first")
    async with bench.running(MemoryJournal()) as connector:
        await connector.drain()
        bench.shop.archive["1"]["notes"] = "second"
        wms.amend_failures.append(TransientError("502"))
        wms.amend_failures.append(lost_answer())
        for _ in range(3):
            await replayed(bench, connector)

    assert Counter(["shop-1", "shop-2"]) == wms.count()
    assert [("0", b'{"external_id":"shop-1","notes":"second"}')] == wms.updates
    assert Counter(["1", "2"]) == bench.shop.told


async def test_a_cancelled_order_is_cancelled_where_the_receiver_allows_it() -> None:
    """An open order is cancelled; one in progress is held with the receiver's reason."""
    bench, wms = amendable()
    bench.shop.put("1", "2")
    journal = MemoryJournal()
    async with bench.running(journal) as connector:
        await connector.drain()
        wms.closed.add("1")
        for content in bench.shop.archive.values():
            content["cancelled"] = True
        for _ in range(2):
            await replayed(bench, connector)
        changes = await journal.read(
            lambda db: db.execute(
                "SELECT order_id, what, state, reason FROM changes JOIN orders USING (key)"
            ).fetchall()
        )

    assert ["0"] == wms.cancelled
    assert {("1", "cancel", "done", None), ("2", "cancel", "held", "the order is processing")} == set(changes)


@pytest.mark.parametrize("again", [False, True])
async def test_a_cancellation_that_is_revoked_before_it_was_sent_is_held(again: bool) -> None:
    """The list may be an older one, so it is kept; it continues once the order is listed as cancelled again."""
    bench, wms = amendable()
    bench.shop.put("1")
    journal = MemoryJournal()
    async with bench.running(journal) as connector:
        await connector.drain()
        wms.amend_failures.extend(TransientError("503") for _ in range(50))
        for cancelled in (True, False, again):
            bench.shop.archive["1"]["cancelled"] = cancelled
            await connector.replay("shop", EPOCH - timedelta(days=30))
        wms.amend_failures.clear()
        await replayed(bench, connector)
        changes = await journal.read(lambda db: db.execute("SELECT what, state, reason FROM changes").fetchall())

    if again:
        assert (["0"], [("cancel", "done", None)]) == (wms.cancelled, changes)
    else:
        held = ("cancel", "held", "cancelled at the source, and listed since as not cancelled")
        assert ([], [held]) == (wms.cancelled, changes)


@pytest.mark.parametrize(("policy", "state"), [("hold", [("held",)]), ("ignore", [])])
async def test_settings_decide_what_a_change_leads_to(policy: str, state: list[tuple[str]]) -> None:
    """`on_change: hold` holds it for an operator, `ignore` drops it; neither touches the receiver's order."""
    bench, wms = amendable()
    bench.settings.routes[0] = msgspec.structs.replace(bench.settings.routes[0], on_change=policy)
    bench.shop.put("1")
    journal = MemoryJournal()
    async with bench.running(journal) as connector:
        await connector.drain()
        bench.shop.archive["1"]["notes"] = "second"
        await replayed(bench, connector)
        assert state == await journal.read(lambda db: db.execute("SELECT state FROM changes").fetchall())

    assert [] == wms.updates


@pytest.mark.fault(33)
async def test_an_order_that_is_cancelled_before_it_was_delivered_is_not_delivered() -> None:
    """The source states that it is cancelled: it is neither created nor acknowledged."""
    bench = Bench()
    bench.shop.put("1", cancelled=True)
    bench.shop.put("2")

    await bench.drained()

    assert Counter(["shop-2"]) == bench.wms.count()
    assert Counter(["2"]) == bench.shop.told


async def test_an_order_that_stays_cancelled_is_no_news() -> None:
    """A source that lists cancelled orders lists them for ever: later polls of them are quiet."""
    bench = Bench()
    bench.shop.put("1", cancelled=True)
    journal = MemoryJournal()
    async with bench.running(journal) as connector:
        for _ in range(3):
            await connector.drain()
        walks = [event.new for event in bench.events if isinstance(event, PollFinished)]
        history = await journal.read(lambda db: db.execute("SELECT what FROM history").fetchall())

    assert [1] == [new for new in walks if new]
    assert [] == history
    assert Counter() == bench.wms.count()


async def test_documents_are_attached_once() -> None:
    """Documents follow the order; a lost response on the way attaches none of them twice."""
    bench, wms = amendable()
    bench.shop.put("1", documents=["label", "slip", "customs"])
    wms.amend_failures.append(lost_answer())

    await bench.drained()

    assert {"0": ["label", "slip", "customs"]} == wms.documents
    assert Counter(["1"]) == bench.shop.told


async def test_an_optional_receiver_does_not_hold_up_the_source() -> None:
    """The order is acknowledged when the required receiver has it; the optional one gets it later."""
    bench = Bench("wms", "archive")
    bench.settings.routes[0].receivers[:] = ["wms"]
    bench.settings.routes[0].optional.append("archive")
    bench.receivers["archive"].down = True
    bench.shop.put(*(str(number) for number in range(600)))
    async with bench.running(MemoryJournal()) as connector:
        await anyio.sleep(200)
        assert {} == bench.shop.feed
        bench.receivers["archive"].down = False
        with anyio.fail_after(36_000):
            await connector.drain()

    assert bench.receivers["archive"].count() == bench.wms.count() == Counter(f"shop-{n}" for n in range(600))


@pytest.mark.fault(37, 38)
async def test_failed_is_told_once_a_revision() -> None:
    """An error in the order is reported as a failure once, however often it is listed; corrected, it is delivered."""
    bench = Bench()
    source = FailingSource("shop", bench.clock)
    bench.sources["shop"] = source
    source.put("1")
    source.put("2", missing="delivery_address")
    source.put("3", notes="unmappable")
    async with bench.running(MemoryJournal()) as connector:
        for _ in range(10):
            await connector.drain()
        assert [("failed", "missing field: delivery_address"), ("failed", "missing field: street")] == sorted(
            (outcome, message) for order_id, outcome, message in source.outcomes if order_id != "1"
        )

        source.put("2")
        source.put("3", missing="city")
        for _ in range(3):
            await connector.drain()

    assert Counter(["shop-1", "shop-2"]) == bench.wms.count()
    assert [("2", "failed"), ("2", "exported")] == [(i, o) for i, o, _ in source.outcomes if i == "2"]
    assert [("3", "failed"), ("3", "failed")] == [(i, o) for i, o, _ in source.outcomes if i == "3"]


async def test_a_source_that_is_not_there_cannot_be_replayed() -> None:
    """The error is raised, and no feed is polled."""
    bench = Bench()
    async with bench.running(MemoryJournal()) as connector:
        with pytest.raises(SettingsError, match="no source depot"):
            await connector.replay("depot", EPOCH)
