"""Orders that cannot be mapped: whose fault that is, as far as one receiver can tell."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from connector.clock import Clock
from connector.journal.base import Journal
from connector.journal.records import Held, Outcome
from connector.pipeline.delivery.task import DeliveryTask
from connector.pipeline.route import Route

__all__ = ["UnfitOrders"]

logger = logging.getLogger(__name__)


class UnfitOrders:
    """
    Sees to it that a source is told of such orders once another one of it could be mapped, and not before.

    `acknowledge` is called with a source when there is something to tell it.
    """

    def __init__(self, receiver: str, journal: Journal, clock: Clock, acknowledge: Callable[[str], None]) -> None:
        self._receiver = receiver
        self._journal = journal
        self._clock = clock
        self._acknowledge = acknowledge
        self._mapped: Counter[str] = Counter()
        """By source, how often some of its orders could be mapped."""
        self._taken: dict[int, int] = {}
        """By order, that number when it was taken up."""
        self._example: dict[str, int] = {}
        self._said: set[str] = set()

    def taken(self, work: DeliveryTask) -> None:
        """Take note of an order that cannot be mapped, and is looked up before it is held."""
        self._taken[work.key] = self._mapped[work.source]

    async def mapped(self, works: Iterable[DeliveryTask], lanes: Mapping[str, Route]) -> None:
        """Take note of orders that could be mapped; reject those of their sources that could not."""
        found = {
            work.source: work.key
            for work in works
            if work.delivery is not None and lanes[work.source].source.traits.accepts_failures
        }
        for source, key in found.items():
            self._mapped[source] += 1
            self._example[source] = key
            self._said.discard(source)
        if found:
            await self._believe(list(found.values()))

    async def held(self, ended: Iterable[tuple[DeliveryTask, Outcome]]) -> None:
        """Take note of what was held; of those that were held for this, say once that nobody is told yet."""
        late: set[str] = set()
        for work, outcome in ended:
            taken = self._taken.pop(work.key, self._mapped[work.source])
            if not isinstance(outcome, Held) or not outcome.unfit:
                continue
            if taken < self._mapped[work.source]:
                late.add(work.source)
            elif work.source not in self._said:
                self._said.add(work.source)
                logger.warning(
                    "source %s: order %s cannot be mapped for %s (%s), and no other one could be since: it may be our "
                    "reading or the mapping. Such orders are held, and their source is told nothing until another "
                    "one can be mapped",
                    work.source,
                    work.order_id,
                    self._receiver,
                    outcome.cause,
                )
        if late:
            await self._believe([self._example[source] for source in sorted(late)])

    async def _believe(self, mapped: list[int]) -> None:
        for source in await self._journal.deliveries.reject_unfit(self._receiver, mapped, self._clock.now()):
            self._acknowledge(source)
