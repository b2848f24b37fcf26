"""
Detects orders that have vanished from a feed, by the orders that a complete poll does not list.

- An order that waits here, and is absent from two complete polls in a row, has left the feed without our doing.
- An order that its source had confirmed and listed all the same is absent from one complete poll: the confirmation
  has taken effect.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime

from connector.bus import Bus
from connector.clock import Clock
from connector.events import OrderVanished
from connector.journal.base import Journal
from connector.journal.records import Place
from connector.sources.base import Source
from connector.sources.seen_ids import SeenIds

__all__ = ["VanishedOrders", "named"]

logger = logging.getLogger(__name__)

NAMED = 10
"""Orders that a log line names."""


class VanishedOrders:
    """
    Compares one source's polls with the orders that wait here. One poll proves nothing: pages shift while being read.

    - A feed that does not shrink (`SourceTraits.feed_shrinks`) lists a part of the orders at a time, so absence proves
      nothing, and no poll is compared.
    - Of very many waiting orders, one part is compared with two polls, and then the next part.
    """

    def __init__(self, source: Source, settle: float, *, journal: Journal, bus: Bus, clock: Clock) -> None:
        self._source = source
        self._settle = settle
        self._journal = journal
        self._bus = bus
        self._clock = clock
        self._absent_once: set[str] = set()
        self._after: Place | None = None
        self._polls = 0

    async def polled(self, seen: SeenIds, began: datetime) -> None:
        """Compare a complete poll that began at `began` and listed the orders `seen`."""
        if not self._source.traits.feed_shrinks:
            return
        again = await self._journal.relisted.of_source(self._source.name, began, self._settle)
        if gone := [key for order_id, key in again.items() if order_id not in seen]:
            await self._journal.relisted.not_listed(gone, self._clock.now())
        waiting, end = await self._journal.orders.waiting(self._source.name, began, self._after)
        absent = {order_id: key for order_id, key in waiting.items() if order_id not in seen}
        twice = {key: order_id for order_id, key in absent.items() if order_id in self._absent_once}
        self._absent_once = set(absent)
        self._polls += 1
        if (self._after is not None or end is not None) and self._polls > 1:
            self._after, self._polls, self._absent_once = end, 0, set()
        if twice:
            await self._record(twice)

    async def _record(self, orders: dict[int, str]) -> None:
        name = self._source.name
        vanished = [(key, orders[key]) for key in await self._journal.orders.vanish(list(orders), self._clock.now())]
        for key, order_id in vanished:
            self._bus.notice(OrderVanished(key=key, source=name, order_id=order_id))
        if vanished:
            logger.warning(
                "source %s: no longer lists %d orders that were not delivered (%s): cancelled, or taken by another "
                "program? They are left alone; if they are listed again, they are delivered",
                name,
                len(vanished),
                named([order_id for _, order_id in vanished]),
            )


def named(order_ids: Sequence[str]) -> str:
    """Return the first orders for a log line, and the number of the others."""
    more = f" and {len(order_ids) - NAMED} more" if len(order_ids) > NAMED else ""
    return ", ".join(order_ids[:NAMED]) + more
