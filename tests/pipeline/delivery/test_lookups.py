"""The cache of a bulk look-up, and the events that invalidate it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import anyio
import pytest

from connector.pipeline.delivery.lookups import Lookups
from connector.receivers.base import Receipt
from tests.doubles import LoopClock, MemoryReceiver

pytestmark = pytest.mark.looptime

DUE = ["shop-1", "shop-2", "shop-3", "shop-4"]


class Reading(MemoryReceiver):
    """Returns all that it has, after a second."""

    async def find_many(self, external_ids: Sequence[str]) -> Mapping[str, Receipt | None]:
        """Find all of them at once."""
        there = self.count()
        await anyio.sleep(1)
        return {each: Receipt(id="0") if there[each] else None for each in external_ids}


class Due:
    """The part of a journal that is needed here."""

    @property
    def lookup_first(self) -> Due:
        """Return the look-ups."""
        return self

    async def due(self, receiver: str, now: datetime, most: int) -> list[str]:
        """Return the orders that are due."""
        return DUE


@pytest.mark.fault(70)
async def test_an_order_that_is_created_while_many_are_read_is_asked_about_again() -> None:
    """The bulk look-up began before: its result for that order is older than the order."""
    clock = LoopClock()
    receiver: Any = Reading("wms", clock)
    journal: Any = Due()
    lookups = Lookups(receiver, journal, clock)
    async with anyio.create_task_group() as tg:
        tg.start_soon(lookups.prepare, DUE)
        await anyio.sleep(0.5)
        lookups.forget("shop-1")
        receiver.orders.append(("shop-1", b""))

    assert await lookups.find("shop-1") is not None
    assert ["shop-1"] == receiver.finds_of
    assert await lookups.find("shop-2") is None
    assert ["shop-1"] == receiver.finds_of


@pytest.mark.fault(69)
async def test_an_order_that_is_created_while_the_journal_says_what_is_due_is_asked_about_again() -> None:
    """The journal is read while the create goes out: that result must not stand for the look-up after it."""

    class Slow(Due):
        async def due(self, receiver: str, now: datetime, most: int) -> list[str]:
            await anyio.sleep(1)
            return DUE

    clock = LoopClock()
    receiver: Any = Reading("wms", clock)
    journal: Any = Slow()
    lookups = Lookups(receiver, journal, clock)
    async with anyio.create_task_group() as tg:
        tg.start_soon(lookups.prepare, DUE)
        await anyio.sleep(0.5)
        lookups.forget("shop-1")

    receiver.orders.append(("shop-1", b""))
    assert await lookups.find("shop-1") is not None
    assert await lookups.find("shop-2") is None
    assert ["shop-1"] == receiver.finds_of
