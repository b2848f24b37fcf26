"""
The consumer: takes the orders for one receiver from the bus, or back from the journal, and delivers them.

::

    inbox ─▶ take in: map, commit the intents of a batch ─▶ queue ─▶ N workers: look up, create ─▶ record: settle ─▶ bus
                 ▲                                                                          a batch in one commit
    journal ─────┘ what is due again, and what was not taken while the receiver was paused
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from hashlib import sha256

import anyio
import msgspec

from connector.bus import Bus, Inbox
from connector.clock import Clock, wall_time
from connector.errors import Unmappable
from connector.events import AckEvent, OrderDelivered, OrderFound, OrderHeld, OrderRejected
from connector.journal.base import Journal
from connector.journal.records import Delivered, InDoubt, Intent, Job, NotSent, Outcome, Rejected, Settlement, Waiting
from connector.order import Order
from connector.pipeline.delivery.attempt import Attempt
from connector.pipeline.delivery.lookups import Lookups
from connector.pipeline.delivery.order_events import event_for
from connector.pipeline.delivery.rejections import RejectionGuard
from connector.pipeline.delivery.task import DeliveryTask, found, prepared, resumed
from connector.pipeline.delivery.unmappable import UnfitOrders
from connector.pipeline.route import Route
from connector.receivers.base import Receiver
from connector.settings.model import ReceiverSettings

__all__ = ["Consumer"]

logger = logging.getLogger(__name__)

AGAIN: tuple[Waiting, ...] = ("in_doubt", "ready")
ALL: tuple[Waiting, ...] = ("in_doubt", "ready", "new")


class Consumer:
    """
    Delivers to `receiver` what the sources in `lanes` list for it.

    `amend` is called for documents, and `acknowledge` with a source of which the journal may have something to tell.
    """

    def __init__(
        self,
        receiver: Receiver,
        settings: ReceiverSettings,
        lanes: Mapping[str, Route],
        *,
        journal: Journal,
        bus: Bus,
        clock: Clock,
        amend: Callable[[], None] = lambda: None,
        acknowledge: Callable[[str], None] = lambda _source: None,
    ) -> None:
        self.receiver = receiver
        self._concurrency = settings.concurrency
        self._lanes = lanes
        self._journal = journal
        self._bus = bus
        self._clock = clock
        self._amend = amend
        self._unfit = UnfitOrders(receiver.name, journal, clock, acknowledge)
        self._lookups = Lookups(receiver, journal, clock)
        self._attempt = Attempt(receiver, settings, clock, self._lookups)
        self.vain = self._attempt.vain
        self.refusals = RejectionGuard(receiver.name, settings, clock, receiver.endpoint)
        # How many are taken up at once: enough to share a commit and keep the workers busy; where a rate limit makes
        # them wait, only as many as can be under way, because after a crash each of them has to be looked up.
        self._room = settings.concurrency if settings.rate_limit else max(16, 4 * settings.concurrency)
        self._inbox = bus.subscribe(OrderFound, topic=receiver.name)
        self._out = bus.publisher(OrderDelivered, OrderRejected, OrderHeld)
        self._queue: asyncio.Queue[DeliveryTask] = asyncio.Queue()
        self._results: asyncio.Queue[tuple[DeliveryTask, Outcome | None]] = asyncio.Queue()
        self._in_hand: set[int] = set()
        self._taking = 0
        self._moved = anyio.Event()
        self._stopping = False
        # What an earlier process left is found in the journal.
        self._behind = True
        self._wake_at: datetime | None = clock.now()

    @property
    def busy(self) -> bool:
        """Whether anything is in hand or waits in the inbox."""
        return bool(self._in_hand or self._taking or self._inbox.waiting)

    def look(self) -> None:
        """Look into the journal: somebody has put something there that is due."""
        self._behind = True
        self._wake_at = self._clock.now()
        self._signal()

    def stop(self) -> None:
        """Take up nothing more; what is being sent is finished, the rest waits in the journal. Idempotent."""
        self._stopping = True
        self._lookups.stop()
        self._signal()

    async def run(self) -> None:
        """Deliver until the inbox ends; then finish what is under way and end."""
        name = self.receiver.name
        await self.refusals.recall(self._journal)
        with self._inbox, self._out:
            async with anyio.create_task_group() as tg:
                for number in range(self._concurrency):
                    tg.start_soon(self._deliver, name=f"deliver to {name}, {number + 1}")
                tg.start_soon(self._record, name=f"record what {name} answered")
                tg.start_soon(self._resume_loop, name=f"take back what is due at {name}")
                await self._receive(self._inbox)
                self._stopping = True
                while self._in_hand or self._taking:
                    await self._moved.wait()
                tg.cancel_scope.cancel()

    def _signal(self) -> None:
        self._moved.set()
        self._moved = anyio.Event()

    async def _receive(self, inbox: Inbox[OrderFound]) -> None:
        while events := await inbox.take(self._room):
            if self.refusals.probing or self._stopping:
                self._behind = True  # they are in the journal; taking them in now would only hold up their source
                self._signal()
                continue
            while len(self._in_hand) >= self._room:
                await self._moved.wait()
            fresh = [e for e in events if self.receiver.name not in e.look_up]
            if len(fresh) < len(events):  # the journal has the others, in doubt
                self._wake_at_latest(self._clock.now())
            await self._prepare([(found(event), event.order) for event in fresh])

    async def _resume_loop(self) -> None:
        while True:
            moved = self._moved
            if (wait := self._wait()) != 0:
                with anyio.move_on_after(wait):
                    await moved.wait()
            else:
                await self._read_backlog()

    def _wait(self) -> float | None:
        """Return the seconds until something may be due; None when only a move can tell."""
        if self.receiver.name in self._bus.overflowed:
            self._bus.overflowed.discard(self.receiver.name)
            self._behind = True
        room = 1 if self.refusals.probing else self._room
        if self._stopping or len(self._in_hand) >= room:
            return None
        if paused := self.refusals.pause:
            return paused
        if self._behind and not self.busy:
            return 0
        if self._wake_at is None:
            return None
        return max(0.0, (self._wake_at - self._clock.now()).total_seconds())

    async def _read_backlog(self) -> None:
        """Take up what is due again; and what is new, if nothing else is in hand and some of it was left behind."""
        now = self._clock.now()
        fresh = self._behind and not self.busy
        room = 1 if self.refusals.probing else self._room - len(self._in_hand)
        limit = room + len(self._in_hand)
        self._taking += 1
        # Who has something to say from here on, while the journal is read, is not overruled by what it knew before.
        self._behind = self._behind and not fresh
        self._wake_at = None
        try:
            probing = self.refusals.probing
            limit += self.refusals.reach if probing else 0
            due = await self._journal.deliveries.due(self.receiver.name, ALL if fresh or probing else AGAIN, now, limit)
            jobs: Sequence[Job] = [job for job in due if job.key not in self._in_hand]
            more = len(due) == limit or len(jobs) > room
            if probing:
                jobs = self.refusals.probe(jobs)
            self._behind = self._behind or (fresh and more)
            self._wake_at_latest(
                now if more else await self._journal.deliveries.next_due(self.receiver.name, AGAIN, now)
            )
            await self._lookups.prepare(job.external_id for job in jobs[:room] if job.state == "in_doubt")
            await self._prepare([resumed(job, self._lanes.get(job.source), self.receiver.name) for job in jobs[:room]])
        finally:
            self._taking -= 1
            self._signal()

    async def _prepare(self, orders: Sequence[tuple[DeliveryTask, Order | Unmappable]]) -> None:
        """Map a batch, commit its intents, and queue it. What is looked up first gets its intent after that."""
        ready: list[DeliveryTask] = []
        unfit: list[tuple[DeliveryTask, Outcome | None]] = []
        for bare, order in orders:
            if bare.key in self._in_hand:
                self._behind = True  # a newer revision, it may be: the journal has it when this one is out of hand
                continue
            self._in_hand.add(bare.key)
            work = prepared(self._lanes.get(bare.source), bare, order)
            if isinstance(work, DeliveryTask):
                if work.unfit is not None:
                    self._unfit.taken(work)
                if work.look_up and work.unfit is None and self._lookups.absent(work.external_id):
                    work = msgspec.structs.replace(work, asked=True)
                ready.append(work)
            else:
                self._lookups.forget(bare.external_id)
                if work.unfit:
                    unfit.append((bare, work))
                else:
                    self._results.put_nowait((bare, work))
        if unfit:  # before the others of the batch: that those could be mapped says that it is these
            await self._recorded(unfit)
        fresh = [work for work in ready if not work.look_up]
        granted = await self._grant(fresh) if fresh else []
        # Before any of them can come to its end: what is mapped and not at its end is mapped again after a restart.
        await self._unfit.mapped(ready, self._lanes)
        for work, grant in zip(fresh, granted, strict=True):
            if grant:
                self._queue.put_nowait(work)
            else:  # taken up meanwhile, tried before, or there is a newer revision: the journal has what is due
                self._in_hand.discard(work.key)
                self._behind = True
        for work in (each for each in ready if each.look_up):
            self._queue.put_nowait(work)
        self._signal()

    async def _grant(self, works: Sequence[DeliveryTask]) -> list[bool]:
        intents = [
            Intent(
                work.key,
                self.receiver.name,
                work.revision,
                sha256(work.delivery.body).digest(),
                work.asked,
                work.version,
            )
            for work in works
            if work.delivery is not None
        ]
        return await self._journal.deliveries.intend(intents, self._clock.now())

    async def _deliver(self) -> None:
        while True:
            work = await self._queue.get()
            outcome = await self._outcome(work)
            if isinstance(outcome, Delivered) and (work.attach or work.remark):
                outcome = msgspec.structs.replace(outcome, attach=work.attach, remark=work.remark)
            if work.unfit is None and (isinstance(outcome, Rejected) or self.refusals):
                outcome, borne_out = self.refusals.judge(work, outcome, self._in_hand)
                for other in borne_out:
                    self._in_hand.add(other[0].key)
                    self._results.put_nowait(other)
            self._results.put_nowait((work, outcome))

    async def _outcome(self, work: DeliveryTask) -> Outcome | None:
        if self._stopping:
            return NotSent("the connector was stopped before it was sent", self._clock.now())
        if (wait := self.refusals.held_back(work)) is not None:
            return wait
        tell = self._lanes[work.source].source.traits.accepts_failures
        if not work.look_up and work.delivery is not None:
            return await self._attempt.first(work.delivery, tell=tell)

        async def grant() -> bool:
            return (await self._grant([msgspec.structs.replace(work, asked=True)]))[0]

        return await self._attempt.again(work, grant, tell=tell)

    async def _record(self) -> None:
        """Settle what has been answered, as much as there is in one commit; then tell."""
        while True:
            batch = [await self._results.get()]
            while not self._results.empty():
                batch.append(self._results.get_nowait())
            await self._recorded(batch)

    async def _recorded(self, batch: Sequence[tuple[DeliveryTask, Outcome | None]]) -> None:
        ended = [(work, outcome) for work, outcome in batch if outcome is not None]
        now = self._clock.now()
        settled = await self._journal.deliveries.settle(
            [Settlement(work.key, self.receiver.name, outcome, work.version) for work, outcome in ended], now
        )
        at = wall_time(self._clock, now)
        for (work, outcome), done in zip(ended, settled, strict=True):
            if isinstance(outcome, Delivered) and outcome.attach:
                self._amend()
            if done.applied:
                event = event_for(work.key, work.source, work.order_id, self.receiver.name, outcome, done, at)
                if isinstance(event, AckEvent):
                    await self._out.publish(event)
                elif event is not None:
                    self._bus.notice(event)
        await self._unfit.held(ended)
        if self.refusals.news and await self.refusals.keep(self._journal, now):
            self.look()
        self._in_hand.difference_update(work.key for work, _ in batch)
        if len(ended) < len(batch) or not all(done.applied for done in settled):
            # It is listed differently than what was taken up, it may be: it is due now.
            self._behind = True
            self._wake_at_latest(now)
        for _, outcome in ended:  # not before: what is in hand is passed over when it is due
            if isinstance(outcome, NotSent | InDoubt):
                self._wake_at_latest(outcome.next_try_at if isinstance(outcome, NotSent) else outcome.settled_at)
        self._signal()

    def _wake_at_latest(self, at: datetime | None) -> None:
        """Look into the journal at that time, if not before."""
        if at is not None and (self._wake_at is None or at < self._wake_at):
            self._wake_at = at
