"""The producer: walks one source's feed, records what it lists, and puts what is new on the bus."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from datetime import datetime

import anyio

from connector.bus import Bus, Publisher
from connector.causes import LISTED_AGAIN
from connector.clock import Clock, backoff, humanized, wall_time
from connector.errors import ConnectorError, JournalError, SettingsError, lasts
from connector.events import OrderFound, PollFinished
from connector.http.breaker import ProbeTurn
from connector.journal.base import Journal
from connector.journal.records import Arrival, Ingested, Listing, Relisted, RelistPolicy
from connector.order import Order
from connector.pipeline.conformance import checked_page
from connector.pipeline.ingest.intake import arrival_of, notices_of, takes_cancelled
from connector.pipeline.ingest.shortfall import FeedShortfall
from connector.pipeline.ingest.surplus import Stated
from connector.pipeline.ingest.vanished import Absences, named
from connector.pipeline.log_throttle import LogThrottle
from connector.pipeline.poison import LONG, MANY
from connector.settings.model import RouteSettings, SourceSettings
from connector.sources.base import FeedItem, Page, Source, SupportsReplay, UnreadableRow
from connector.sources.seen_ids import SeenIds

__all__ = ["Producer"]

logger = logging.getLogger(__name__)

KEPT = 256
"""Orders that are kept as they were read: what is listed again before it is told is most often the same."""
SOON = 1.0
"""Seconds to the next walk when the vendor says that the feed holds more than this walk listed."""


class Producer:
    """
    Polls the source of `route` for its receivers.

    `confirmed` counts the acknowledgements that the source has confirmed since the start, for a feed that shrinks
    while it is read; `acknowledge` is called when the journal has acknowledgements that no delivery makes due, and
    `amend` when it has changes of orders that were delivered. `changed` names the receivers whose request differs
    between two listings of an order.
    """

    def __init__(
        self,
        source: Source,
        settings: SourceSettings,
        route: RouteSettings,
        *,
        journal: Journal,
        bus: Bus,
        clock: Clock,
        confirmed: Callable[[], int],
        acknowledge: Callable[[], None],
        amend: Callable[[], None],
        changed: Callable[[str, bytes, bytes], tuple[str, ...]],
    ) -> None:
        self.source = source
        self._settings = settings
        self._route = route
        self._names = (*route.receivers, *route.optional)
        self._receivers = (*((name, True) for name in route.receivers), *((name, False) for name in route.optional))
        self._read_before: dict[tuple[str, bytes, str], tuple[Arrival, Order | None]] = {}
        self._takes_cancelled = takes_cancelled(source, route)
        self._journal = journal
        self._bus = bus
        self._clock = clock
        self._absences = Absences(source, float(settings.settle), journal=journal, bus=bus, clock=clock)
        self._confirmed = confirmed
        self._acknowledge = acknowledge
        self._amend = amend
        self._changed = changed
        self._publisher = bus.publisher(OrderFound, topics=self._names)
        self._tripped: set[tuple[str, str]] = set()
        self._stopping = False
        self._nudge = anyio.Event()
        self._asked: list[asyncio.Future[PollFinished]] = []
        self._replays: list[tuple[datetime, asyncio.Future[PollFinished]]] = []
        self._failures = 0
        self._reminder = LogThrottle(clock)
        self._breaker = source.endpoint.breaker if source.endpoint is not None else None
        self._turn = ProbeTurn(self._breaker, clock)
        self._shortfall = FeedShortfall(source.name, clock)
        self._again = RelistPolicy(
            settle=float(settings.settle),
            first=float(settings.retry.first),
            longest=float(settings.retry.longest),
            once=source.traits.confirms_once,
            tries=MANY,
            patience=LONG,
        )
        self._said_unfit = False

    @property
    def stopped(self) -> bool:
        """Whether it was asked to end: a walk that ended after that may have been cut off."""
        return self._stopping

    def stop(self) -> None:
        """Finish the page in hand and end. Idempotent."""
        self._stopping = True
        self._nudge.set()

    def poll_soon(self) -> None:
        """Walk the feed without waiting for the poll interval: something was mended."""
        self._nudge.set()

    async def walk(self) -> PollFinished:
        """Ask for a walk that starts from now on, and return how it ended; once stopped, it ended in error."""
        if self._stopping:
            return self._stopped()
        asked: asyncio.Future[PollFinished] = asyncio.get_running_loop().create_future()
        self._asked.append(asked)
        self._nudge.set()
        return await asked

    async def replay(self, since: datetime) -> PollFinished:
        """
        Ask for a walk over what was exported at or after `since` too, and return how it ended.

        What the journal knows unchanged is left alone; what is different now is amended, and nothing is delivered
        twice. Raises `SettingsError` for a source that cannot list what it has exported.
        """
        if not isinstance(self.source, SupportsReplay):
            raise SettingsError([f"source {self.source.name} cannot list again what it has exported"])
        if self._stopping:
            return self._stopped()
        asked: asyncio.Future[PollFinished] = asyncio.get_running_loop().create_future()
        self._replays.append((since, asked))
        self._nudge.set()
        return await asked

    async def run(self) -> None:
        """Walk the feed at every poll interval, and when asked to, until stopped."""
        with self._publisher:
            try:
                self._shortfall.recall(await self._journal.endpoints.shortfall(self.source.name))
                while not self._stopping:
                    self._nudge = anyio.Event()
                    while self._replays:
                        since, replaying = self._replays[0]
                        walk = await self._walk_once(self._publisher, since)
                        self._answer([replaying], self._stopped() if self.stopped else walk)
                        self._replays.pop(0)
                    walking = list(self._asked)
                    finished = await self._walk_once(self._publisher)
                    self._answer(walking, finished)
                    with anyio.move_on_after(self._pause(finished)):
                        await self._nudge.wait()
                    if (left := self._turn.wait()) and not self._nudge.is_set():
                        with anyio.move_on_after(left):
                            await self._nudge.wait()
            finally:
                self.stop()
                # Whoever waits is answered, one way or the other.
                self._answer([*self._asked, *(replaying for _, replaying in self._replays)], self._stopped())

    def _answer(self, asked: Sequence[asyncio.Future[PollFinished]], answer: PollFinished) -> None:
        for future in asked:
            if not future.done():
                future.set_result(answer)
        self._asked = [future for future in self._asked if not future.done()]

    def _stopped(self) -> PollFinished:
        name = self.source.name
        at = wall_time(self._clock, self._clock.now())
        return PollFinished(at=at, source=name, seen=0, new=0, total=None, error="the connector stops")

    def _pause(self, finished: PollFinished) -> float:
        interval = float(self._settings.poll_interval)
        if finished.error:
            retry = self._settings.retry
            wait = backoff(self._clock, self._failures, first=float(retry.first), longest=float(retry.longest))
            # The feed is read as soon as the pause is over: it may be an order that fails, and not the source.
            paused = self._breaker.remaining if self._breaker is not None else 0.0
            return min(wait, paused) if paused else wait
        return min(interval, SOON) if self._shortfall.read_again else interval

    async def _walk_once(self, publisher: Publisher, since: datetime | None = None) -> PollFinished:
        seen = SeenIds()
        new = 0
        stated = Stated()
        unreadable: list[UnreadableRow] = []
        complete = False
        error, lasting = "", False
        base, began = self._confirmed(), self._clock.now()
        self._turn.take()
        try:
            async with aclosing(self._pages(lambda: self._confirmed() - base, since)) as feed:
                asked_at = ended_at = self._clock.now()
                async for given in feed:
                    page = checked_page(given, self.source.name)
                    asked_at = asked_at if page.continued else ended_at
                    stated = stated.with_page(page.total)
                    unreadable += page.unreadable
                    seen.update(item.order_id for item in page.items)
                    new += await self._take(page.items, self._listing(asked_at, since), publisher)
                    if self._stopping:
                        break
                    ended_at = self._clock.now()
            # What leaves the feed moves what comes after it to a page that was read, where it may not have been seen.
            still = self._confirmed() == base
            whole = still if stated.most is None else self._shortfall.listed_all(stated, len(seen), still=still)
            complete = whole and not unreadable and since is None and not self._stopping
            if complete:
                await self._absences.walked(seen, began)
        except JournalError:
            raise
        except ConnectorError as exc:
            error, lasting = str(exc), lasts(exc)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            raise  # the stage behind us is gone; so is the flow
        except Exception as exc:
            # A fault in a vendor file stops that source, and no other one.
            logger.exception("source %s: its feed could not be read", self.source.name)
            error, lasting = f"{type(exc).__name__} while reading the feed", True
        if error:
            self._say(error.removeprefix(f"{self.source.name}: "))
        else:
            self._reminder.over()
        self._failures = self._failures + 1 if error else 0
        whole_walk = since is None and not error and not self._stopping
        if whole_walk:
            self._shortfall.note(stated, len(seen), new, unreadable)
        now = self._clock.now()
        await self._journal.endpoints.polled(
            self.source.name,
            now,
            error,
            complete=complete and whole_walk,
            shortfall=self._shortfall.found if whole_walk else None,
        )
        at, name = wall_time(self._clock, now), self.source.name
        finished = PollFinished(
            at=at,
            source=name,
            seen=len(seen),
            new=new,
            total=stated.most,
            unreadable=len(unreadable),
            error=error,
            lasting=lasting,
        )
        self._bus.notice(finished)
        return finished

    def _say(self, error: str) -> None:
        """Log the first of walks that fail in a row, and then, ever more seldom, that they still do."""
        age = self._reminder.due()
        if not self._failures:
            logger.warning("source %s: %s", self.source.name, error)
        elif age is not None:
            logger.warning(
                "source %s: its feed could not be read for %s now: %s", self.source.name, humanized(age), error
            )

    def _pages(self, gone: Callable[[], int], since: datetime | None) -> AsyncGenerator[Page]:
        if since is not None and isinstance(self.source, SupportsReplay):
            return self.source.refetch(since)
        return self.source.fetch(gone)

    def _listing(self, asked_at: datetime, since: datetime | None) -> Listing:
        exported = since is not None or not self.source.traits.feed_shrinks
        route = self._route
        return Listing(
            asked_at=asked_at,
            exported=exported,
            replayed=since is not None,
            on_change=route.on_change,
            on_cancel=route.on_cancel,
            again=self._again,
        )

    def _read(self, item: FeedItem) -> tuple[Arrival, Order | None]:
        """Return what an item comes to. One that is listed again, byte for byte, while it is under way is read once."""
        key = (item.order_id, item.raw, item.skip)
        found = self._read_before.get(key)
        if found is None:
            found = arrival_of(self.source, item, self._receivers, self._tripped, cancelled=self._takes_cancelled)
            if found[1] is not None:
                if len(self._read_before) >= KEPT:
                    self._read_before.clear()
                self._read_before[key] = found
        return found

    async def _take(self, items: Sequence[FeedItem], listing: Listing, publisher: Publisher) -> int:
        """Record a page, then publish what is new of it; return how many that were."""
        if not items:
            return 0
        arrivals: list[Arrival] = []
        orders: list[Order | None] = []
        for item in items:
            arrival, order = self._read(item)
            arrivals.append(arrival)
            orders.append(order)
        now = self._clock.now()
        ingested = await self._journal.orders.ingest(self.source.name, arrivals, listing, now)
        ingested = await self._relist(arrivals, ingested, now)
        self._say_unfit(arrivals, ingested)
        new, at = 0, wall_time(self._clock, now)
        for arrival, order, taken in zip(arrivals, orders, ingested, strict=True):
            if taken.what in ("new", "changed"):
                new += 1
                await self._publish(arrival, order, taken, at, publisher)
            elif taken.what == "amended":
                self._amend()
            if taken.what == "reacknowledge" or taken.ack is not None:
                self._acknowledge()
        self._say_left(
            [arrival.order_id for arrival, taken in zip(arrivals, ingested, strict=True) if taken.what == "left"]
        )
        return new

    async def _relist(self, arrivals: Sequence[Arrival], ingested: list[Ingested], now: datetime) -> list[Ingested]:
        """
        Keep what orders that wait for a person are listed as now; return the answers with what became of those.

        One whose request is another one by that is tried again, though its revision does not show the change.
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
        answers = await self._journal.orders.relist(self.source.name, list(waiting.values()), now)
        done = {answer.key: answer for answer in answers}
        return [done.get(taken.key, taken) if taken.kept is not None else taken for taken in ingested]

    def _say_left(self, order_ids: Sequence[str]) -> None:
        if order_ids:
            logger.warning(
                "source %s: lists %s again although it had confirmed %s; left to a person: see "
                "`connector orders --cause '%s'`",
                self.source.name,
                named(order_ids),
                "them" if len(order_ids) > 1 else "it",
                LISTED_AGAIN,
            )

    def _say_unfit(self, arrivals: Sequence[Arrival], ingested: Sequence[Ingested]) -> None:
        """Log once that orders cannot be read, none could be since, and nobody is told."""
        for arrival, taken in zip(arrivals, ingested, strict=True):
            if not arrival.unfit:
                self._said_unfit = self._said_unfit and arrival.state != "new"
            elif taken.what in ("new", "changed") and not self._said_unfit:
                self._said_unfit = True
                logger.warning(
                    "source %s: order %s cannot be mapped (%s), and no other one could be since: it may be our "
                    "reading. Such orders are held, and their source is told nothing until another one can be mapped",
                    self.source.name,
                    arrival.order_id,
                    arrival.cause,
                )

    async def _publish(
        self, arrival: Arrival, order: Order | None, taken: Ingested, at: datetime, publisher: Publisher
    ) -> None:
        name = self.source.name
        if order is not None:
            found = OrderFound(
                at=at,
                key=taken.key,
                source=name,
                order_id=arrival.order_id,
                order=order,
                revision=arrival.revision,
                receivers=self._names,
                look_up=taken.look_up,
                version=taken.version,
            )
            await publisher.publish(found, *self._route.receivers)
            for receiver in self._route.optional:
                await publisher.offer(found, receiver)  # no room is no matter: the consumer finds it in the journal
        else:
            for event in notices_of(arrival, taken.key, name, at):
                self._bus.notice(event)
