"""Records the orders on a page of a feed in the journal, and publishes the new ones."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime

from connector.bus import Bus, Publisher
from connector.causes import LISTED_AGAIN
from connector.clock import Clock
from connector.events import OrderFound
from connector.journal.base import Journal
from connector.journal.records import Arrival, Ingested, Listing, Relisted, RelistPolicy
from connector.order import Order
from connector.pipeline.ingest.intake import arrival_of, events_for, takes_cancelled
from connector.pipeline.ingest.vanished import named
from connector.pipeline.poison import MIN_FAILURES, MIN_SECONDS
from connector.pipeline.worker import Wakeups
from connector.settings.model import RouteSettings, SourceSettings
from connector.sources.base import FeedItem, Source

__all__ = ["PageRecorder"]

logger = logging.getLogger(__name__)

CACHED = 256
"""Orders that are cached as they were read: one that is listed again before its acknowledgement is mostly unchanged."""


class PageRecorder:
    """
    Records the pages of one source for the receivers of `route`.

    `changed` returns the receivers whose request differs between two listings of an order.
    """

    def __init__(
        self,
        source: Source,
        settings: SourceSettings,
        route: RouteSettings,
        publisher: Publisher,
        *,
        journal: Journal,
        bus: Bus,
        clock: Clock,
        wakeups: Wakeups,
        changed: Callable[[str, bytes, bytes], tuple[str, ...]],
    ) -> None:
        self._source = source
        self._route = route
        self._names = (*route.receivers, *route.optional)
        self._receivers = (*((name, True) for name in route.receivers), *((name, False) for name in route.optional))
        self._takes_cancelled = takes_cancelled(source, route)
        self._publisher = publisher
        self._journal = journal
        self._bus = bus
        self._clock = clock
        self._wakeups = wakeups
        self._changed = changed
        self._cache: dict[tuple[str, bytes, str], tuple[Arrival, Order | None]] = {}
        self._logged_errors: set[tuple[str, str]] = set()
        self._warned_unmappable = False
        self._relist_policy = RelistPolicy(
            settle=float(settings.settle),
            first=float(settings.retry.first),
            longest=float(settings.retry.longest),
            once=source.traits.confirms_once,
            tries=MIN_FAILURES,
            patience=MIN_SECONDS,
        )

    async def record(self, items: Sequence[FeedItem], asked_at: datetime, *, replayed: bool) -> int:
        """Record a page that was requested at `asked_at`, and publish its new orders; return their number."""
        if not items:
            return 0
        arrivals: list[Arrival] = []
        orders: list[Order | None] = []
        for item in items:
            arrival, order = self._read(item)
            arrivals.append(arrival)
            orders.append(order)
        now = self._clock.now()
        ingested = await self._journal.orders.ingest(
            self._source.name, arrivals, self._listing(asked_at, replayed=replayed), now
        )
        ingested = await self._relist(arrivals, ingested, now)
        self._warn_unmappable(arrivals, ingested)
        new = 0
        for arrival, order, taken in zip(arrivals, orders, ingested, strict=True):
            if taken.what in ("new", "changed"):
                new += 1
                await self._publish(arrival, order, taken)
            elif taken.what == "amended":
                for receiver in self._names:
                    self._wakeups.wake("changes", receiver)
            if taken.what == "reacknowledge" or taken.ack is not None:
                self._wakeups.wake("acks", self._source.name)
        self._warn_left(
            [arrival.order_id for arrival, taken in zip(arrivals, ingested, strict=True) if taken.what == "left"]
        )
        return new

    def _listing(self, asked_at: datetime, *, replayed: bool) -> Listing:
        return Listing(
            asked_at=asked_at,
            exported=replayed or not self._source.traits.feed_shrinks,
            replayed=replayed,
            on_change=self._route.on_change,
            on_cancel=self._route.on_cancel,
            again=self._relist_policy,
        )

    def _read(self, item: FeedItem) -> tuple[Arrival, Order | None]:
        """Read an item of the feed, once for the same bytes while its order is under way."""
        key = (item.order_id, item.raw, item.skip)
        found = self._cache.get(key)
        if found is None:
            found = arrival_of(
                self._source, item, self._receivers, self._logged_errors, cancelled=self._takes_cancelled
            )
            if found[1] is not None:
                if len(self._cache) >= CACHED:
                    self._cache.clear()
                self._cache[key] = found
        return found

    async def _relist(self, arrivals: Sequence[Arrival], ingested: list[Ingested], now: datetime) -> list[Ingested]:
        """
        Record the new listing of orders that wait for an operator; return the results with theirs.

        An order whose request changes by that is tried again, though its revision does not show the change.
        """
        waiting = {
            taken.key: Relisted(
                taken.key, taken.version, arrival.raw, self._changed(arrival.order_id, taken.kept, arrival.raw)
            )
            for arrival, taken in zip(arrivals, ingested, strict=True)
            if taken.kept is not None
        }
        if not waiting:
            return ingested
        answers = await self._journal.orders.relist(self._source.name, list(waiting.values()), now)
        done = {answer.key: answer for answer in answers}
        return [done.get(taken.key, taken) if taken.kept is not None else taken for taken in ingested]

    def _warn_left(self, order_ids: Sequence[str]) -> None:
        if order_ids:
            logger.warning(
                "source %s: lists %s again although it had confirmed %s; held for an operator: see "
                "`connector orders --cause '%s'`",
                self._source.name,
                named(order_ids),
                "them" if len(order_ids) > 1 else "it",
                LISTED_AGAIN,
            )

    def _warn_unmappable(self, arrivals: Sequence[Arrival], ingested: Sequence[Ingested]) -> None:
        """Log the first order that cannot be mapped since another one could."""
        for arrival, taken in zip(arrivals, ingested, strict=True):
            if not arrival.unfit:
                self._warned_unmappable = self._warned_unmappable and arrival.state != "new"
            elif taken.what in ("new", "changed") and not self._warned_unmappable:
                self._warned_unmappable = True
                logger.warning(
                    "source %s: order %s cannot be mapped (%s), and no other order could be mapped since: the error "
                    "may be in our reading. Such orders are held, and their source is not notified until another order "
                    "can be mapped",
                    self._source.name,
                    arrival.order_id,
                    arrival.cause,
                )

    async def _publish(self, arrival: Arrival, order: Order | None, taken: Ingested) -> None:
        name = self._source.name
        if order is not None:
            found = OrderFound(
                key=taken.key,
                source=name,
                order_id=arrival.order_id,
                order=order,
                revision=arrival.revision,
                receivers=self._names,
                look_up=taken.look_up,
                version=taken.version,
            )
            await self._publisher.publish(found, *self._route.receivers)
            for receiver in self._route.optional:
                await self._publisher.offer(found, receiver)  # without room the consumer finds it in the journal
        else:
            for event in events_for(arrival, taken.key, name):
                self._bus.notice(event)
