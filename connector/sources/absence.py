"""Which orders have left a feed although they were not told about: absent from two complete walks in a row."""

from __future__ import annotations

import logging
from datetime import datetime
from itertools import islice

from connector.bus import Bus
from connector.clock import Clock
from connector.events import OrderVanished
from connector.ids import Ids
from connector.journal.absent import Place
from connector.journal.base import Journal
from connector.sources.base import Source
from connector.steady import wall_time

__all__ = ["Absences"]

logger = logging.getLogger(__name__)

NAMED = 10
"""Orders that the line of the log names."""


class Absences:
    """
    What one source's feed does not list although it waits here. One walk proves nothing: pages shift as they are read.

    A source whose orders stay in the feed (`shrinks` is false) lists a part of them at a time: absence means nothing.
    Where very many wait, a part of them is looked at, after two walks, and then the next.
    """

    def __init__(self, source: Source, *, journal: Journal, bus: Bus, clock: Clock) -> None:
        self._source = source
        self._journal = journal
        self._bus = bus
        self._clock = clock
        self._once: set[str] = set()
        self._after: Place | None = None
        self._looks = 0

    async def walked(self, seen: Ids, began: datetime) -> None:
        """Draw the conclusions from a complete walk that began then and listed `seen`."""
        if not self._source.shrinks:
            return
        waiting, end = await self._journal.waiting_orders(self._source.name, began, self._after)
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
        gone = [(key, orders[key]) for key in await self._journal.vanish(list(orders), now)]
        at = wall_time(self._clock, now)
        for key, order_id in gone:
            self._bus.notice(OrderVanished(at=at, key=key, source=name, order_id=order_id))
        if gone:
            named = ", ".join(order_id for _, order_id in islice(gone, NAMED))
            more = f" and {len(gone) - NAMED} more" if len(gone) > NAMED else ""
            logger.warning(
                "source %s: no longer lists %d orders that were not delivered (%s%s): cancelled, or taken by another "
                "program? They are left alone; should they be listed again, they go on",
                name,
                len(gone),
                named,
                more,
            )
