"""A plugin that breaks the protocol, or cannot be loaded, beside sources and receivers that work."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest

from connector.ack import NotApplied
from connector.journal.sqlite import MemoryJournal
from connector.receivers.base import Delivery, Receipt
from connector.registry import BrokenReceiver, BrokenSource
from connector.sources.base import FeedItem, Page
from tests.doubles import MemoryReceiver
from tests.flow.bench import Bench
from tests.flow.test_crash import Kept
from tests.simulation.vendors.plugin import ODD

pytestmark = [pytest.mark.fault(138), pytest.mark.looptime]


@pytest.mark.parametrize("given", ODD, ids=range(len(ODD)))
async def test_a_feed_of_wrong_types_stops_its_own_source_only(given: Any) -> None:
    """The source is named with the reason, and all others are drained."""
    bench = Bench(sources=("shop", "plugged"))
    bench.shop.put("1", "2")

    async def fetch(gone: Callable[[], int]) -> AsyncGenerator[Page]:
        yield given

    bench.sources["plugged"].fetch = fetch  # type: ignore[method-assign]
    async with bench.running(MemoryJournal()) as connector:
        drained = await connector.drain()

    assert ["plugged"] == list(drained.failed)
    assert "correct the source's code" in drained.failed["plugged"]
    assert not drained.later
    assert ["shop-1", "shop-2"] == sorted(bench.wms.count())


@pytest.mark.parametrize("given", [None, True, Receipt(id=5), Receipt(id="5", reference=7)])  # type: ignore[arg-type]
async def test_a_receipt_of_a_wrong_type_leaves_the_order_in_doubt(given: Any) -> None:
    """The order may exist: it is looked up, and the orders of another receiver continue."""

    class Odd(MemoryReceiver):
        async def create(self, delivery: Delivery) -> Receipt:
            await super().create(delivery)
            return given  # type: ignore[no-any-return]

    bench = Bench("wms", "odd")
    bench.receivers["odd"] = Odd("odd", bench.clock)
    bench.shop.put("1")
    async with bench.running(MemoryJournal()) as connector:
        await connector.drain()

    assert {"shop-1": 1} == bench.wms.count() == bench.receivers["odd"].count()
    assert {"1"} == set(bench.shop.told)


@pytest.mark.parametrize("given", [None, [], {"1": True}, {"1": NotApplied(5)}, {"1": NotApplied("x", "soon")}])  # type: ignore[arg-type]
async def test_outcomes_of_a_wrong_type_are_no_answer(given: Any) -> None:
    """The acknowledgement is in doubt three times, then parked for an operator, and the run goes on."""
    bench = Bench(sources=("shop", "plugged"))
    bench.shop.put("2")
    bench.sources["plugged"].put("1")

    async def acknowledge(_batch: Any) -> Any:
        return given

    bench.sources["plugged"].acknowledge = acknowledge  # type: ignore[assignment, method-assign]
    journal = MemoryJournal()
    async with bench.running(journal) as connector:
        await connector.drain()

    assert {"2"} == set(bench.shop.told)
    assert ["plugged-1", "shop-2"] == sorted(bench.wms.count())


async def test_orders_wait_for_a_receiver_whose_plugin_is_missing() -> None:
    """No order is mapped, sent or acknowledged; the next start with the plugin delivers them, once."""
    bench = Bench("wms", "erp")
    bench.shop.put("1")
    there = bench.receivers["erp"]
    bench.receivers["erp"] = BrokenReceiver("erp", bench.settings.receivers["erp"], bench.clock, "not installed")  # type: ignore[assignment]
    journal = Kept()
    async with bench.running(journal) as connector:
        drained = await connector.drain()
        assert {"erp": "not installed"} == connector.broken == dict(drained.failed)
    assert not drained.later
    assert ["shop-1"] == list(bench.wms.count())
    assert not bench.shop.told

    bench.receivers["erp"] = there
    assert {} == (await bench.drained(journal)).failed

    assert {"shop-1": 1} == there.count() == bench.wms.count()
    assert {"1": 1} == bench.shop.told
    await MemoryJournal.aclose(journal)


async def test_orders_of_a_source_whose_plugin_is_missing_are_held_and_released() -> None:
    """Without the plugin the waiting orders cannot be read: they are held until a start with it."""
    bench = Bench()
    bench.shop.put("1")
    shop = bench.shop
    journal = Kept()
    bench.wms.down = True
    await bench.drained(journal)

    bench.wms.down = False
    bench.sources["shop"] = BrokenSource("shop", bench.settings.sources["shop"], bench.clock, "not installed")  # type: ignore[assignment]
    async with bench.running(journal) as connector:
        drained = await connector.drain()
        causes = await journal.holds.causes()
    assert (["plugin of shop cannot be used"], ["shop"]) == (list(causes), list(drained.failed))
    assert not bench.wms.orders

    bench.sources["shop"] = shop
    await bench.drained(journal)
    assert {"shop-1": 1} == bench.wms.count()
    assert {"1": 1} == shop.told
    await MemoryJournal.aclose(journal)


def test_the_odd_things_are_many() -> None:
    """One for each attribute of a page that the flow reads."""
    assert len(ODD) >= 9
    assert isinstance(ODD[0].items[0], FeedItem)
