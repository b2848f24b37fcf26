"""A crash at any moment, and a start on the same journal, loses no order and duplicates none."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import anyio
import pytest

from connector.app import Connector
from connector.errors import TransientError
from connector.journal.sqlite import MemoryJournal
from connector.receivers.base import Delivery, Receipt
from tests.doubles import LoopClock, MemoryReceiver, lost_answer
from tests.flow.bench import Bench

pytestmark = pytest.mark.looptime


class Kept(MemoryJournal):
    """A journal that survives its connector, as a file does."""

    async def aclose(self) -> None:
        """Stay open for the next connector."""


class Early(MemoryReceiver):
    """A receiver that creates an order before it responds, so that a caller stopped meanwhile cannot see the result."""

    async def create(self, delivery: Delivery) -> Receipt:
        """Create the order, then let time pass."""
        self._link.guard()
        self.creates.append(delivery.external_id)
        if self.failures:
            raise self.failures.popleft()
        self.orders.append((delivery.external_id, delivery.body))
        number = len(self.orders) - 1
        await anyio.sleep(self.delay)
        self._link.report(None)
        return Receipt(id=str(number), reference=f"R{number}")


async def stopped_dead(bench: Bench, journal: Kept, after: float) -> None:
    """Run a connector and cancel it natively after `after` seconds, wherever it is."""
    connector = Connector(
        bench.settings, sources=bench.sources, receivers=bench.receivers, journal=journal, clock=bench.clock
    )
    async with connector:
        task = asyncio.create_task(connector.run())
        await asyncio.sleep(after)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


@pytest.mark.parametrize("seed", range(60))
async def test_stopped_dead_again_and_again(seed: int) -> None:
    """After any number of crashes each order is at the receiver once, and acknowledged."""
    chance = random.Random(seed)
    bench = Bench(
        concurrency=chance.choice([1, 3, 8]), settle=20, page_size=chance.choice([3, 10, 50]), ack_interval=0.5
    )
    bench.clock = LoopClock(seed)
    receiver = (Early if chance.random() < 0.6 else MemoryReceiver)(
        "wms", bench.clock, delay=chance.choice([0.001, 0.02])
    )
    bench.receivers["wms"] = receiver
    count = chance.randrange(5, 60)
    bench.shop.put(*(str(number) for number in range(count)))
    for _ in range(chance.randrange(4)):
        receiver.failures.append(chance.choice([lost_answer(), TransientError("refused")]))
        receiver.lost.append(lost_answer())
        bench.shop.lost.append(lost_answer())
    journal = Kept()

    for _ in range(chance.randrange(1, 6)):
        await stopped_dead(bench, journal, chance.uniform(0, 0.1) if chance.random() < 0.7 else chance.uniform(0, 40))
    await bench.drained(journal)

    assert Counter({f"shop-{number}": 1 for number in range(count)}) == receiver.count()
    assert {} == bench.shop.feed
    await MemoryJournal.aclose(journal)


async def test_a_graceful_stop_finishes_what_is_under_way_and_leaves_nothing_in_doubt() -> None:
    """After a stop in the middle nothing is in doubt, deliveries are acknowledged, and the next run does the rest."""
    bench = Bench(concurrency=2, settle=3000)
    bench.wms.delay = 0.5
    bench.shop.put(*(str(number) for number in range(40)))
    journal = Kept()
    async with bench.running(journal) as connector:
        await anyio.sleep(3)
        connector.stop()

    assert 0 < len(bench.wms.orders) < 40
    assert 40 - len(bench.wms.orders) == len(bench.shop.feed)
    start = bench.clock.monotonic()

    await bench.drained(journal)

    assert 40 == len(bench.wms.orders)
    assert bench.clock.monotonic() - start < 3000
    await MemoryJournal.aclose(journal)
