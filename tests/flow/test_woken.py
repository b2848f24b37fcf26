"""What is due again is taken up again, however slowly the journal answers meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import anyio
import pytest

from connector.journal.base import Job, Waiting
from connector.journal.memory import MemoryJournal
from tests.doubles import lost_answer
from tests.flow.bench import Bench

pytestmark = pytest.mark.looptime


class SlowJournal(MemoryJournal):
    """Reads at once what is due, and takes its time to say so."""

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
    """The answer that nothing is due is older than the order that is."""
    bench = Bench(settle=1)
    bench.shop.put("1")
    bench.wms.delay = delay
    bench.wms.lost.append(lost_answer())

    await bench.drained(SlowJournal())

    assert {"shop-1": 1} == bench.wms.count()
    assert {} == bench.shop.feed
