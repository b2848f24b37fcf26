"""
The acknowledger: groups acknowledgements by source, sends them in batches, and drops each only when it is confirmed.

A batch closes on size (the vendor's limit), on age, or when no more orders are coming. Acknowledgements are claimed in
the journal before they are sent; a lost response leaves them in doubt, and they are read back from the source before
they are sent again, unless the source's acknowledgements are idempotent.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import anyio

from connector.ack import Acknowledgement, AckOutcome, Confirmed, Refused
from connector.bus import Bus, Inbox
from connector.clock import Clock
from connector.events import AckEvent, OrderAcknowledged, OrderDelivered, OrderHeld, OrderRejected
from connector.http.breaker import ProbeTurn
from connector.journal.base import Journal
from connector.pipeline.acks.calls import AckCalls, Outcomes
from connector.pipeline.poison import PoisonTracker
from connector.pipeline.worker import Worker, seconds_until
from connector.settings.model import SourceSettings
from connector.sources.base import Source

__all__ = ["Acknowledger", "SourceAcknowledger"]

logger = logging.getLogger(__name__)

CALLS_A_COMMIT = 16
"""Calls that share the commit which claims them: after a crash, that many are read back."""
KEPT = 10_000
"""Acknowledgements kept in memory for a source that is paused; the others are found in the journal."""


class Acknowledger:
    """Receives the events of ended deliveries, and hands each to the acknowledger of its source."""

    def __init__(
        self, sources: Mapping[str, tuple[Source, SourceSettings]], *, journal: Journal, bus: Bus, clock: Clock
    ) -> None:
        self._inbox: Inbox[AckEvent] = bus.subscribe(OrderDelivered, OrderRejected, OrderHeld)
        self.by_source = {
            name: SourceAcknowledger(source, settings, journal=journal, bus=bus, clock=clock)
            for name, (source, settings) in sources.items()
        }

    @property
    def busy(self) -> bool:
        """True while any acknowledgement waits, or is being sent."""
        return self._inbox.waiting > 0 or any(each.busy for each in self.by_source.values())

    @property
    def poison(self) -> dict[str, PoisonTracker]:
        """The trackers of acknowledgements that keep failing, by source."""
        return {name: each.poison for name, each in self.by_source.items()}

    def confirmed(self, source: str) -> int:
        """Return the number of acknowledgements that `source` has confirmed since the start."""
        return self.by_source[source].confirmed

    def flush(self) -> None:
        """Close the open batches: no more orders are coming for now."""
        for each in self.by_source.values():
            each.flush()

    async def run(self) -> None:
        """Acknowledge until the inbox ends; then send the rest, once, and end."""
        with self._inbox as inbox:
            async with anyio.create_task_group() as tg:
                for name, each in self.by_source.items():
                    tg.start_soon(each.run, name=f"acknowledge to {name}")
                while events := await inbox.take(1000):
                    for event in events:
                        if event.ack is not None:
                            self.by_source[event.source].add(event.ack)
                for each in self.by_source.values():
                    each.finish()


class SourceAcknowledger(Worker):
    """Acknowledges to one source: one call at a time, or several where the vendor takes one order a call."""

    def __init__(self, source: Source, settings: SourceSettings, *, journal: Journal, bus: Bus, clock: Clock) -> None:
        super().__init__()
        self._source = source
        self._calls = AckCalls(source, settings, clock)
        self.poison = self._calls.poison
        self._interval = float(settings.ack_interval)
        self._journal = journal
        self._bus = bus
        self._clock = clock
        self._concurrency = settings.concurrency if source.ack_limit == 1 else 1
        self._batch: deque[tuple[float, Acknowledgement]] = deque()
        self._keys: set[int] = set()
        self._sending = False
        self._flush = False
        self._more_in_journal = True  # an earlier process may have left some
        self._due_at: datetime | None = None
        self._settled_at = clock.monotonic() + float(settings.settle)
        self.confirmed = 0
        self._turn = ProbeTurn(source.endpoint.breaker if source.endpoint is not None else None, clock)

    @property
    def busy(self) -> bool:
        """True while any acknowledgement waits, or is being sent. Those that wait for a paused source do not count."""
        return self._sending or (bool(self._more_in_journal or self._batch) and not self._paused)

    def add(self, ack: Acknowledgement) -> None:
        """Add an acknowledgement that the journal has already."""
        if len(self._batch) >= KEPT:
            self._more_in_journal = True
            return
        if ack.key in self._keys:
            return
        self._batch.append((self._clock.monotonic(), ack))
        self._keys.add(ack.key)
        if len(self._batch) == 1 or len(self._batch) >= self._source.ack_limit:
            super().wake()

    def wake(self) -> None:
        """Read the journal again: it may have more for this source."""
        self._more_in_journal = True
        super().wake()

    def flush(self) -> None:
        """Send the open batch without waiting for more."""
        if self._batch:
            self._flush = True
            super().wake()

    async def work(self) -> float | None:
        """Read acknowledgements from the journal, or send those that wait, as soon as either is due."""
        wait = self._wait()
        if wait != 0:
            return wait
        if not self._batch:
            await self._load()
            return 0
        self._sending = True
        try:
            await self._send()
        finally:
            self._sending = False
        return 0

    def _wait(self) -> float | None:
        """Return the seconds until there is work; None if only a wake-up can bring it, or at the end."""
        if paused := self._paused:
            return None if self._finishing else paused
        if self._batch:
            full = len(self._batch) >= self._source.ack_limit
            return 0 if full or self._flush or self._finishing else self._open_for
        self._flush = False
        if self._finishing:
            return None
        return 0 if self._more_in_journal else seconds_until(self._due_at, self._clock.now())

    @property
    def _open_for(self) -> float:
        """Seconds until the oldest acknowledgement of the open batch has waited long enough."""
        return max(0.0, self._batch[0][0] + self._interval - self._clock.monotonic())

    async def _load(self) -> None:
        """Read the acknowledgements that are due: resolve those in doubt, then add the pending ones."""
        name, now = self._source.name, self._clock.now()
        self._more_in_journal = False  # before the journal is read: a wake-up meanwhile is about something newer
        in_doubt = await self._journal.acks.due(name, "in_doubt", now)
        resolvable = [ack for ack in in_doubt if self._is_settled(ack)]
        if resolvable:
            await self._record(resolvable, await self._calls.resolve_doubts(resolvable))
        pending = await self._journal.acks.due(name, "pending", now)
        self._due_at = await self._journal.acks.next_due(name, now)
        if len(resolvable) < len(in_doubt):
            self._due_at = self._clock.now() + timedelta(seconds=self._settled_at - self._clock.monotonic())
        for ack in pending:
            self.add(ack)
        if pending or resolvable:
            self._more_in_journal = True  # one reading may not return all
            self._flush = bool(pending)

    def _is_settled(self, ack: Acknowledgement) -> bool:
        """Return whether the source shows calls of an earlier process by now, or a repeat has no effect."""
        return self._clock.monotonic() >= self._settled_at or self._calls.idempotent(ack)

    async def _send(self) -> None:
        """Send as many calls as share a commit, and record the outcomes."""
        self._turn.take()
        limit = self._source.ack_limit
        many = min(len(self._batch), limit * max(CALLS_A_COMMIT, 4 * self._concurrency))
        if not (self._flush or self._finishing or self._open_for == 0):
            many -= many % limit  # the rest may yet share a call
        batch = [self._batch.popleft()[1] for _ in range(many)]
        failures = {ack.key: ack.at for ack in batch if ack.outcome == "failed"}
        granted = await self._journal.acks.claim([ack.key for ack in batch], self._clock.now(), failures)
        claimed = [ack for ack, grant in zip(batch, granted, strict=True) if grant]
        self._more_in_journal = self._more_in_journal or len(claimed) < len(batch)  # some are in doubt there, it may be
        chunks = deque(self._calls.calls(claimed))
        outcomes: Outcomes = {}

        async def send_chunks() -> None:
            while chunks:
                outcomes.update(await self._calls.send(chunks.popleft()))

        async with anyio.create_task_group() as tg:
            for number in range(min(self._concurrency, len(chunks))):
                tg.start_soon(send_chunks, name=f"acknowledge to {self._source.name}, {number + 1}")
        await self._record(claimed, outcomes)
        self._keys.difference_update(ack.key for ack in batch)

    async def _record(self, acks: Sequence[Acknowledgement], outcomes: Mapping[str, AckOutcome]) -> None:
        now, name = self._clock.now(), self._source.name
        results = [self._calls.to_record(ack, outcomes.get(ack.order_id), now) for ack in acks]
        await self._journal.acks.settle(results, now)
        # The order of a failure may be delivered by now, and be due for another acknowledgement.
        self._more_in_journal = self._more_in_journal or any(result.failure for result in results)
        for ack, result in zip(acks, results, strict=True):
            if isinstance(result.outcome, Confirmed):
                self.confirmed += 1
                self._bus.notice(
                    OrderAcknowledged(key=ack.key, source=name, order_id=ack.order_id, outcome=ack.outcome)
                )
            elif isinstance(result.outcome, Refused):
                reason = result.outcome.reason
                logger.warning("source %s: the acknowledgement of order %s is parked: %s", name, ack.order_id, reason)
            elif self._due_at is None or result.next_try_at < self._due_at:
                self._due_at = result.next_try_at

    @property
    def _paused(self) -> float:
        endpoint = self._source.endpoint
        return (endpoint.remaining("ack") or self._turn.wait()) if endpoint is not None else 0.0
