"""
Read this first: the flow, and how it is wired.

::

     sources/                                   receivers/
     propeller ┐                                ┌ ewarehousing
               ┤ producer ─OrderFound─▶ event ─▶│ consumer: map, look up, deliver
               ┘ (one per source)       bus     └──────┬─────────────────────────
         ▲                               ▲             │ OrderDelivered · OrderRejected · OrderHeld
         │                               └─────────────┘
         └───────── acknowledger (one) ◀── ack events ── batches per source, at most its limit per call
                            │
                       journal (SQLite): every arrow above is a row before it is an event

A stage ends when what it hears has ended: a stop ends the producers, their closed publishers end the consumers, and
those end the acknowledger, which sends what it holds. A stage that raises takes the others down with it: what was in
flight is in the journal, and the next start takes it up from there.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial

import anyio

from connector.bus import Bus
from connector.clock import Clock
from connector.errors import JournalError
from connector.http.attribution import Attribution
from connector.http.endpoint import Endpoint
from connector.journal.base import Journal
from connector.pipeline.acks.acknowledger import Acknowledger
from connector.pipeline.acks.alarm import AckAlarm
from connector.pipeline.delivery.amender import Amender
from connector.pipeline.delivery.consumer import Consumer
from connector.pipeline.drain import Stages
from connector.pipeline.endpoint_status import EndpointStatus
from connector.pipeline.ingest.producer import Producer
from connector.pipeline.ingest.replays import ReplayServer
from connector.pipeline.reports.reporter import reporters
from connector.pipeline.reports.watcher import watchers
from connector.pipeline.route import Route, changed_requests
from connector.receivers.base import Receiver
from connector.settings import Settings
from connector.settings.model import RouteSettings
from connector.sources.base import Source

__all__ = ["Pipeline", "wired"]

logger = logging.getLogger(__name__)

GLANCE = 1.0
"""Seconds between two looks at whether another process wrote to the journal; each reads one number from memory."""
PRUNED = 1000
"""Lines of history that are removed at once: as many as hold nobody up."""
STEP = 2.0
"""Seconds by which the machine's clock has to jump before anybody is told: less is a leap second, or a clock slewed."""
MARK = 60.0
"""Seconds between two notes of how far the journal is: a copy from before the last one is known for what it is."""


def wired(
    settings: Settings,
    sources: Mapping[str, Source],
    receivers: Mapping[str, Receiver],
    ways: dict[str, dict[str, Route]],
    *,
    journal: Journal,
    bus: Bus,
    clock: Clock,
) -> Pipeline:
    """Put the stages together, from the last to the first: nobody may publish to nobody."""
    acknowledger = Acknowledger(
        {name: (source, settings.sources[name]) for name, source in sources.items()},
        journal=journal,
        bus=bus,
        clock=clock,
    )
    amenders = {
        name: Amender(receiver, settings.receivers[name], ways[name], journal=journal, clock=clock)
        for name, receiver in receivers.items()
        if ways[name]
    }
    consumers = {
        name: Consumer(
            receivers[name],
            settings.receivers[name],
            ways[name],
            journal=journal,
            bus=bus,
            clock=clock,
            amend=amender.look,
            acknowledge=acknowledger.look,
        )
        for name, amender in amenders.items()
    }

    def amend(route: RouteSettings) -> None:
        for name in (*route.receivers, *route.optional):
            amenders[name].look()

    producers = {
        route.source: Producer(
            sources[route.source],
            settings.sources[route.source],
            route,
            journal=journal,
            bus=bus,
            clock=clock,
            confirmed=partial(acknowledger.confirmed, route.source),
            acknowledge=partial(acknowledger.look, route.source),
            amend=partial(amend, route),
            changed=partial(changed_requests, ways, route.source),
        )
        for route in settings.routes
    }
    telling = reporters(sources, settings.sources, journal=journal, bus=bus, clock=clock)
    bus.seal()
    moves = EndpointStatus(journal=journal, bus=bus, clock=clock)
    for name in producers:
        moves.listen(name, *_pausing(sources[name].endpoint), keep=False)
    for name in consumers:
        moves.listen(name, *_pausing(receivers[name].endpoint), consumers[name].refusals, keep=True)
    stages = Stages(
        sources=sources,
        receivers=receivers,
        producers=producers,
        consumers=consumers,
        amenders=amenders,
        acknowledger=acknowledger,
        reporters=telling,
        watchers=watchers(settings, telling, receivers, journal=journal, clock=clock),
        requests=ReplayServer(producers, journal=journal, clock=clock),
        journal=journal,
        clock=clock,
    )
    lateness = AckAlarm({name: settings.sources[name] for name in producers}, journal=journal, bus=bus, clock=clock)
    keep = timedelta(days=settings.history_days)
    return Pipeline(stages, ways, moves, lateness, keep)


def _pausing(endpoint: Endpoint | None) -> Sequence[Endpoint | Attribution]:
    """Return all that may pause an endpoint, or calls of one kind there."""
    return () if endpoint is None else (endpoint, *endpoint.blames.values())


class Pipeline:
    """The stages at work. `ways` are the lanes that they deliver by; `keep` is how long history is kept."""

    def __init__(
        self,
        stages: Stages,
        ways: dict[str, dict[str, Route]],
        moves: EndpointStatus,
        lateness: AckAlarm,
        keep: timedelta,
    ) -> None:
        self.stages = stages
        self._keep = keep
        self._ways = ways
        self._moves = moves
        self._lateness = lateness

    async def run(self, started: Callable[[], None]) -> None:
        """Run until the producers have ended, and everything behind them; call `started` once all are under way."""
        stages = self.stages
        async with anyio.create_task_group() as attendants:
            attendants.start_soon(self._watch_journal, name="see what other processes write")
            attendants.start_soon(self._moves.keep, name="keep the breakers' moves")
            attendants.start_soon(self._moves.repeat_warnings, name="say again what is paused")
            attendants.start_soon(self._lateness.run, name="see whether sources hear in time")
            for watcher in stages.watchers:
                attendants.start_soon(watcher.run, name="watch the progress of orders")
            for name, amender in stages.amenders.items():
                attendants.start_soon(amender.run, name=f"amender of {name}")
            attendants.start_soon(stages.requests.run, name="serve what other processes ask for")
            async with anyio.create_task_group() as flow:
                flow.start_soon(self._acknowledge, name="acknowledger")
                for name, reporter in stages.reporters.items():
                    flow.start_soon(reporter.run, name=f"report to {name}")
                for name, consumer in stages.consumers.items():
                    flow.start_soon(consumer.run, name=f"consumer of {name}")
                for name, producer in stages.producers.items():
                    flow.start_soon(producer.run, name=f"producer of {name}")
                started()
            attendants.cancel_scope.cancel()
        await self._note_step(stages.journal)

    def stop(self) -> None:
        """Ask the producers to end, and the consumers to take up nothing more. Idempotent."""
        for producer in self.stages.producers.values():
            producer.stop()
        for consumer in self.stages.consumers.values():
            consumer.stop()

    def look(self) -> None:
        """Look into the journal: somebody has made something due there."""
        stages = self.stages
        for consumer in stages.consumers.values():
            consumer.look()
        for amender in stages.amenders.values():
            amender.look()
        for name in stages.sources:
            stages.acknowledger.look(name)
        for reporter in stages.reporters.values():
            reporter.look()
        stages.requests.look()

    def take(self, ways: Mapping[str, Mapping[str, Route]]) -> None:
        """Deliver by other lanes from now on."""
        for name, way in self._ways.items():
            way.clear()
            way.update(ways[name])

    async def _acknowledge(self) -> None:
        """Run the acknowledger; when it has told all that it can, the reporters tell what follows, and end."""
        await self.stages.acknowledger.run()
        for reporter in self.stages.reporters.values():
            reporter.finish()

    async def _watch_journal(self) -> None:
        """Notice that another process has written to the journal, and look what is due now."""
        journal, clock = self.stages.journal, self.stages.clock
        before = await journal.changed_elsewhere()
        mark_at = clock.monotonic() + MARK
        while True:
            await clock.sleep(GLANCE)
            await self._note_step(journal)
            if clock.monotonic() >= mark_at:
                mark_at = clock.monotonic() + MARK
                await self._tend(journal)
            now = await journal.changed_elsewhere()
            if now != before:
                before = now
                self.look()

    async def _note_step(self, journal: Journal) -> None:
        """Let the journal know, for the next process and for who reads it, when the machine's clock was set."""
        try:
            by = (await journal.clock_steps.note()).total_seconds()
        except JournalError as exc:
            logger.warning("%s", exc)
            return
        if abs(by) >= STEP:
            how = f"ahead by {by:.0f} s, or the machine was suspended" if by > 0 else f"back by {-by:.0f} s"
            logger.warning(
                "the machine's clock was set %s: what waits goes on to wait as long as it was meant to; times are "
                "shown by the clock as it stands now",
                how,
            )

    async def _tend(self, journal: Journal) -> None:
        """Note how far the journal is, and let go of old history; a full disk is no reason to end."""
        try:
            await journal.mark()
            if self._keep:
                await journal.history.prune(self.stages.clock.now() - self._keep, PRUNED)
        except JournalError as exc:
            logger.warning("%s", exc)
