"""The producer: walks one source's feed, records what it lists, and puts what is new on the bus."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import aclosing
from datetime import datetime
from hashlib import blake2b
from typing import Literal

import anyio

from connector.bus import Bus, Publisher
from connector.clock import Clock, backoff
from connector.errors import ConnectorError, InDoubtError, JournalError, TransientError, Unmappable
from connector.events import OrderFound, OrderHeld, OrderSkipped, PassFinished
from connector.journal.base import Arrival, Ingested, Journal
from connector.order import Order, external_id, revision
from connector.settings.structs import SourceSettings
from connector.sources.base import FeedItem, Source

__all__ = ["Producer"]

logger = logging.getLogger(__name__)

SOON = 1.0
"""Seconds to the next walk when the vendor says that the feed holds more than this walk listed."""


class Producer:
    """
    Polls one source for `receivers` (names, with whether the source waits for that one).

    `confirmed` counts the acknowledgements that the source has confirmed since the start, for a feed that shrinks
    while it is read; `reacknowledge` is called when the journal has acknowledgements to repeat.
    """

    def __init__(
        self,
        source: Source,
        settings: SourceSettings,
        receivers: Sequence[tuple[str, bool]],
        *,
        journal: Journal,
        bus: Bus,
        clock: Clock,
        confirmed: Callable[[], int],
        reacknowledge: Callable[[], None],
    ) -> None:
        self.source = source
        self._settings = settings
        self._receivers = tuple(receivers)
        self._required = tuple(name for name, required in receivers if required)
        self._optional = tuple(name for name, required in receivers if not required)
        self._journal = journal
        self._bus = bus
        self._clock = clock
        self._confirmed = confirmed
        self._reacknowledge = reacknowledge
        self._publisher = bus.publisher(OrderFound, topics=[name for name, _ in receivers])
        self._stopping = False
        self._nudge = anyio.Event()
        self._asked: list[asyncio.Future[PassFinished]] = []
        self._failures = 0

    def stop(self) -> None:
        """Finish the page in hand and end. Idempotent."""
        self._stopping = True
        self._nudge.set()

    async def walk(self) -> PassFinished:
        """Ask for a walk that starts from now on, and return how it ended; once stopped, it ended in error."""
        if self._stopping:
            return self._stopped()
        asked: asyncio.Future[PassFinished] = asyncio.get_running_loop().create_future()
        self._asked.append(asked)
        self._nudge.set()
        return await asked

    async def run(self) -> None:
        """Walk the feed at every poll interval, and when asked to, until stopped."""
        with self._publisher:
            try:
                while not self._stopping:
                    self._nudge = anyio.Event()
                    walking, self._asked = self._asked, []
                    try:
                        finished = await self._walk_once(self._publisher)
                    finally:
                        self._asked += walking  # whoever asked before it began is answered, one way or the other
                    self._bus.notice(finished)
                    self._answer(walking, finished)
                    with anyio.move_on_after(self._pause(finished)):
                        await self._nudge.wait()
            finally:
                self.stop()
                self._answer(self._asked, self._stopped())

    def _answer(self, asked: Sequence[asyncio.Future[PassFinished]], answer: PassFinished) -> None:
        for future in asked:
            if not future.done():
                future.set_result(answer)
        self._asked = [future for future in self._asked if not future.done()]

    def _stopped(self) -> PassFinished:
        name = self.source.name
        return PassFinished(at=self._clock.now(), source=name, seen=0, new=0, total=None, error="the connector stops")

    def _pause(self, finished: PassFinished) -> float:
        interval = float(self._settings.poll_interval)
        if finished.error:
            retry = self._settings.retry
            return backoff(self._clock, self._failures, first=float(retry.first), longest=float(retry.longest))
        if finished.total is not None and finished.total > finished.seen:
            return min(interval, SOON)
        return interval

    async def _walk_once(self, publisher: Publisher) -> PassFinished:
        seen: set[str] = set()
        new = 0
        total: int | None = None
        error, lasting = "", False
        base = self._confirmed()
        try:
            async with aclosing(self.source.fetch(lambda: self._confirmed() - base)) as feed:
                asked_at = self._clock.now()
                async for page in feed:
                    total = page.total
                    seen.update(item.order_id for item in page.items)
                    new += await self._take(page.items, asked_at, publisher)
                    if self._stopping:
                        break
                    asked_at = self._clock.now()
        except JournalError:
            raise
        except ConnectorError as exc:
            error, lasting = str(exc), not isinstance(exc, TransientError | InDoubtError)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            raise  # the stage behind us is gone; so is the flow
        except Exception as exc:
            # A fault in a vendor file stops that source, and no other one.
            logger.exception("source %s: its feed could not be read", self.source.name)
            error, lasting = f"{type(exc).__name__} while reading the feed", True
        if error and not self._failures:
            logger.warning("source %s: %s", self.source.name, error)
        self._failures = self._failures + 1 if error else 0
        now = self._clock.now()
        await self._journal.polled(self.source.name, now, error)
        return PassFinished(
            at=now, source=self.source.name, seen=len(seen), new=new, total=total, error=error, lasting=lasting
        )

    async def _take(self, items: Sequence[FeedItem], asked_at: datetime, publisher: Publisher) -> int:
        """Record a page, then publish what is new of it; return how many that were."""
        if not items:
            return 0
        arrivals: list[Arrival] = []
        orders: list[Order | None] = []
        for item in items:
            arrival, order = self._arrival(item)
            arrivals.append(arrival)
            orders.append(order)
        now = self._clock.now()
        ingested = await self._journal.ingest(self.source.name, arrivals, now=now, listed_at=asked_at)
        new = 0
        for arrival, order, taken in zip(arrivals, orders, ingested, strict=True):
            if taken.what in ("new", "changed"):
                new += 1
                await self._publish(arrival, order, taken, now, publisher)
            elif taken.what == "reacknowledge":
                self._reacknowledge()
        return new

    def _arrival(self, item: FeedItem) -> tuple[Arrival, Order | None]:
        order: Order | None = None
        state: Literal["new", "held", "skipped"] = "new"
        cause = detail = ""
        try:
            order = self.source.to_order(item.raw)
            mark = revision(order)
        except Unmappable as exc:
            state, cause, detail = "held", exc.cause, exc.detail
            mark = blake2b(item.raw, digest_size=16).hexdigest()  # whatever changes in it may be what was wrong
        if item.skip:
            state, cause, detail, order = "skipped", item.skip, "", None
        arrival = Arrival(
            order_id=item.order_id,
            external_id=external_id(self.source.name, item.order_id),
            revision=mark,
            raw=item.raw,
            receivers=self._receivers,
            state=state,
            cause=cause,
            detail=detail,
        )
        return arrival, order

    async def _publish(
        self, arrival: Arrival, order: Order | None, taken: Ingested, now: datetime, publisher: Publisher
    ) -> None:
        name = self.source.name
        if order is not None:
            found = OrderFound(
                at=now,
                key=taken.key,
                source=name,
                order_id=arrival.order_id,
                order=order,
                revision=arrival.revision,
                receivers=tuple(receiver for receiver, _ in self._receivers),
            )
            await publisher.publish(found, *self._required)
            for receiver in self._optional:
                publisher.offer(found, receiver)  # no room is no matter: the consumer finds it in the journal
        elif arrival.state == "held":
            for receiver, _ in self._receivers:
                self._bus.notice(
                    OrderHeld(
                        at=now,
                        key=taken.key,
                        source=name,
                        order_id=arrival.order_id,
                        receiver=receiver,
                        cause=arrival.cause,
                        detail=arrival.detail,
                    )
                )
        else:
            self._bus.notice(
                OrderSkipped(at=now, key=taken.key, source=name, order_id=arrival.order_id, cause=arrival.cause)
            )
