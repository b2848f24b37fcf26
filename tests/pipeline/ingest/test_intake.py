"""An order that is listed again unchanged is not read again; a changed one is."""

from __future__ import annotations

from collections import Counter

import msgspec
import pytest

from connector.journal.sqlite import MemoryJournal
from connector.order import Order
from tests.flow.bench import Bench

pytestmark = pytest.mark.looptime


async def test_what_waits_is_read_once_until_it_changes() -> None:
    """The bytes identify an unchanged order; the delivered order is always the one listed last."""
    bench = Bench()
    shop, read = bench.shop, Counter[bytes]()
    to_order = shop.to_order

    def counted(raw: bytes) -> Order:
        read[raw] += 1
        return to_order(raw)

    shop.to_order = counted  # type: ignore[method-assign]
    shop.put("1", notes="as it was")
    bench.wms.endpoint.breaker.failed("down", hopeless=True)  # type: ignore[union-attr]
    async with bench.running(MemoryJournal()) as connector:
        producer = connector._entered().stages.producers["shop"]
        for _ in range(3):
            await producer.poll()
        shop.put("1", notes="as it is")
        for _ in range(3):
            await producer.poll()
        walks = dict(read)

    assert {"as it was": 1, "as it is": 1} == {msgspec.json.decode(raw)["notes"]: times for raw, times in walks.items()}
    assert not bench.wms.orders
