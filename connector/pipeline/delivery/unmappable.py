"""Orders that cannot be mapped: decides when the error is in the order, so that its source may learn of it."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping

from connector.clock import Clock
from connector.journal.base import Journal
from connector.journal.records import Held, Outcome
from connector.pipeline.delivery.task import DeliveryTask
from connector.pipeline.routes import Route
from connector.pipeline.worker import Wakeups

__all__ = ["UnmappableOrders"]

logger = logging.getLogger(__name__)


class UnmappableOrders:
    """
    Rejects the unmappable orders of a source at one receiver once another order of that source could be mapped.

    Until then the error may be in our mapping, and the orders are only held. A source is woken to be acknowledged when
    some of its orders were rejected.
    """

    def __init__(self, receiver: str, journal: Journal, clock: Clock, wakeups: Wakeups) -> None:
        self._receiver = receiver
        self._journal = journal
        self._clock = clock
        self._wakeups = wakeups
        self._mapped: Counter[str] = Counter()
        """By source, the number of batches in which an order could be mapped."""
        self._started: dict[int, int] = {}
        """By order, that number when the order was taken up."""
        self._example: dict[str, int] = {}
        self._warned: set[str] = set()

    def started(self, task: DeliveryTask) -> None:
        """Note an order that cannot be mapped, and is looked up before it is held."""
        self._started[task.key] = self._mapped[task.source]

    async def mapped(self, tasks: Iterable[DeliveryTask], routes: Mapping[str, Route]) -> None:
        """Note orders that could be mapped; reject the held ones of their sources that could not."""
        found = {
            task.source: task.key
            for task in tasks
            if task.delivery is not None and routes[task.source].source.traits.accepts_failures
        }
        for source, key in found.items():
            self._mapped[source] += 1
            self._example[source] = key
            self._warned.discard(source)
        if found:
            await self._reject(list(found.values()))

    async def held(self, ended: Iterable[tuple[DeliveryTask, Outcome]]) -> None:
        """Note the unmappable orders among those that were held; log the first one of each source."""
        late: set[str] = set()
        for task, outcome in ended:
            started = self._started.pop(task.key, self._mapped[task.source])
            if not isinstance(outcome, Held) or not outcome.unfit:
                continue
            if started < self._mapped[task.source]:
                late.add(task.source)
            elif task.source not in self._warned:
                self._warned.add(task.source)
                logger.warning(
                    "source %s: order %s cannot be mapped for %s (%s), and no other order could be mapped since: the "
                    "error may be in our reading or in the mapping. Such orders are held, and their source is not "
                    "notified until another order can be mapped",
                    task.source,
                    task.order_id,
                    self._receiver,
                    outcome.cause,
                )
        if late:
            await self._reject([self._example[source] for source in sorted(late)])

    async def _reject(self, mapped: list[int]) -> None:
        """Reject the held orders of the sources of the orders `mapped`."""
        for source in await self._journal.deliveries.reject_unfit(self._receiver, mapped, self._clock.now()):
            self._wakeups.wake("acks", source)
