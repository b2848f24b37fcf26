"""The producer: polls one source's feed at its poll interval and on request."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from datetime import datetime

import anyio

from connector.bus import Bus
from connector.clock import Clock, humanized
from connector.errors import ConnectorError, JournalError, SettingsError, is_lasting
from connector.events import OrderFound, PollFinished
from connector.http.breaker import ProbeTurn
from connector.journal.base import Journal
from connector.pipeline.conformance import checked_page
from connector.pipeline.ingest.pages import PageRecorder
from connector.pipeline.ingest.shortfall import FeedShortfall
from connector.pipeline.ingest.surplus import Stated
from connector.pipeline.ingest.vanished import VanishedOrders
from connector.pipeline.log_throttle import LogThrottle
from connector.pipeline.worker import Wakeups
from connector.retry import RetryPolicy
from connector.settings.model import RouteSettings, SourceSettings
from connector.sources.base import Page, Source, SupportsReplay, UnreadableRow
from connector.sources.seen_ids import SeenIds

__all__ = ["Producer"]

logger = logging.getLogger(__name__)

SOON = 1.0
"""Seconds to the next poll when the vendor states that the feed holds more than this poll listed."""


class Producer:
    """
    Polls the source of `route` for its receivers.

    `confirmed` returns the number of acknowledgements that the source has confirmed since the start, for a feed that
    shrinks while it is read. `changed` returns the receivers whose request differs between two listings of an order.
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
        wakeups: Wakeups,
        confirmed: Callable[[], int],
        changed: Callable[[str, bytes, bytes], tuple[str, ...]],
    ) -> None:
        self.source = source
        self._settings = settings
        self._journal = journal
        self._bus = bus
        self._clock = clock
        self._retry = RetryPolicy(settings.retry, clock)
        self._vanished = VanishedOrders(source, float(settings.settle), journal=journal, bus=bus, clock=clock)
        self._confirmed = confirmed
        self._publisher = bus.publisher(OrderFound, topics=(*route.receivers, *route.optional))
        self._pages = PageRecorder(
            source,
            settings,
            route,
            self._publisher,
            journal=journal,
            bus=bus,
            clock=clock,
            wakeups=wakeups,
            changed=changed,
        )
        self._stopping = False
        self._nudge = anyio.Event()
        self._requests: list[asyncio.Future[PollFinished]] = []
        self._replays: list[tuple[datetime, asyncio.Future[PollFinished]]] = []
        self._failures = 0
        self._throttle = LogThrottle(clock)
        self._breaker = source.endpoint.breaker if source.endpoint is not None else None
        self._turn = ProbeTurn(self._breaker, clock)
        self._shortfall = FeedShortfall(source.name, clock)

    @property
    def stopped(self) -> bool:
        """True once it was stopped: a poll that ended after that may have been cut off."""
        return self._stopping

    def stop(self) -> None:
        """Finish the page in hand and end. Idempotent."""
        self._stopping = True
        self._nudge.set()

    def poll_soon(self) -> None:
        """Poll without waiting for the poll interval: a cause of failures was corrected."""
        self._nudge.set()

    async def poll(self) -> PollFinished:
        """Request a poll that starts from now on, and return its result: an error if the producer was stopped."""
        if self._stopping:
            return self._stopped()
        request: asyncio.Future[PollFinished] = asyncio.get_running_loop().create_future()
        self._requests.append(request)
        self._nudge.set()
        return await request

    async def replay(self, since: datetime) -> PollFinished:
        """
        Request a poll that includes the orders exported at or after `since`, and return its result.

        Orders that the journal has unchanged are left alone, changed ones are amended, and none is delivered twice.
        Raises `SettingsError` for a source that cannot list exported orders.
        """
        if not isinstance(self.source, SupportsReplay):
            raise SettingsError([f"source {self.source.name} cannot list exported orders again"])
        if self._stopping:
            return self._stopped()
        request: asyncio.Future[PollFinished] = asyncio.get_running_loop().create_future()
        self._replays.append((since, request))
        self._nudge.set()
        return await request

    async def run(self) -> None:
        """Poll at every poll interval, and on request, until stopped."""
        with self._publisher:
            try:
                self._shortfall.load(await self._journal.endpoints.shortfall(self.source.name))
                while not self._stopping:
                    self._nudge = anyio.Event()
                    while self._replays:
                        since, replaying = self._replays[0]
                        finished = await self._poll_once(since)
                        self._answer([replaying], self._stopped() if self.stopped else finished)
                        self._replays.pop(0)
                    requests = list(self._requests)
                    finished = await self._poll_once()
                    self._answer(requests, finished)
                    with anyio.move_on_after(self._pause(finished)):
                        await self._nudge.wait()
                    if (left := self._turn.wait()) and not self._nudge.is_set():
                        with anyio.move_on_after(left):
                            await self._nudge.wait()
            finally:
                self.stop()
                # Every request gets an answer, one way or the other.
                self._answer([*self._requests, *(replaying for _, replaying in self._replays)], self._stopped())

    def _answer(self, requests: Sequence[asyncio.Future[PollFinished]], answer: PollFinished) -> None:
        for future in requests:
            if not future.done():
                future.set_result(answer)
        self._requests = [future for future in self._requests if not future.done()]

    def _stopped(self) -> PollFinished:
        name = self.source.name
        error = "the connector stops"
        return self._bus.stamp(PollFinished(source=name, seen=0, new=0, total=None, error=error))

    def _pause(self, finished: PollFinished) -> float:
        interval = float(self._settings.poll_interval)
        if finished.error:
            wait = self._retry.delay(self._failures)
            # The feed is read as soon as the pause ends: the failing calls may be about an order, not the source.
            paused = self._breaker.remaining if self._breaker is not None else 0.0
            return min(wait, paused) if paused else wait
        return min(interval, SOON) if self._shortfall.read_again else interval

    async def _poll_once(self, since: datetime | None = None) -> PollFinished:
        seen = SeenIds()
        new = 0
        stated = Stated()
        unreadable: list[UnreadableRow] = []
        complete = False
        error, lasting = "", False
        base, began = self._confirmed(), self._clock.now()
        self._turn.take()
        try:
            async with aclosing(self._feed(lambda: self._confirmed() - base, since)) as feed:
                asked_at = ended_at = self._clock.now()
                async for given in feed:
                    page = checked_page(given, self.source.name)
                    asked_at = asked_at if page.continued else ended_at
                    stated = stated.with_page(page.total)
                    unreadable += page.unreadable
                    seen.update(item.order_id for item in page.items)
                    new += await self._pages.record(page.items, asked_at, replayed=since is not None)
                    if self._stopping:
                        break
                    ended_at = self._clock.now()
            # An order that leaves the feed moves the later ones up, perhaps to a page that was read before.
            still = self._confirmed() == base
            whole = still if stated.most is None else self._shortfall.listed_all(stated, len(seen), still=still)
            complete = whole and not unreadable and since is None and not self._stopping
            if complete:
                await self._vanished.polled(seen, began)
        except JournalError:
            raise
        except ConnectorError as exc:
            error, lasting = str(exc), is_lasting(exc)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            raise  # the next stage has ended, and with it the flow
        except Exception as exc:
            # An error in a vendor module stops that source, and no other one.
            logger.exception("source %s: internal error while reading its feed", self.source.name)
            error, lasting = f"{type(exc).__name__} while reading the feed", True
        if error:
            self._warn(error.removeprefix(f"{self.source.name}: "))
        else:
            self._throttle.reset()
        self._failures = self._failures + 1 if error else 0
        whole_poll = since is None and not error and not self._stopping
        if whole_poll:
            self._shortfall.note(stated, len(seen), new, unreadable)
        await self._journal.endpoints.polled(
            self.source.name,
            self._clock.now(),
            error,
            complete=complete and whole_poll,
            shortfall=self._shortfall.found if whole_poll else None,
        )
        finished = PollFinished(
            source=self.source.name,
            seen=len(seen),
            new=new,
            total=stated.most,
            unreadable=len(unreadable),
            error=error,
            lasting=lasting,
        )
        self._bus.notice(finished)
        return finished

    def _warn(self, error: str) -> None:
        """Log the first of polls that fail in a row, and then at growing intervals that they still fail."""
        age = self._throttle.ongoing()
        if not self._failures:
            logger.warning("source %s: %s", self.source.name, error)
        elif age is not None:
            logger.warning(
                "source %s: its feed could not be read for %s now: %s", self.source.name, humanized(age), error
            )

    def _feed(self, gone: Callable[[], int], since: datetime | None) -> AsyncGenerator[Page]:
        if since is not None and isinstance(self.source, SupportsReplay):
            return self.source.refetch(since)
        return self.source.fetch(gone)
