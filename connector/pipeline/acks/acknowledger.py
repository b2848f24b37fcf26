"""
The acknowledger: groups what is to be told by source, tells it in batches, and forgets only what was confirmed.

A batch closes on size (the vendor's limit), on age, or when nothing more is coming. What is in a call is marked so in
the journal before it is sent; an answer that is lost leaves it in doubt, and it is read back from the source before
it is repeated, unless the source takes a repeat without doing anything twice.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import anyio

from connector.ack import Acknowledgement, AckOutcome, Confirmed, Refused
from connector.bus import Bus, Inbox
from connector.clock import Clock, wall_time
from connector.events import AckEvent, OrderAcknowledged, OrderDelivered, OrderHeld, OrderRejected
from connector.http.breaker import ProbeTurn
from connector.journal.base import Journal
from connector.pipeline.acks.calls import AckCalls
from connector.pipeline.poison import PoisonTracker
from connector.settings.model import SourceSettings
from connector.sources.base import Source

__all__ = ["Acknowledger"]

logger = logging.getLogger(__name__)

CALLS_A_COMMIT = 16
"""Calls that share the commit which marks them as being sent: after a crash, that many are read back."""
KEPT = 10_000
"""Acknowledgements kept in memory for a source that does not take any; the rest are found in the journal."""


class Acknowledger:
    """The one task that tells the sources."""

    def __init__(
        self, sources: Mapping[str, tuple[Source, SourceSettings]], *, journal: Journal, bus: Bus, clock: Clock
    ) -> None:
        self._inbox: Inbox[AckEvent] = bus.subscribe(OrderDelivered, OrderRejected, OrderHeld)
        self._tellers = {
            name: SourceAcknowledger(source, settings, journal=journal, bus=bus, clock=clock)
            for name, (source, settings) in sources.items()
        }

    @property
    def busy(self) -> bool:
        """Whether anything waits to be told, or is being told."""
        return self._inbox.waiting > 0 or any(teller.busy for teller in self._tellers.values())

    def confirmed(self, source: str) -> int:
        """Return how many acknowledgements `source` has confirmed since the start."""
        return self._tellers[source].confirmed

    def vain(self, source: str) -> PoisonTracker:
        """Return what is told to `source` in vain."""
        return self._tellers[source].vain

    def look(self, source: str) -> None:
        """Look into the journal: there is something for `source`."""
        self._tellers[source].look()

    def flush(self) -> None:
        """Close the batches that are open: nothing more is coming for now."""
        for teller in self._tellers.values():
            teller.flush()

    async def run(self) -> None:
        """Tell until the inbox ends; then tell what is left, once, and end."""
        with self._inbox as inbox:
            async with anyio.create_task_group() as tg:
                for name, teller in self._tellers.items():
                    tg.start_soon(teller.run, name=f"acknowledge to {name}")
                while events := await inbox.take(1000):
                    for event in events:
                        if event.ack is not None:
                            self._tellers[event.source].add(event.ack)
                for teller in self._tellers.values():
                    teller.finish()


class SourceAcknowledger:
    """Tells one source: one call at a time, or, where a call carries one order only, a bounded number."""

    def __init__(self, source: Source, settings: SourceSettings, *, journal: Journal, bus: Bus, clock: Clock) -> None:
        self._source = source
        self._telling = AckCalls(source, settings, clock)
        self.vain = self._telling.vain
        self._settings = settings
        self._journal = journal
        self._bus = bus
        self._clock = clock
        self._calls = settings.concurrency if source.ack_limit == 1 else 1
        self._waiting: deque[tuple[float, Acknowledgement]] = deque()
        self._keys: set[int] = set()
        self._sending = False
        self._flush = False
        self._ended = False
        self._moved = anyio.Event()
        # What an earlier process left is found in the journal.
        self._behind = True
        self._wake_at: datetime | None = None
        self._believe_at = clock.monotonic() + float(settings.settle)
        self.confirmed = 0
        self._turn = ProbeTurn(source.endpoint.breaker if source.endpoint is not None else None, clock)

    @property
    def busy(self) -> bool:
        """Whether anything waits, or is being sent. What waits for a paused source does not count."""
        return self._sending or (bool(self._behind or self._waiting) and not self._paused)

    def add(self, ack: Acknowledgement) -> None:
        """Take one in; it is in the journal already."""
        if len(self._waiting) >= KEPT:
            self._behind = True
            return
        if ack.key in self._keys:
            return
        self._waiting.append((self._clock.monotonic(), ack))
        self._keys.add(ack.key)
        if len(self._waiting) == 1 or len(self._waiting) >= self._source.ack_limit:
            self._moved.set()

    def look(self) -> None:
        """Look into the journal at the next turn."""
        self._behind = True
        self._moved.set()

    def flush(self) -> None:
        """Send what waits without waiting for more."""
        if self._waiting:
            self._flush = True
            self._moved.set()

    def finish(self) -> None:
        """Send what waits, and end."""
        self._ended = True
        self._moved.set()

    async def run(self) -> None:
        """Tell until finished."""
        while True:
            self._moved = moved = anyio.Event()
            wait = self._wait()
            if wait is None and self._ended:
                return
            if wait != 0:
                with anyio.move_on_after(wait):
                    await moved.wait()
                continue
            if not self._waiting:
                await self._load()
                continue
            self._sending = True
            try:
                await self._send()
            finally:
                self._sending = False

    def _wait(self) -> float | None:
        """Return the seconds until there is something to do; None when only somebody else can tell, or at the end."""
        if paused := self._paused:
            return None if self._ended else paused
        if self._waiting:
            full = len(self._waiting) >= self._source.ack_limit
            return 0 if full or self._flush or self._ended else self._youth
        self._flush = False
        if self._ended:
            return None
        if self._behind:
            return 0
        if self._wake_at is None:
            return None
        return max(0.0, (self._wake_at - self._clock.now()).total_seconds())

    @property
    def _youth(self) -> float:
        """Seconds until the oldest that waits has waited long enough."""
        return max(0.0, self._waiting[0][0] + float(self._settings.ack_interval) - self._clock.monotonic())

    async def _load(self) -> None:
        """Read back what is due: what was in doubt is asked about first, then what is pending waits its turn."""
        name, now = self._source.name, self._clock.now()
        self._behind = False  # before anything is read: who calls `look` meanwhile means what is not read yet
        doubtful = await self._journal.acks.due(name, "in_doubt", now)
        askable = [ack for ack in doubtful if self._settled(ack)]
        if askable:
            await self._record(askable, await self._telling.asked(askable))
        pending = await self._journal.acks.due(name, "pending", now)
        self._wake_at = await self._journal.acks.next_due(name, now)
        if len(askable) < len(doubtful):
            self._wake_at = self._clock.now() + timedelta(seconds=self._believe_at - self._clock.monotonic())
        for ack in pending:
            self.add(ack)
        if pending or askable:
            self._behind = True  # there may be more than one reading shows
            self._flush = bool(pending)

    def _settled(self, ack: Acknowledgement) -> bool:
        """Whether it can be asked about or repeated: what an earlier process sent shows by now, if it was applied."""
        return self._clock.monotonic() >= self._believe_at or self._telling.repeatable(ack)

    async def _send(self) -> None:
        """Send as many calls as share a commit, and record what became of them."""
        self._turn.take()
        limit = self._source.ack_limit
        many = min(len(self._waiting), limit * max(CALLS_A_COMMIT, 4 * self._calls))
        if not (self._flush or self._ended or self._youth == 0):
            many -= many % limit  # the rest may yet share a call
        batch = [self._waiting.popleft()[1] for _ in range(many)]
        failures = {ack.key: ack.at for ack in batch if ack.outcome == "failed"}
        granted = await self._journal.acks.claim([ack.key for ack in batch], self._clock.now(), failures)
        claimed = [ack for ack, grant in zip(batch, granted, strict=True) if grant]
        self._behind = self._behind or len(claimed) < len(batch)  # the journal knows better: some are to be asked about
        chunks = deque(self._telling.calls(claimed))
        outcomes: dict[str, AckOutcome] = {}

        async def call() -> None:
            while chunks:
                await self._telling.tell(chunks.popleft(), outcomes)

        async with anyio.create_task_group() as tg:
            for number in range(min(self._calls, len(chunks))):
                tg.start_soon(call, name=f"acknowledge to {self._source.name}, {number + 1}")
        await self._record(claimed, outcomes)
        self._keys.difference_update(ack.key for ack in batch)

    async def _record(self, acks: Sequence[Acknowledgement], outcomes: Mapping[str, AckOutcome]) -> None:
        now = self._clock.now()
        results = [self._telling.result(ack, outcomes.get(ack.order_id), now) for ack in acks]
        await self._journal.acks.settle(results, now)
        self._behind = self._behind or any(result.failure for result in results)  # its order may be delivered by now
        at, name = wall_time(self._clock, now), self._source.name
        for ack, result in zip(acks, results, strict=True):
            if isinstance(result.outcome, Confirmed):
                self.confirmed += 1
                self._bus.notice(
                    OrderAcknowledged(at=at, key=ack.key, source=name, order_id=ack.order_id, outcome=ack.outcome)
                )
            elif isinstance(result.outcome, Refused):
                why = result.outcome.reason
                logger.warning("source %s refuses to be told about order %s: %s", name, ack.order_id, why)
            elif self._wake_at is None or result.next_try_at < self._wake_at:
                self._wake_at = result.next_try_at

    @property
    def _paused(self) -> float:
        endpoint = self._source.endpoint
        return (endpoint.remaining("ack") or self._turn.wait()) if endpoint is not None else 0.0
