"""One order that keeps failing while everything else works: it is logged, a drain ends, and an operator gets it."""

from __future__ import annotations

import logging
import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence

import anyio
import pytest

from connector.ack import Acknowledgement, AckOutcome, NotApplied
from connector.errors import ConnectorError, InDoubtError, TransientError
from connector.journal.sqlite import MemoryJournal
from connector.pipeline.poison import MIN_FAILURES, PoisonTracker
from connector.receivers.base import Delivery, Receipt
from tests.doubles import AmendableReceiver, LoopClock, MemorySource, OnceSource
from tests.flow.bench import Bench
from tests.flow.test_crash import Kept
from tests.pipeline.delivery.test_amender import replayed
from tests.pipeline.reports.test_reporter import Yard, event, states
from tests.pipeline.reports.test_reporter import drained as all_done

pytestmark = pytest.mark.looptime

HOUR = 3600.0


class Ailing(AmendableReceiver):
    """A receiver that fails for the order `bad` alone, with `failure`, in the calls of `where`."""

    failure: type[ConnectorError] = InDoubtError
    where: tuple[str, ...] = ("create",)

    def _ail(self, what: str, external_id: str) -> None:
        if what in self.where and external_id == "shop-bad":
            raise self.failure(f"POST /orders: 500 {'x' * 9}")

    async def find(self, external_id: str) -> Receipt | None:
        """Fail, or look it up."""
        self._ail("find", external_id)
        return await super().find(external_id)

    async def create(self, delivery: Delivery) -> Receipt:
        """Fail, or create it."""
        if "create" in self.where and delivery.external_id == "shop-bad":
            self.creates.append(delivery.external_id)
        self._ail("create", delivery.external_id)
        return await super().create(delivery)

    async def update(self, receipt: Receipt, delivery: Delivery) -> Receipt:
        """Fail, or update."""
        self._ail("update", delivery.external_id)
        return await super().update(receipt, delivery)


def ailing(*where: str, failure: type[ConnectorError] = InDoubtError) -> tuple[Bench, Ailing]:
    """Return a bench with such a receiver and the order `bad`."""
    bench = Bench(poll_interval=60)
    wms = Ailing("wms", bench.clock)
    wms.where, wms.failure = where, failure
    bench.receivers["wms"] = wms
    bench.shop.put("bad", *map(str, range(5)))
    return bench, wms


def held(db: sqlite3.Connection) -> list[tuple[str, str, str]]:
    """Return the held orders."""
    query = "SELECT order_id, cause, detail FROM deliveries JOIN orders USING (key) WHERE state = 'held'"
    return db.execute(query).fetchall()


async def keep_busy(source: MemorySource, hours: float) -> None:
    """List another order every ten minutes."""
    for number in range(round(hours * 6)):
        source.put(f"more{number}")
        await anyio.sleep(600)


@pytest.mark.slow
@pytest.mark.parametrize("failure", [InDoubtError, TransientError])
async def test_an_order_that_fails_while_others_are_taken_waits_for_a_person_after_an_hour(
    failure: type[ConnectorError], caplog: pytest.LogCaptureFixture
) -> None:
    """It is looked up, held under a shared cause, and its source is not notified; `retry` delivers it."""
    bench, wms = ailing("create", failure=failure)
    journal = MemoryJournal()
    async with bench.running(journal) as connector:
        await keep_busy(bench.shop, 0.8)
        assert [] == await journal.read(held)
        assert "shop-bad: failed" in connector.keeps_failing["wms"]
        await keep_busy(bench.shop, 1)
        ((order_id, cause, detail),) = await journal.read(held)
        assert ("bad", "keeps failing at wms") == (order_id, cause)
        assert "while others succeeded; last error: POST /orders: 500 xxxxxxxxx; it does not exist there" in detail
        assert {} == connector.keeps_failing
        wms.where = ()
        assert 1 == await journal.holds.release(cause, bench.clock.now())
        connector.look()
        await connector.drain()

    assert {1} == set(wms.count().values())
    assert 1 == bench.shop.told["bad"]
    lines = [record.message for record in caplog.records if "wms: shop-bad: failed" in record.message]
    assert 2 <= len(lines) <= 4
    assert " times in 15 minutes; last error: POST /orders: 500 xxxxxxxxx" in lines[0]


@pytest.mark.slow
async def test_where_nothing_else_goes_through_it_is_tried_on_and_said_again_and_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The fault is unknown and may pass: no hold in five hours, but a log line at growing intervals."""
    bench, wms = ailing("create")
    bench.shop.feed = {"bad": {"id": "bad"}}
    journal = MemoryJournal()
    async with bench.running(journal) as connector:
        await anyio.sleep(5 * HOUR)
        assert [] == await journal.read(held)
        wms.where = ()
        await anyio.sleep(600)
        assert {} == connector.keeps_failing

    assert {"shop-bad": 1} == wms.count()
    lines = [record.message for record in caplog.records if "wms: shop-bad: failed" in record.message]
    assert 5 == len(lines)


@pytest.mark.slow
async def test_one_that_cannot_be_looked_up_is_not_created_again() -> None:
    """Its look-up fails, too: it is held as one that may exist."""
    bench, wms = ailing("create", "find")
    journal = MemoryJournal()
    async with bench.running(journal):
        await keep_busy(bench.shop, 3)
        ((_, cause, detail),) = await journal.read(held)
        assert cause == "keeps failing at wms"
        assert "it may exist there: look" in detail
    assert 1 == Counter(wms.creates)["shop-bad"]


async def test_a_receiver_that_is_down_for_all_makes_nobody_wait_for_a_person() -> None:
    """For hours its breaker pauses it, which is logged; afterwards all orders are delivered."""
    bench, wms = ailing()
    wms.down = True
    journal = MemoryJournal()
    async with bench.running(journal) as connector:
        await keep_busy(bench.shop, 4)
        assert [] == await journal.read(held)
        wms.down = False
        await anyio.sleep(300)
        with anyio.fail_after(HOUR):
            await connector.drain()
        assert [] == await journal.read(held)
    assert {1} == set(wms.count().values())


@pytest.mark.parametrize("where", ["create", "find"])
async def test_a_drain_does_not_wait_for_it(where: str) -> None:
    """`run --once` ends, names the receiver for an operator, and has done all the rest."""
    bench, wms = ailing("create", where)
    start = bench.clock.monotonic()

    drained = await bench.drained(Kept())

    assert bench.clock.monotonic() - start < 1800
    assert ["wms"] == list(drained.failed)
    assert drained.failed["wms"].startswith("shop-bad: failed 1")
    assert not drained.later
    assert 5 == len(wms.count())


async def test_a_change_that_fails_by_itself_is_held_after_an_hour_of_others() -> None:
    """Like an order; a drain ends before that."""
    bench, _ = ailing("update", failure=TransientError)
    journal = MemoryJournal()
    query = "SELECT order_id, reason FROM changes JOIN orders USING (key) WHERE state = 'held'"
    async with bench.running(journal) as connector:
        await connector.drain()
        for round_ in range(4):
            for content in bench.shop.archive.values():
                content["notes"] = "new" if content["id"] == "bad" else str(round_)
            await replayed(bench, connector)
            with anyio.fail_after(HOUR):
                drained = await connector.drain()
            assert round_ == 3 or ["wms"] == list(drained.failed)
            await anyio.sleep(1500)
        ((order_id, why),) = await journal.read(lambda db: db.execute(query).fetchall())
    assert "bad" == order_id
    assert why.startswith("update: keeps failing at wms: ")


class Deaf(MemorySource):
    """A source that does not confirm the order `bad`; each response delays it again."""

    answer: AckOutcome | None = NotApplied("try again later")

    async def acknowledge(self, batch: Sequence[Acknowledgement]) -> Mapping[str, AckOutcome]:
        """Confirm all others."""
        taken = [ack for ack in batch if ack.order_id != "bad"]
        found = dict(await super().acknowledge(taken)) if taken else {}
        if len(taken) < len(batch) and self.answer is not None:
            found["bad"] = self.answer
        return found


class DeafOnce(OnceSource, Deaf):
    """The same where a repeat has an effect of its own."""


@pytest.mark.parametrize("kind", [Deaf, DeafOnce])
@pytest.mark.parametrize("answer", [NotApplied("try again later"), None], ids=["not applied", "not mentioned"])
async def test_an_acknowledgement_that_fails_by_itself_is_parked_after_an_hour_of_others(
    kind: type[Deaf], answer: AckOutcome | None
) -> None:
    """Whether the response is "later" or lacks it; a drain ends before that, and names the source."""
    bench = Bench(poll_interval=60, settle=1)
    source = kind("shop", bench.clock)
    source.answer = answer
    bench.sources["shop"] = source
    source.put("bad", "1", "2")
    journal = MemoryJournal()
    query = "SELECT order_id, ack_reason FROM orders WHERE ack_state = 'parked'"
    async with bench.running(journal) as connector:
        with anyio.fail_after(HOUR):
            drained = await connector.drain()
        assert ["shop"] == list(drained.failed)
        assert "order bad: failed 10 times in " in drained.failed["shop"]
        await keep_busy(source, 1.5)
        ((order_id, why),) = await journal.read(lambda db: db.execute(query).fetchall())
    assert "bad" == order_id
    assert why.startswith("keeps failing at shop: ")
    assert {1} == set(source.told.values())


async def test_a_report_that_fails_by_itself_is_parked_after_an_hour_of_others() -> None:
    """Like an acknowledgement."""
    yard = Yard()
    yard.source.put("1", "bad")
    journal = MemoryJournal()
    real = yard.source.report

    async def report(order_id: str, body: bytes) -> None:
        if order_id == "bad":
            raise TransientError("503")
        await real(order_id, body)

    yard.source.report = report  # type: ignore[method-assign]
    async with yard.running(journal) as connector:
        await all_done(connector)
        await connector.report("shop", "bad", event("a"))
        await connector.report("shop", "bad", event("b", 1))
        with anyio.fail_after(HOUR):
            drained = await connector.drain()
        assert ["shop"] == list(drained.failed)
        for number in range(8):
            await connector.report("shop", "1", event(str(number), number))
            await anyio.sleep(600)
        found = await states(journal)
    assert {"parked"} <= set(found["bad"])
    assert {"confirmed"} == set(found["1"])


@pytest.mark.fault(45)
async def test_a_feed_that_cannot_be_read_is_said_again(caplog: pytest.LogCaptureFixture) -> None:
    """Once at the first failed poll, then at growing intervals, as long as it lasts."""
    bench = Bench()
    bench.shop.fetch_failures.extend(TransientError("shop: not what the vendor documents") for _ in range(1000))
    async with bench.running(MemoryJournal()):
        await anyio.sleep(1.2 * HOUR)
        bench.shop.fetch_failures.clear()
        await anyio.sleep(600)
    lines = [r.message for r in caplog.records if r.name == "connector.pipeline.ingest.producer"]
    assert "source shop: not what the vendor documents" == lines[0]
    said = [line.split(" now: ")[0].removeprefix("source shop: its feed could not be read for ") for line in lines[1:]]
    assert [said[0] in ("15 minutes", "16 minutes"), *said[1:]] == [True, "30 minutes", "60 minutes"]


async def test_it_costs_the_same_however_many_fail(caplog: pytest.LogCaptureFixture) -> None:
    """Ten thousand failing items are one line, not ten thousand."""
    clock = LoopClock()
    tracker = PoisonTracker("wms", clock, None)
    with caplog.at_level(logging.WARNING):
        for _ in range(MIN_FAILURES):
            for number in range(10_000):
                tracker.failed(f"shop-{number}", "500")
            await anyio.sleep(100)
    assert 10_000 == tracker.stuck
    assert 1 == len(caplog.records)
    for number in range(10_000):
        tracker.succeeded(f"shop-{number}")
    assert not tracker
