"""
The consumer: receives the orders for one receiver from the bus, or reads them from the journal, and delivers them.

::

    bus ─▶ receive ─▶ prepare: map, commit the intents of a batch ─▶ queue ─▶ N workers: deliver: look up, create
                         ▲                                                                   │
    journal ─▶ resume ───┘   (`Backlog` decides when)          bus ◀─ record: settle a batch ◀─┘
               orders that are due again, and orders that were not received during a pause
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from hashlib import sha256

import anyio
import msgspec

from connector.bus import Bus, Inbox
from connector.clock import Clock
from connector.errors import Unmappable
from connector.events import AckEvent, OrderDelivered, OrderFound, OrderHeld, OrderRejected
from connector.journal.base import Journal
from connector.journal.records import Delivered, InDoubt, Intent, Job, NotSent, Outcome, Rejected, Settlement, Waiting
from connector.order import Order
from connector.pipeline.delivery.attempt import Attempt
from connector.pipeline.delivery.backlog import Backlog
from connector.pipeline.delivery.lookups import Lookups
from connector.pipeline.delivery.rejections import RejectionGuard
from connector.pipeline.delivery.task import DeliveryTask, event_for, found, prepared, resumed
from connector.pipeline.delivery.unmappable import UnmappableOrders
from connector.pipeline.routes import Route
from connector.pipeline.worker import Wakeups
from connector.receivers.base import Receiver
from connector.settings.model import ReceiverSettings

__all__ = ["Consumer"]

logger = logging.getLogger(__name__)

DUE_AGAIN: tuple[Waiting, ...] = ("in_doubt", "ready")
ALL: tuple[Waiting, ...] = ("in_doubt", "ready", "new")


class Consumer:
    """Delivers to `receiver` the orders that the sources in `routes` list for it."""

    def __init__(
        self,
        receiver: Receiver,
        settings: ReceiverSettings,
        routes: Mapping[str, Route],
        *,
        journal: Journal,
        bus: Bus,
        clock: Clock,
        wakeups: Wakeups,
    ) -> None:
        self.receiver = receiver
        self._concurrency = settings.concurrency
        self._routes = routes
        self._journal = journal
        self._bus = bus
        self._clock = clock
        self._wakeups = wakeups
        self._unmappable = UnmappableOrders(receiver.name, journal, clock, wakeups)
        self._lookups = Lookups(receiver, journal, clock)
        self._attempt = Attempt(receiver, settings, clock, self._lookups)
        self.poison = self._attempt.poison
        self.rejections = RejectionGuard(receiver.name, settings, clock, receiver.endpoint)
        # Enough tasks in hand to share a commit and keep the workers busy. Where a rate limit makes them wait, only as
        # many as can be under way, because after a crash each of them has to be looked up.
        self._room = settings.concurrency if settings.rate_limit else max(16, 4 * settings.concurrency)
        self._inbox = bus.subscribe(OrderFound, topic=receiver.name)
        self._out = bus.publisher(OrderDelivered, OrderRejected, OrderHeld)
        self._queue: asyncio.Queue[DeliveryTask] = asyncio.Queue()
        self._results: asyncio.Queue[tuple[DeliveryTask, Outcome | None]] = asyncio.Queue()
        self._in_hand: set[int] = set()
        self._reading = False
        self._changed = anyio.Event()
        self._stopping = False
        self._backlog = Backlog(clock.now())

    @property
    def busy(self) -> bool:
        """True while anything is in hand or waits in the inbox."""
        return bool(self._in_hand or self._reading or self._inbox.waiting)

    def wake(self) -> None:
        """Read the journal: another stage or process made something due there."""
        self._backlog.look_now(self._clock.now())
        self._signal()

    def stop(self) -> None:
        """Start no further delivery; requests under way are finished, the rest waits in the journal. Idempotent."""
        self._stopping = True
        self._lookups.stop()
        self._signal()

    async def run(self) -> None:
        """Deliver until the inbox ends; then finish the deliveries under way."""
        name = self.receiver.name
        await self.rejections.load(self._journal)
        with self._inbox, self._out:
            async with anyio.create_task_group() as tg:
                for number in range(self._concurrency):
                    tg.start_soon(self._deliver, name=f"deliver to {name}, {number + 1}")
                tg.start_soon(self._record, name=f"record the outcomes at {name}")
                tg.start_soon(self._resume_loop, name=f"resume deliveries to {name}")
                await self._receive(self._inbox)
                self._stopping = True
                while self._in_hand or self._reading:
                    await self._changed.wait()
                tg.cancel_scope.cancel()

    def _signal(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

    async def _receive(self, inbox: Inbox[OrderFound]) -> None:
        while events := await inbox.take(self._room):
            if self.rejections.probing or self._stopping:
                self._backlog.left_behind()  # the journal has them; receiving them now would only block their source
                self._signal()
                continue
            while len(self._in_hand) >= self._room:
                await self._changed.wait()
            fresh = [e for e in events if self.receiver.name not in e.look_up]
            if len(fresh) < len(events):  # the journal has the others, in doubt
                self._backlog.look_at(self._clock.now())
            await self._prepare([(found(event), event.order) for event in fresh])

    async def _resume_loop(self) -> None:
        while True:
            changed = self._changed
            if (wait := self._wait()) != 0:
                with anyio.move_on_after(wait):
                    await changed.wait()
            else:
                await self._read_backlog()

    def _wait(self) -> float | None:
        """Return the seconds until the journal is to be read; None until something changes."""
        if self.receiver.name in self._bus.overflowed:
            self._bus.overflowed.discard(self.receiver.name)
            self._backlog.left_behind()
        room = 1 if self.rejections.probing else self._room
        if self._stopping or len(self._in_hand) >= room:
            return None
        return self.rejections.pause or self._backlog.wait(self._clock.now(), idle=not self.busy)

    async def _read_backlog(self) -> None:
        """Resume orders that are due again; and new ones, if some were left behind and nothing else is in hand."""
        now = self._clock.now()
        fresh = self._backlog.begin(idle=not self.busy)
        probing = self.rejections.probing
        room = 1 if probing else self._room - len(self._in_hand)
        limit = room + len(self._in_hand) + (self.rejections.window if probing else 0)
        self._reading = True
        try:
            due = await self._journal.deliveries.due(
                self.receiver.name, ALL if fresh or probing else DUE_AGAIN, now, limit
            )
            jobs: Sequence[Job] = [job for job in due if job.key not in self._in_hand]
            more = len(due) == limit or len(jobs) > room
            if probing:
                jobs = self.rejections.pick_probe(jobs)
            if fresh and more:
                self._backlog.left_behind()
            self._backlog.look_at(
                now if more else await self._journal.deliveries.next_due(self.receiver.name, DUE_AGAIN, now)
            )
            await self._lookups.prepare(job.external_id for job in jobs[:room] if job.state == "in_doubt")
            await self._prepare([resumed(job, self._routes.get(job.source), self.receiver.name) for job in jobs[:room]])
        finally:
            self._reading = False
            self._signal()

    async def _prepare(self, orders: Sequence[tuple[DeliveryTask, Order | Unmappable]]) -> None:
        """Map a batch, commit its intents, and queue it. A look-up comes before the intent of its order."""
        ready: list[DeliveryTask] = []
        unmappable: list[tuple[DeliveryTask, Outcome | None]] = []
        for bare, order in orders:
            if bare.key in self._in_hand:
                self._backlog.left_behind()  # perhaps a newer revision: it is read once this one is out of hand
                continue
            self._in_hand.add(bare.key)
            task = prepared(self._routes.get(bare.source), bare, order)
            if isinstance(task, DeliveryTask):
                if task.mapping_error is not None:
                    self._unmappable.started(task)
                if task.needs_lookup and task.mapping_error is None and self._lookups.absent(task.external_id):
                    task = msgspec.structs.replace(task, confirmed_absent=True)
                ready.append(task)
            else:
                self._lookups.forget(bare.external_id)
                if task.unfit:
                    unmappable.append((bare, task))
                else:
                    self._results.put_nowait((bare, task))
        if unmappable:  # before the rest of the batch, whose mapping shows that the error is in these orders
            await self._settle(unmappable)
        fresh = [task for task in ready if not task.needs_lookup]
        granted = await self._grant(fresh) if fresh else []
        # Before any of them can end: an order that is mapped and has not ended is mapped again after a restart.
        await self._unmappable.mapped(ready, self._routes)
        for task, grant in zip(fresh, granted, strict=True):
            if grant:
                self._queue.put_nowait(task)
            else:  # taken up meanwhile, tried before, or superseded by a newer revision: the journal decides
                self._in_hand.discard(task.key)
                self._backlog.left_behind()
        for task in (each for each in ready if each.needs_lookup):
            self._queue.put_nowait(task)
        self._signal()

    async def _grant(self, tasks: Sequence[DeliveryTask]) -> list[bool]:
        intents = [
            Intent(
                task.key,
                self.receiver.name,
                task.revision,
                sha256(task.delivery.body).digest(),
                task.confirmed_absent,
                task.version,
            )
            for task in tasks
            if task.delivery is not None
        ]
        return await self._journal.deliveries.intend(intents, self._clock.now())

    async def _deliver(self) -> None:
        while True:
            task = await self._queue.get()
            outcome = await self._outcome(task)
            if isinstance(outcome, Delivered) and (task.attach or task.remark):
                outcome = msgspec.structs.replace(outcome, attach=task.attach, remark=task.remark)
            if task.mapping_error is None and (isinstance(outcome, Rejected) or self.rejections):
                outcome, confirmed = self.rejections.assess(task, outcome, self._in_hand)
                for other in confirmed:
                    self._in_hand.add(other[0].key)
                    self._results.put_nowait(other)
            self._results.put_nowait((task, outcome))

    async def _outcome(self, task: DeliveryTask) -> Outcome | None:
        if self._stopping:
            return NotSent("the connector was stopped before it was sent", self._clock.now())
        if (wait := self.rejections.held_back(task)) is not None:
            return wait
        report = self._routes[task.source].source.traits.accepts_failures
        if not task.needs_lookup and task.delivery is not None:
            return await self._attempt.create(task.delivery, report_rejection=report)

        async def grant() -> bool:
            return (await self._grant([msgspec.structs.replace(task, confirmed_absent=True)]))[0]

        return await self._attempt.look_up_then_create(task, grant, report_rejection=report)

    async def _record(self) -> None:
        """Settle the outcomes that are there, in one commit, and publish them."""
        while True:
            batch = [await self._results.get()]
            while not self._results.empty():
                batch.append(self._results.get_nowait())
            await self._settle(batch)

    async def _settle(self, batch: Sequence[tuple[DeliveryTask, Outcome | None]]) -> None:
        ended = [(task, outcome) for task, outcome in batch if outcome is not None]
        now = self._clock.now()
        settled = await self._journal.deliveries.settle(
            [Settlement(task.key, self.receiver.name, outcome, task.version) for task, outcome in ended], now
        )
        for (task, outcome), done in zip(ended, settled, strict=True):
            if isinstance(outcome, Delivered) and outcome.attach:
                self._wakeups.wake("changes", self.receiver.name)
            if done.applied:
                event = event_for(task, self.receiver.name, outcome, done)
                if isinstance(event, AckEvent):
                    await self._out.publish(event)
                elif event is not None:
                    self._bus.notice(event)
        await self._unmappable.held(ended)
        if self.rejections.changed and await self.rejections.save(self._journal, now):
            self.wake()
        self._in_hand.difference_update(task.key for task, _ in batch)
        if len(ended) < len(batch) or not all(done.applied for done in settled):
            # Perhaps its source lists it differently by now: then the new version is due.
            self._backlog.left_behind()
            self._backlog.look_at(now)
        for _, outcome in ended:  # not before: a reading skips the orders in hand
            if isinstance(outcome, NotSent | InDoubt):
                self._backlog.look_at(outcome.next_try_at if isinstance(outcome, NotSent) else outcome.settled_at)
        self._signal()
