"""
What it means that a complete walk of a feed does not list an order.

One that waits here, and is absent from two such walks in a row, has left the feed although its source was told nothing.
One that the source had confirmed, and listed all the same, is known to be told by the first.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime

from connector.bus import Bus
from connector.clock import Clock, wall_time
from connector.events import OrderVanished
from connector.journal.base import Journal
from connector.journal.records import Place
from connector.sources.base import Source
from connector.sources.seen_ids import SeenIds

__all__ = ["Absences", "named"]

logger = logging.getLogger(__name__)

NAMED = 10
"""Orders that the line of the log names."""


class Absences:
    """
    What one source's feed does not list although it waits here. One walk proves nothing: pages shift as they are read.

    Where orders stay in the feed (`feed_shrinks` is false), it lists a part of them at a time: absence means nothing.
    Where very many wait, a part of them is looked at, after two walks, and then the next.
    """

    def __init__(self, source: Source, settle: float, *, journal: Journal, bus: Bus, clock: Clock) -> None:
        self._source = source
        self._settle = settle
        self._journal = journal
        self._bus = bus
        self._clock = clock
        self._once: set[str] = set()
        self._after: Place | None = None
        self._looks = 0

    async def walked(self, seen: SeenIds, began: datetime) -> None:
        """Draw the conclusions from a complete walk that began then and listed `seen`."""
        if not self._source.traits.feed_shrinks:
            return
        again = await self._journal.relisted.of_source(self._source.name, began, self._settle)
        if told := [key for order_id, key in again.items() if order_id not in seen]:
            await self._journal.relisted.not_listed(told, self._clock.now())
        waiting, end = await self._journal.orders.waiting(self._source.name, began, self._after)
        absent = {order_id: key for order_id, key in waiting.items() if order_id not in seen}
        twice = {key: order_id for order_id, key in absent.items() if order_id in self._once}
        self._once = set(absent)
        self._looks += 1
        if (self._after is not None or end is not None) and self._looks > 1:
            self._after, self._looks, self._once = end, 0, set()
        if twice:
            await self._vanished(twice)

    async def _vanished(self, orders: dict[int, str]) -> None:
        name, now = self._source.name, self._clock.now()
        gone = [(key, orders[key]) for key in await self._journal.orders.vanish(list(orders), now)]
        at = wall_time(self._clock, now)
        for key, order_id in gone:
            self._bus.notice(OrderVanished(at=at, key=key, source=name, order_id=order_id))
        if gone:
            logger.warning(
                "source %s: no longer lists %d orders that were not delivered (%s): cancelled, or taken by another "
                "program? They are left alone; should they be listed again, they go on",
                name,
                len(gone),
                named([order_id for _, order_id in gone]),
            )


def named(order_ids: Sequence[str]) -> str:
    """Return the orders for a line of the log: the first of them, and how many more there are."""
    more = f" and {len(order_ids) - NAMED} more" if len(order_ids) > NAMED else ""
    return ", ".join(order_ids[:NAMED]) + more
