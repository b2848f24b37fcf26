"""The journey of orders through the whole flow, between in-memory ends, in virtual time."""

from __future__ import annotations

import sqlite3
from collections import Counter

import anyio
import pytest

from connector.errors import InDoubtError, RejectedError, TransientError
from connector.events import OrderAcknowledged, OrderDelivered, OrderHeld, OrderRejected, OrderSkipped
from connector.journal.sqlite import MemoryJournal
from tests.doubles import OnceSource, lost_answer
from tests.flow.bench import Bench

pytestmark = pytest.mark.looptime


def ids(count: int, first: int = 1) -> list[str]:
    """Return `count` order ids."""
    return [str(number) for number in range(first, first + count)]


async def test_every_order_is_delivered_once_and_told_once() -> None:
    """Each order of the feed is at the receiver once, and acknowledged once with the receiver's reference."""
    bench = Bench()
    bench.shop.put(*ids(120))

    drained = await bench.drained()

    assert Counter(f"shop-{n}" for n in ids(120)) == bench.wms.count()
    assert Counter(ids(120)) == bench.shop.told
    assert {} == bench.shop.feed
    assert bench.shop.messages["1"].startswith("wms: R")
    assert ({}, False) == (drained.failed, drained.later)


@pytest.mark.fault(91)
async def test_acknowledgements_are_batched() -> None:
    """No call carries more than the source's limit, and nearly all carry that many."""
    bench = Bench(ack_interval=5)
    bench.shop.put(*ids(95))

    await bench.drained()

    assert max(len(call) for call in bench.shop.calls) == 10
    assert len(bench.shop.calls) <= 12


@pytest.mark.fault(28)
async def test_a_feed_that_shrinks_while_it_is_read_loses_nothing() -> None:
    """Pages shift up while orders are acknowledged; every order is delivered, within two more polls."""
    bench = Bench(page_size=10, ack_interval=0)
    bench.shop.put(*ids(300))

    drained = await bench.drained()

    assert 300 == len(bench.wms.orders)
    assert drained.polls <= 3


async def test_concurrency_is_kept() -> None:
    """As many creates are under way as the settings allow while there is work, and never more."""
    bench = Bench(concurrency=3)
    bench.shop.put(*ids(60))

    await bench.drained()

    assert 3 == bench.wms.most_at_once


@pytest.mark.fault(42)
async def test_an_order_that_cannot_be_mapped_is_held_and_the_rest_flows() -> None:
    """A bad order is held under its cause, at any stage; it is not acknowledged, and its page is not lost."""
    bench = Bench()
    bench.shop.put(*ids(5))
    bench.shop.put("bad1", missing="items")
    bench.shop.put("bad2", notes="unmappable")
    bench.shop.put("none", skip="quotation")

    await bench.drained()

    held = {(event.order_id, event.cause) for event in bench.events if isinstance(event, OrderHeld)}
    assert {("bad1", "missing field: items"), ("bad2", "missing field: street")} == held
    assert ["none"] == [event.order_id for event in bench.events if isinstance(event, OrderSkipped)]
    assert 5 == len(bench.wms.orders)
    assert {"bad1", "bad2", "none"} == set(bench.shop.feed)


async def test_a_second_run_writes_nothing() -> None:
    """Settled, held and skipped orders stay as they are when the feed lists them again."""
    bench = Bench()
    bench.shop.put(*ids(5))
    bench.shop.put("bad", notes="unmappable")
    journal = MemoryJournal()
    async with bench.running(journal) as connector:
        await connector.drain()
        creates, calls = list(bench.wms.creates), list(bench.shop.calls)

        await connector.drain()

        assert (creates, calls) == (bench.wms.creates, bench.shop.calls)


@pytest.mark.fault(67)
async def test_a_lost_answer_is_looked_up_after_the_settle_time_and_adopted() -> None:
    """A create whose response is lost is not repeated: after the settle time a look-up finds it."""
    bench = Bench(settle=30)
    bench.shop.put(*ids(3))
    bench.wms.lost.append(lost_answer())

    start = bench.clock.monotonic()
    await bench.drained()

    assert Counter(f"shop-{n}" for n in ids(3)) == bench.wms.count()
    assert 1 == len(bench.wms.finds_of)
    assert bench.clock.monotonic() - start >= 30
    assert [True] == [e.adopted for e in bench.events if isinstance(e, OrderDelivered) and e.adopted]
    assert {} == bench.shop.feed


@pytest.mark.fault(68)
async def test_a_request_that_was_lost_is_repeated_after_a_look_up() -> None:
    """A create that was never applied is looked up, not found, and created again, once."""
    bench = Bench(settle=30)
    bench.shop.put(*ids(3))
    bench.wms.failures.append(lost_answer())

    await bench.drained()

    assert Counter(f"shop-{n}" for n in ids(3)) == bench.wms.count()
    assert 1 == len(bench.wms.finds_of)
    assert 4 == len(bench.wms.creates)


async def test_what_was_provably_not_sent_is_tried_again_after_a_look_up() -> None:
    """After a refused connection the order is tried again soon, and looked up before."""
    bench = Bench(settle=3000)
    bench.shop.put(*ids(3))
    bench.wms.failures.append(TransientError("refused"))

    start = bench.clock.monotonic()
    await bench.drained()

    assert Counter(f"shop-{n}" for n in ids(3)) == bench.wms.count()
    assert 1 == len(bench.wms.finds_of)
    assert bench.clock.monotonic() - start < 60


@pytest.mark.fault(56)
async def test_a_refusal_is_believed_only_after_a_look_up() -> None:
    """A rejected order is looked up; it is rejected only if absent, and only a source that accepts failures gets it."""
    bench = Bench()
    bench.shop.put("1")
    bench.wms.failures.extend([RejectedError("no such article")] * 2)

    await bench.drained()

    assert {"shop-1"} == set(bench.wms.finds_of)
    assert ["no such article"] == [event.reason for event in bench.events if isinstance(event, OrderRejected)]
    assert [] == bench.shop.calls
    assert {"1"} == set(bench.shop.feed)


@pytest.mark.fault(57)
async def test_a_refusal_of_a_duplicate_is_an_adoption_when_the_order_is_there() -> None:
    """`Reference is not unique` for an order that a look-up finds means that it was delivered before."""
    bench = Bench()
    bench.shop.put("1")
    bench.wms.orders.append(("shop-1", b"{}"))
    bench.wms.failures.append(RejectedError("Reference is not unique", duplicate=True))

    await bench.drained()

    assert 1 == bench.wms.count()["shop-1"]
    assert Counter(["1"]) == bench.shop.told


@pytest.mark.fault(72)
async def test_two_records_under_one_identity_are_held_for_a_person() -> None:
    """More than one match is a conflict: no order is created, and none is acknowledged."""
    bench = Bench()
    bench.shop.put("1")
    bench.wms.orders += [("shop-1", b"{}"), ("shop-1", b"{}")]
    bench.wms.failures.append(InDoubtError("lost"))

    await bench.drained()

    assert ["conflict at wms"] == [event.cause for event in bench.events if isinstance(event, OrderHeld)]
    assert [] == bench.shop.calls


async def test_the_source_is_told_when_the_slowest_receiver_has_it() -> None:
    """With two receivers, no order is acknowledged while one of them is down, and all are once it is back."""
    bench = Bench("wms", "erp")
    bench.receivers["erp"].down = True
    bench.shop.put(*ids(4))
    async with bench.running(MemoryJournal()) as connector:
        await anyio.sleep(40)

        assert 4 == len(bench.wms.orders)
        assert [] == bench.shop.calls

        bench.receivers["erp"].down = False
        with anyio.fail_after(7200):
            await connector.drain()

    assert 4 == len(bench.receivers["erp"].orders)
    assert Counter(ids(4)) == bench.shop.told
    assert bench.shop.messages["1"].count(": R") == 2


async def test_a_paused_receiver_holds_up_nobody_else() -> None:
    """A receiver that is down stops neither the sources that deliver elsewhere, nor the polls of its own."""
    bench = Bench("wms", "erp", sources=("shop", "depot"), concurrency=2)
    bench.settings.routes[0].receivers[:] = ["erp"]
    bench.settings.routes[1].receivers[:] = ["wms"]
    bench.receivers["erp"].down = True
    bench.sources["shop"].put(*ids(1000))
    bench.sources["depot"].put(*ids(1000))

    async with bench.running(MemoryJournal()):
        await anyio.sleep(90)  # a page may slip away while it is acknowledged: the next walk lists it

        assert 1000 == len(bench.wms.orders)
        assert {} == bench.sources["depot"].feed


@pytest.mark.slow
@pytest.mark.fault(87)
async def test_a_receiver_that_is_down_is_left_alone_and_caught_up_with_later() -> None:
    """A day of outage costs a call now and then; no order fails, and afterwards all are delivered once."""
    bench = Bench(concurrency=4, poll_interval=600)
    bench.wms.down = True
    bench.shop.put(*ids(200))
    async with bench.running(MemoryJournal()) as connector:
        await anyio.sleep(24 * 3600)
        assert len(bench.wms.creates) + len(bench.wms.finds_of) < 24 * 60 * 3
        bench.wms.down = False
        await anyio.sleep(120)
        with anyio.fail_after(3600):
            await connector.drain()

    assert Counter(f"shop-{n}" for n in ids(200)) == bench.wms.count()
    assert Counter(ids(200)) == bench.shop.told


async def test_a_paused_receiver_is_seen_in_the_journal() -> None:
    """`status` in another process reads from the journal that a receiver is paused, why, and when it is back."""
    bench = Bench()
    bench.wms.down = True
    bench.shop.put(*ids(20))
    journal = MemoryJournal()

    def breakers(db: sqlite3.Connection) -> list[tuple[str, str, str]]:
        return db.execute("SELECT name, breaker, reason FROM receivers").fetchall()

    async with bench.running(journal):
        await anyio.sleep(10)
        assert [("wms", "open", "down")] == await journal.read(breakers)
        bench.wms.down = False
        await anyio.sleep(600)
        assert [("wms", "closed", "")] == await journal.read(breakers)


async def test_a_drain_gives_up_on_an_endpoint_that_stays_down() -> None:
    """`run --once` ends although the receiver does not respond, and reports that a later run may succeed."""
    bench = Bench()
    bench.wms.down = True
    bench.shop.put(*ids(20))

    drained = await bench.drained()

    assert ["wms"] == list(drained.failed)
    assert drained.later
    assert [] == bench.wms.orders


async def test_a_fault_in_a_vendor_file_stops_its_source_only_and_does_not_call_for_a_later_try() -> None:
    """A source whose code fails is given up by the drain, the others flow, and a later run is not suggested."""
    bench = Bench(sources=("shop", "depot"))
    for source in bench.sources.values():
        source.put("1")

    def broken(gone):  # type: ignore[no-untyped-def]
        raise KeyError("items")

    bench.shop.fetch = broken  # type: ignore[method-assign]
    drained = await bench.drained()

    assert Counter(["depot-1"]) == bench.wms.count()
    assert ["shop"] == list(drained.failed)
    assert not drained.later


async def test_a_drain_says_why_it_gave_a_source_up() -> None:
    """A source whose polls fail is given up with the reason of the last poll, also while its breaker is open."""
    bench = Bench()
    bench.shop.fetch_failures.extend(TransientError("502") for _ in range(4))  # one before the drain, and its three

    drained = await bench.drained()

    assert ({"shop": "502"}, True) == (drained.failed, drained.later)


@pytest.mark.fault(47)
async def test_a_failed_walk_concludes_nothing_and_is_repeated() -> None:
    """A feed that responds with an error once is polled again; no order is lost."""
    bench = Bench()
    bench.shop.put(*ids(5))
    bench.shop.fetch_failures.append(TransientError("502"))

    drained = await bench.drained()

    assert 5 == len(bench.wms.orders)
    assert {} == drained.failed


@pytest.mark.fault(93, 94)
async def test_a_lost_answer_to_an_acknowledgement_is_settled() -> None:
    """Acknowledgements with a lost response end confirmed, whether they were applied or not."""
    bench = Bench()
    bench.shop.put(*ids(25))
    bench.shop.lost.append(lost_answer())
    bench.shop.failures.append(TransientError("refused"))

    await bench.drained()

    assert {} == bench.shop.feed
    confirmed = Counter(event.order_id for event in bench.events if isinstance(event, OrderAcknowledged))
    assert Counter(ids(25)) == confirmed


@pytest.mark.fault(93, 94)
@pytest.mark.parametrize("applied", [True, False])
async def test_what_must_not_be_told_twice_is_read_back_first(applied: bool) -> None:
    """After a lost response the source is read back once it has settled; only missing acknowledgements are repeated."""
    bench = Bench(ack_interval=5)
    source = OnceSource("shop", bench.clock)
    bench.sources["shop"] = source
    source.put(*ids(10))
    (source.lost if applied else source.failures).append(lost_answer())

    start = bench.clock.monotonic()
    await bench.drained()

    assert Counter(ids(10)) == source.told
    assert {} == source.feed
    assert bench.clock.monotonic() - start >= 30


@pytest.mark.fault(90)
async def test_a_refused_batch_is_split_until_the_bad_one_stands_alone() -> None:
    """One order that the source refuses costs its nine neighbours nothing."""
    bench = Bench(ack_interval=5)
    bench.shop.put(*ids(10))
    acknowledge = bench.shop.acknowledge

    async def refusing(batch):  # type: ignore[no-untyped-def]
        if any(ack.order_id == "7" for ack in batch):
            raise RejectedError("unknown order 7")
        return await acknowledge(batch)

    bench.shop.acknowledge = refusing  # type: ignore[method-assign]
    await bench.drained()

    assert {"7"} == set(bench.shop.feed)
    assert Counter(ids(6) + ids(3, 8)) == bench.shop.told


async def test_a_changed_order_that_was_held_is_tried_again() -> None:
    """When the source corrects a held order, the new revision is delivered."""
    bench = Bench()
    bench.shop.put("1", notes="unmappable")
    async with bench.running(MemoryJournal()) as connector:
        await connector.drain()
        assert [] == bench.wms.orders

        bench.shop.put("1", notes="mended")
        await connector.drain()

    assert 1 == len(bench.wms.orders)
    assert {} == bench.shop.feed


@pytest.mark.fault(36)
async def test_an_order_that_is_listed_again_after_it_was_confirmed_is_told_again() -> None:
    """The source took the mark back: the order is not created again, and is acknowledged again."""
    bench = Bench()
    bench.shop.put("1")
    async with bench.running(MemoryJournal()) as connector:
        await connector.drain()
        await anyio.sleep(31)
        bench.shop.put("1")
        await connector.drain()

    assert 1 == len(bench.wms.orders)
    assert 2 == bench.shop.told["1"]
    assert {} == bench.shop.feed


@pytest.mark.fault(43)
async def test_two_sources_with_the_same_id_are_two_orders() -> None:
    """Identity is source and id: the same number from two sources is two orders everywhere."""
    bench = Bench(sources=("shop", "depot"))
    for source in bench.sources.values():
        source.put("1")

    await bench.drained()

    assert Counter(["shop-1", "depot-1"]) == bench.wms.count()


async def test_back_pressure_stops_the_paging() -> None:
    """A slow receiver stops the poll: no more is read ahead than the bus and the workers hold."""
    bench = Bench(page_size=50, concurrency=1)
    bench.wms.delay = 10
    bench.shop.put(*ids(5000))
    async with bench.running(MemoryJournal()) as connector:
        await anyio.sleep(30)
        listed = (await connector.journal.open_work()).deliveries["wms"]
        connector.stop()

    assert listed < 256 + 3 * 50 + 50


async def test_poll_interval_is_kept() -> None:
    """A quiet feed is polled once per interval."""
    bench = Bench(poll_interval=60)
    async with bench.running(MemoryJournal()):
        await anyio.sleep(600)

    assert 10 <= bench.shop.walks <= 11
