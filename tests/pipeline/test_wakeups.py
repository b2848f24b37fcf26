"""Due work is resumed, however slowly the journal responds meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import anyio
import msgspec
import pytest
from msgspec.structs import replace

from connector.ack import Acknowledgement
from connector.journal.records import Job, Waiting
from connector.journal.sqlite import MemoryJournal
from connector.journal.tables.acks import AcksTable
from connector.journal.tables.deliveries import DeliveriesTable
from connector.settings.values import Duration
from tests.contracts.journal_bench import at, delivered, found
from tests.doubles import MemorySource, lost_answer
from tests.flow.bench import Bench

pytestmark = pytest.mark.looptime


class SlowDeliveries(DeliveriesTable):
    """Reads the due deliveries at once, and returns them late."""

    async def due(self, receiver: str, states: Sequence[Waiting], now: datetime, limit: int) -> list[Job]:
        """Answer late."""
        found = await super().due(receiver, states, now, limit)
        await anyio.sleep(0.3)
        return found

    async def next_due(self, receiver: str, states: Sequence[Waiting], after: datetime) -> datetime | None:
        """Answer late."""
        found = await super().next_due(receiver, states, after)
        await anyio.sleep(0.3)
        return found


@pytest.mark.parametrize("delay", [0.1, 0.2, 0.4, 0.5, 0.7])
async def test_what_falls_in_doubt_while_the_journal_is_read_is_not_forgotten(delay: float) -> None:
    """A result without due deliveries is older than the delivery that falls due meanwhile."""
    bench = Bench(settle=1)
    bench.shop.put("1")
    bench.wms.delay = delay
    bench.wms.lost.append(lost_answer())

    journal = MemoryJournal()
    journal.deliveries = SlowDeliveries(journal.store)
    await bench.drained(journal)

    assert {"shop-1": 1} == bench.wms.count()
    assert {} == bench.shop.feed


async def test_an_order_that_comes_in_while_the_receiver_is_paused_is_taken_up_after_the_pause() -> None:
    """Also if another caller paused it (a log-in, a poll of statuses), so that the consumer waits for nothing."""
    bench = Bench()
    async with bench.running(MemoryJournal()):
        await anyio.sleep(10)
        bench.wms._link.breaker.failed("somebody else's call failed", hopeless=True)
        await anyio.sleep(20)  # the pause is over, and nobody has tried
        bench.shop.put("1")
        await anyio.sleep(60)

    assert {"shop-1": 1} == bench.wms.count()


class SlowAcks(AcksTable):
    """Reads the due acknowledgements at once, and returns them late."""

    async def due(self, source: str, state: Literal["pending", "in_doubt"], now: datetime) -> list[Acknowledgement]:
        """Answer late."""
        found = await super().due(source, state, now)
        await anyio.sleep(0.3)
        return found


class Counting(MemorySource):
    """A source where each acknowledgement has an effect of its own."""

    traits = replace(MemorySource.traits, ack_idempotent=False)


@pytest.mark.fault(18)
@pytest.mark.parametrize("settle", [0.1, 0.2, 0.4, 0.7, 1.0])
async def test_an_acknowledgement_that_becomes_askable_while_the_journal_is_read_is_not_forgotten(
    settle: float,
) -> None:
    """
    A call that a crash left in doubt is read back once the source must have applied it, not at the next start.

    That time may come while the journal is read, after the check that it has not come yet.
    """
    bench = Bench()
    journal = MemoryJournal()
    journal.acks = SlowAcks(journal.store)
    key = await found(journal, "1")
    await delivered(journal, key)
    assert [True] == await journal.acks.claim([key], at())
    shop = Counting("shop", bench.clock)
    shop.put("1")
    bench.sources["shop"] = shop
    bench.settings.sources["shop"] = msgspec.structs.replace(bench.settings.sources["shop"], settle=Duration(settle))

    with anyio.fail_after(60):
        await bench.drained(journal)

    assert {"1": 1} == shop.told
