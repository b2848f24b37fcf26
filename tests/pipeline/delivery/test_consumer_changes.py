"""Orders that their source changes while they are in hand, or after they were tried."""

from __future__ import annotations

import anyio
import pytest

from connector.errors import ConflictError, TransientError
from connector.journal.sqlite import MemoryJournal
from connector.receivers.base import Receipt
from tests.flow.bench import Bench

pytestmark = pytest.mark.looptime


@pytest.mark.fault(31)
async def test_an_order_that_changes_while_it_is_looked_up_is_delivered_as_it_is_now() -> None:
    """Its event comes while the old revision is in hand, and is not the last one (faults.md #31)."""
    bench = Bench(poll_interval=2)
    bench.shop.put("1", notes="old")
    bench.wms.failures.append(TransientError("busy"))
    find = bench.wms.find

    async def slow(external_id: str) -> Receipt | None:
        await anyio.sleep(30)
        return await find(external_id)

    bench.wms.find = slow  # type: ignore[method-assign]
    async with bench.running(MemoryJournal()):
        await anyio.sleep(5)
        bench.shop.put("1", notes="new")
        await anyio.sleep(300)
    assert [b'{"external_id":"shop-1","notes":"new"}'] == [body for _, body in bench.wms.orders]


@pytest.mark.fault(38)
async def test_an_order_that_was_tried_is_looked_up_before_its_correction_is_created() -> None:
    """The receiver may have it, although it is held (faults.md #38, S6): a correction must not duplicate it."""
    bench = Bench(poll_interval=2)
    bench.shop.put("1", notes="old")
    bench.wms.lost.append(ConflictError("the answer names another order"))
    async with bench.running(MemoryJournal()):
        await anyio.sleep(5)
        bench.shop.put("1", notes="new")
        await anyio.sleep(300)
    assert {"shop-1": 1} == bench.wms.count()
