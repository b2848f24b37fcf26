"""Settings that change while acknowledgements wait: each is sent under the settings of its time, in its own calls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import msgspec
import pytest
from aiohttp import web
from msgspec.structs import replace

from connector.app import Connector
from connector.errors import InDoubtError, TransientError
from connector.sandbox.server import Fault, serving
from connector.sandbox.traede.app import TraedeStandIn
from connector.settings.model import RetrySettings
from connector.settings.values import Duration, Url
from connector.sources.base import Acknowledgement, AckOutcome
from connector.sources.traede.source import TraedeOrders
from tests.contracts.source_harness import numbers
from tests.doubles import LoopClock, MemorySource
from tests.flow.bench import Bench
from tests.flow.test_crash import Kept, stopped_dead
from tests.sources.traede.bench import marks, order, settings


class Stock(MemorySource):
    """A source with `terms`; an acknowledgement under any terms but "calm" has an effect each time."""

    def __init__(self, name: str, clock: LoopClock, terms: str) -> None:
        super().__init__(name, clock)
        self.terms = terms
        self.under: list[dict[str, str]] = []
        self.asked: list[tuple[float, tuple[str, ...]]] = []
        self.traits = replace(self.traits, ack_idempotent=terms == "calm")
        self._clock = clock

    def is_idempotent(self, ack: Acknowledgement) -> bool:
        """True under its own terms."""
        return (ack.terms or self.terms) == "calm"

    async def acknowledge(self, batch: Sequence[Acknowledgement]) -> Mapping[str, AckOutcome]:
        """Record the terms."""
        self.under.append({ack.order_id: ack.terms or self.terms for ack in batch})
        return await super().acknowledge(batch)

    async def is_acknowledged(self, acks: Sequence[Acknowledgement]) -> Mapping[str, bool]:
        """Record the orders, and the time."""
        self.asked.append((self._clock.monotonic(), tuple(ack.order_id for ack in acks)))
        return await super().is_acknowledged(acks)


def restarted(bench: Bench, terms: str) -> Stock:
    """Put other settings in force; the vendor's orders are the same."""
    before = bench.shop
    bench.sources["shop"] = after = Stock("shop", bench.clock, terms)
    after.feed, after.told = before.feed, before.told
    return after


@pytest.mark.looptime
@pytest.mark.fault(102, 103)
async def test_what_waits_keeps_its_terms_and_shares_no_call_with_what_comes() -> None:
    """However often they change; later acknowledgements are sent under the settings of then."""
    bench = Bench(ack_interval=60)
    bench.receivers["wms"].delay = 0.001
    journal = Kept()
    for terms, ids in (("calm", "abc"), ("moves", "defgh"), ("calm", "i"), ("other", "jkl")):
        shop = restarted(bench, terms)
        shop.put(*ids)
        shop.failures.extend([TransientError("down")] * 1000)
        await stopped_dead(bench, journal, 10)
    shop.failures.clear()
    shop.put("m")
    shop.under.clear()

    await bench.drained(journal)

    assert all(len(set(call.values())) == 1 for call in shop.under)
    told = {order_id: terms for call in shop.under for order_id, terms in call.items()}
    assert told == (
        dict.fromkeys("abc", "calm") | dict.fromkeys("defgh", "moves") | {"i": "calm"} | dict.fromkeys("jklm", "other")
    )
    assert set(shop.told.values()) == {1}
    assert not shop.feed


@pytest.mark.looptime
@pytest.mark.fault(103)
async def test_a_lost_answer_is_judged_by_the_terms_of_then() -> None:
    """One that is not idempotent is read back after the settle time, though the settings are calm by now."""
    bench = Bench()
    journal = Kept()
    shop = restarted(bench, "moves")
    shop.put(*numbers(10))
    shop.lost.append(InDoubtError("no answer"))
    await stopped_dead(bench, journal, 5)
    assert (set(shop.told.values()), shop.feed) == ({1}, {})

    shop = restarted(bench, "calm")
    shop.put("new")
    since = bench.clock.monotonic()
    await bench.drained(journal)

    ((at, asked),) = shop.asked
    assert at - since >= 30
    assert set(asked) == set(numbers(10))
    assert shop.under == [{"new": "calm"}]
    assert set(shop.told.values()) == {1}


@pytest.mark.looptime
async def test_a_lost_answer_of_calm_terms_is_not_asked_about_for_those_of_now() -> None:
    """It is sent again under its own terms, beside those that have to be read back."""
    bench = Bench()
    journal = Kept()
    shop = restarted(bench, "calm")
    shop.put("1")
    shop.lost.extend([InDoubtError("no answer")] * 1000)
    await stopped_dead(bench, journal, 5)
    shop = restarted(bench, "moves")

    await bench.drained(journal)

    assert shop.asked == []
    assert shop.under == [{"1": "calm"}]


@pytest.mark.looptime
async def test_what_is_listed_again_is_told_under_the_terms_of_now() -> None:
    """The new settings may be the reason: another system has no export yet, and needs an acknowledgement of its own."""
    bench = Bench()
    journal = Kept()
    shop = restarted(bench, "one system")
    shop.put("1")
    shop.failures.extend([TransientError("down")] * 1000)
    await stopped_dead(bench, journal, 5)
    shop = restarted(bench, "calm")
    await bench.drained(journal)
    assert shop.under == [{"1": "one system"}]
    await anyio.sleep(31)
    shop.put("1")
    await bench.drained(journal)
    assert shop.under == [{"1": "one system"}, {"1": "calm"}]
    shop = restarted(bench, "another system")
    await anyio.sleep(31)
    shop.put("1")
    await bench.drained(journal)
    assert shop.under == []  # told under these, something might be done twice: a person decides


class Traede:
    """A bench with orders at a Traede stand-in, served for one test."""

    def __init__(self, vendor: TraedeStandIn, base: str) -> None:
        self.vendor = vendor
        self.bench = Bench(settle=0.1)
        self.journal = Kept()
        self._base = base
        [own] = self.bench.settings.routes
        self._route = msgspec.structs.replace(own, source="wholesale")

    def connector(self, **changes: Any) -> Connector:
        """Return a connector whose settings for Traede are `changes`."""
        own = settings(
            base_url=Url(self._base),
            settle=Duration(0),  # its list is believed at once, however soon it is read again
            ack_interval=Duration(0.01),
            retry=RetrySettings(first=Duration(0.01), longest=Duration(0.05)),
            **changes,
        )
        made: Any = TraedeOrders("wholesale", own, self.bench.clock)
        whole = msgspec.structs.replace(self.bench.settings, sources={"wholesale": own}, routes=[self._route])
        return Connector(
            whole,
            sources={"wholesale": made},
            receivers=self.bench.receivers,
            journal=self.journal,
            clock=self.bench.clock,
        )

    async def stopped_dead_at_the_second_mark(self, **changes: Any) -> None:
        """Let the first mark be applied and its response lost, and end while the second one is under way."""
        second = asyncio.Event()

        def mark(request: web.Request) -> bool:
            return request.path.endswith("mark-as-exported")

        def then(request: web.Request) -> bool:
            if mark(request):
                second.set()
            return mark(request)

        self.vendor.fault(Fault.LOSE_ANSWER, on=mark)
        self.vendor.fault(Fault.HANG, on=then)
        async with self.connector(**changes) as connector:
            task = asyncio.create_task(connector.run())
            async with asyncio.timeout(20):
                await second.wait()
                while (await self.journal.open_work()).deliveries:  # noqa: ASYNC110 - no time passes
                    await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    async def drained(self, **changes: Any) -> None:
        """Run until nothing is new."""
        async with self.connector(**changes) as connector, anyio.create_task_group() as tg:
            tg.start_soon(connector.run)
            with anyio.fail_after(20):
                await connector.drain()
            connector.stop()


@asynccontextmanager
async def wholesale(count: int) -> AsyncIterator[Traede]:
    """Serve `count` orders."""
    vendor = TraedeStandIn(orders=[order(number) for number in range(1, count + 1)])
    async with serving(vendor) as base:
        yield Traede(vendor, base)


@pytest.mark.fault(102, 103)
async def test_stock_moves_once_though_the_settings_changed_between() -> None:
    """Traede: orders of the time when marks moved stock move it, once; later orders move none."""
    async with wholesale(25) as h:
        await h.stopped_dead_at_the_second_mark(regulate_inventory=True)
        (first,) = [len(call["orders"]) for call in marks(h.vendor)[:1]]
        assert sum(h.vendor.regulated.values()) == first  # the second one was not applied
        for number in range(26, 32):
            h.vendor.orders[number] = order(number)

        await h.drained(regulate_inventory=False)

        assert dict(h.vendor.regulated) == dict.fromkeys(range(1, 26), 1)
        assert sorted(mark["order_id"] for _, mark in h.vendor.marked) == [*range(1, 32)]
        for call in marks(h.vendor):
            assert len({mark["regulate_inventory"] for mark in call["orders"]}) == 1


@pytest.mark.fault(102, 103)
async def test_a_mark_for_one_system_is_made_and_looked_for_in_its_own_feed() -> None:
    """Under another `system_id` Traede lists all again: they are marked there, and moved stock is left alone."""
    async with wholesale(15) as h:
        await h.stopped_dead_at_the_second_mark(system_id="old", regulate_inventory=True)

        for _ in range(2):  # what the first run told for the old system is told for the new one by the second
            await h.drained(system_id="new", regulate_inventory=False, include_archived=True)

        assert dict(h.vendor.regulated) == dict.fromkeys(range(1, 16), 1)
        assert {(system, number) for _, system, number in h.vendor.exported} == {
            (system, number) for system in ("old", "new") for number in range(1, 16)
        }
        assert len(h.vendor.marked) == 30
        for call in marks(h.vendor):
            assert len({(mark["system_id"], mark["regulate_inventory"]) for mark in call["orders"]}) == 1
