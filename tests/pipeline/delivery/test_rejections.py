"""The fault of a rejection: one order's, which is reported; or ours, which pauses the receiver and reports nothing."""

from __future__ import annotations

import logging
import sqlite3
from collections import Counter
from collections.abc import Callable
from itertools import pairwise

import anyio
import pytest

from connector.errors import InDoubtError, RejectedError, TransientError
from connector.events import EndpointChanged, OrderRejected
from connector.http.endpoint import Endpoint
from connector.journal.sqlite import MemoryJournal
from connector.receivers.base import Delivery, Receipt
from connector.web.health import paused
from tests.doubles import FailingSource, LoopClock, MemoryReceiver
from tests.flow.bench import Bench

pytestmark = pytest.mark.looptime


class Choosy(MemoryReceiver):
    """A receiver that rejects the orders of `refuses`; its endpoint takes a rejection for a sign of life."""

    def __init__(self, name: str, clock: LoopClock) -> None:
        super().__init__(name, clock)
        self.refuses: Callable[[str], bool] = lambda _external_id: False
        self.times: list[float] = []
        self._clock = clock

    async def create(self, delivery: Delivery) -> Receipt:
        """Reject the order, or create it."""
        self.times.append(self._clock.monotonic())
        if self.refuses(delivery.external_id):
            self._link.guard()
            self.creates.append(delivery.external_id)
            await anyio.sleep(self.delay)
            self._link.report(None)
            raise RejectedError("X-Wms-Code is unknown")
        return await super().create(delivery)


class Bare(Choosy):
    """The same without a connection of its own."""

    @property
    def endpoint(self) -> Endpoint | None:
        """None."""
        return None


def bench_of(kind: type[Choosy] = Choosy, **options: float) -> tuple[Bench, FailingSource, Choosy]:
    """Return a bench with a source that accepts failures, and a choosy receiver."""
    bench = Bench(**options)  # type: ignore[arg-type]
    source, receiver = FailingSource("shop", bench.clock), kind("wms", bench.clock)
    bench.sources["shop"], bench.receivers["wms"] = source, receiver
    return bench, source, receiver


def ids(count: int, first: int = 1) -> list[str]:
    """Return `count` order ids."""
    return [str(number) for number in range(first, first + count)]


def failed(source: FailingSource) -> Counter[str]:
    """Return the number of failures reported for each order."""
    return Counter(order_id for order_id, outcome, _ in source.outcomes if outcome == "failed")


@pytest.mark.fault(58)
@pytest.mark.parametrize("kind", [Choosy, Bare])
async def test_a_receiver_that_refuses_everything_is_paused_and_no_source_is_told(
    kind: type[Choosy], caplog: pytest.LogCaptureFixture
) -> None:
    """A wrong code of ours makes every response a 400: no failure is reported, and the drain names the cause."""
    bench, source, wms = bench_of(kind)
    wms.refuses = lambda _: True
    source.put(*ids(100))

    drained = await bench.drained()

    assert {} == failed(source)
    assert [] == [event for event in bench.events if isinstance(event, OrderRejected)]
    assert ["wms"] == list(drained.failed)
    assert (
        "orders rejected in a row and none accepted, so most likely our settings or our account"
        in drained.failed["wms"]
    )
    assert "X-Wms-Code is unknown" in drained.failed["wms"]
    assert not drained.later
    said = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert 1 == len([line for line in said if line.startswith("wms is paused: 5 orders rejected in a row")])
    assert len(wms.creates) <= 4 + 5 + 3  # four at a time until it was seen, then one with each probe


@pytest.mark.fault(58)
async def test_after_the_mistake_is_mended_everything_is_delivered() -> None:
    """An hour of rejections costs a probe now and then; then one is accepted, and so are all the suspects."""
    bench, source, wms = bench_of()
    wms.refuses = lambda _: True
    source.put(*ids(100))
    journal = MemoryJournal()

    def breakers(db: sqlite3.Connection) -> list[tuple[str, int]]:
        return db.execute(
            "SELECT breaker, reason LIKE '% orders rejected in a row and none accepted, so %' FROM receivers"
        ).fetchall()

    async with bench.running(journal) as connector:
        await anyio.sleep(60)
        assert ["wms"] == connector.distrusted
        assert {"wms": True} == paused(connector.receivers, connector.distrusted)
        assert [("open", 1)] == await journal.read(breakers)
        await anyio.sleep(3600)
        assert len(wms.creates) < 60 * 4
        assert {} == failed(source)
        wms.refuses = lambda _: False
        await anyio.sleep(120)
        with anyio.fail_after(3600):
            await connector.drain()
        assert [] == connector.distrusted
        assert [("closed", 0)] == await journal.read(breakers)

    assert Counter(f"shop-{n}" for n in ids(100)) == wms.count()
    assert {} == failed(source)
    moves = [event.state for event in bench.events if isinstance(event, EndpointChanged) and event.endpoint == "wms"]
    assert ("open", "closed") == (moves[0], moves[-1])


@pytest.mark.fault(58)
async def test_probes_go_one_at_a_time() -> None:
    """During the pause no two orders are under way, and a pause lies between them."""
    bench, source, wms = bench_of(concurrency=8)
    wms.refuses = lambda _: True
    source.put(*ids(100))
    async with bench.running(MemoryJournal()):
        await anyio.sleep(5)
        before = len(wms.times)
        wms.most_at_once = 0
        await anyio.sleep(1800)

    probes = wms.times[before:]
    assert 10 < len(probes)
    assert min(later - earlier for earlier, later in pairwise(probes)) > 0.1
    assert len(set(wms.creates)) > 10  # not the same one over and over


@pytest.mark.fault(56)
async def test_one_bad_order_among_good_ones_is_told_once_and_not_sent_again() -> None:
    """The receiver accepts others after it: that confirms the rejection, without a second create."""
    bench, source, wms = bench_of(concurrency=1)
    wms.refuses = lambda external_id: external_id == "shop-1"
    source.put(*ids(10))

    drained = await bench.drained()

    assert Counter(["1"]) == failed(source)
    assert 1 == Counter(wms.creates)["shop-1"]
    assert 9 == len(wms.orders)
    assert {} == drained.failed


@pytest.mark.fault(56)
async def test_a_single_bad_order_is_told_after_its_second_refusal() -> None:
    """Without other orders to compare it with, it is tried once more; a drain ends by itself, soon."""
    bench, source, wms = bench_of()
    wms.refuses = lambda _: True
    source.put("1")

    start = bench.clock.monotonic()
    drained = await bench.drained()

    assert Counter(["1"]) == failed(source)
    assert 2 == len(wms.creates)
    assert bench.clock.monotonic() - start < 10
    assert {} == drained.failed


@pytest.mark.fault(56)
async def test_an_order_is_not_given_up_for_a_refusal_that_does_not_come_again() -> None:
    """A receiver rejects an order by mistake, and accepts it a second later: no failure is reported."""
    bench, source, wms = bench_of()
    source.put("1")
    wms.failures.append(RejectedError("not now"))

    await bench.drained()

    assert {} == failed(source)
    assert Counter(["shop-1"]) == wms.count()


@pytest.mark.fault(56, 58)
async def test_poison_at_the_front_does_not_block() -> None:
    """Five bad orders first pause it; a probe is accepted, and then each bad order is reported once."""
    bench, source, wms = bench_of()
    bad = {f"shop-{n}" for n in ids(8)}
    wms.refuses = lambda external_id: external_id in bad
    source.put(*ids(60))

    drained = await bench.drained()

    assert Counter(ids(8)) == failed(source)
    assert Counter(f"shop-{n}" for n in ids(52, 9)) == wms.count()
    assert {} == drained.failed


@pytest.mark.fault(58)
async def test_orders_that_come_one_by_one_are_not_given_up_one_by_one() -> None:
    """A receiver that rejects everything gets an order now and then: four are reported, then it is paused."""
    bench, source, wms = bench_of()
    wms.refuses = lambda _: True
    async with bench.running(MemoryJournal()) as connector:
        for order_id in ids(8):
            source.put(order_id)
            await anyio.sleep(300)
        assert ["wms"] == connector.distrusted

    assert 4 == len(failed(source))


@pytest.mark.fault(38, 56)
async def test_a_corrected_order_is_not_rejected_for_what_it_was() -> None:
    """Rejected, then corrected at the source before the rejection was confirmed: the new revision is delivered."""
    bench, source, wms = bench_of(poll_interval=5)
    settings = bench.settings.receivers["wms"]
    wms.refuses = lambda external_id: external_id == "shop-1" and not source.feed["1"].get("notes")
    source.put("1")
    bench.settings.receivers["wms"] = type(settings)(
        **{name: getattr(settings, name) for name in settings.__struct_fields__ if name != "retry"},
        retry=type(settings.retry)(first=settings.retry.longest, longest=settings.retry.longest),
    )
    async with bench.running(MemoryJournal()) as connector:
        await anyio.sleep(2)
        source.put("1", notes="mended")
        source.put("2")
        await anyio.sleep(10)
        await connector.drain()

    assert {} == failed(source)
    assert Counter(["shop-1", "shop-2"]) == wms.count()


@pytest.mark.fault(87)
async def test_a_paused_receiver_is_probed_by_one_order_and_goes_on() -> None:
    """The ordinary breaker: down for an hour, one call at a time, and all are delivered when it is back."""
    bench, source, wms = bench_of(concurrency=8)
    source.put(*ids(100))
    wms.down = True
    async with bench.running(MemoryJournal()) as connector:
        await anyio.sleep(60)
        wms.most_at_once = 0
        calls = len(wms.creates) + len(wms.finds_of)
        await anyio.sleep(3600)
        assert wms.most_at_once <= 1
        assert len(wms.creates) + len(wms.finds_of) - calls < 60 * 6
        wms.down = False
        await anyio.sleep(61)
        with anyio.fail_after(600):
            await connector.drain()
    assert Counter(f"shop-{n}" for n in ids(100)) == wms.count()


class FailsAtOne(Choosy):
    """A receiver that fails at every look-up of order 1, and at nothing else."""

    async def find(self, external_id: str) -> Receipt | None:
        """Fail, or look it up."""
        if external_id != "shop-1":
            return await super().find(external_id)
        self._link.guard()
        self.finds_of.append(external_id)
        self._link.report(TransientError("500"))
        raise TransientError("500")


async def test_an_order_whose_look_up_always_fails_does_not_stay_the_probe() -> None:
    """It is due again at the end of each pause, and before the new ones, which are delivered all the same."""
    bench, source, wms = bench_of(FailsAtOne, concurrency=1, settle=1)
    source.put("1")
    wms.lost.append(InDoubtError("the answer was lost"))
    async with bench.running(MemoryJournal()):
        await anyio.sleep(120)  # it is paused by then
        source.put(*ids(20, first=2))
        await anyio.sleep(600)
    assert {f"shop-{n}" for n in ids(21)} == set(wms.count())


@pytest.mark.fault(45)
async def test_one_bad_source_does_not_stop_another() -> None:
    """A source that always fails is polled now and then; the orders of the other one flow."""
    bench = Bench(sources=("shop", "depot"))
    bench.sources["shop"].fetch_failures.extend(TransientError("down") for _ in range(10_000))
    bench.sources["depot"].put(*ids(50))
    async with bench.running(MemoryJournal()):
        await anyio.sleep(600)
    assert {} == bench.sources["depot"].feed
    assert 50 == len(bench.wms.orders)
    assert bench.sources["shop"].walks < 100
