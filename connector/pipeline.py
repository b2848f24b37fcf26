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

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from functools import partial
from types import TracebackType
from typing import Any

import anyio
import msgspec

from connector.acknowledger import Acknowledger
from connector.breaker import BreakerState
from connector.bus import Bus
from connector.clock import Clock, SystemClock
from connector.drain import Drained, Stages, drain
from connector.errors import SettingsError
from connector.events import EndpointChanged, Event, PassFinished
from connector.journal.base import Journal
from connector.journal.sqlite import SqliteJournal
from connector.mapping.tables import known
from connector.progress import watchers
from connector.receivers.amender import Amender
from connector.receivers.base import Receiver
from connector.receivers.consumer import Consumer
from connector.receivers.lane import Lane
from connector.registry import make_receivers, make_sources
from connector.reporter import Reporter, reporters
from connector.settings import Settings
from connector.settings.structs import RouteSettings
from connector.sources.base import Source
from connector.sources.producer import Producer
from connector.wiring import lanes

__all__ = ["Connector"]

logger = logging.getLogger(__name__)

GRACE = 20.0
"""Seconds that a stop may take before what is under way is left in doubt: less than the 30 that Kubernetes gives."""
GLANCE = 1.0
"""Seconds between two looks at whether another process wrote to the journal; each reads one number from memory."""


class Connector:
    """
    Carries orders from the sources to the receivers of `settings`, as its routes say.

    Enter it (it opens the journal), then `run` it in a task group. `sources` and `receivers` take the place of what
    the settings would build under the same names; `journal` that of the file. It installs no signal handlers and
    configures no logging. Entering raises `JournalBusy` when another process has the journal, and `JournalError`
    when it cannot be used.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        sources: Mapping[str, Source] | None = None,
        receivers: Mapping[str, Receiver] | None = None,
        journal: Journal | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.settings = settings
        self.clock = clock or SystemClock()
        self.bus = Bus()
        self.sources = make_sources(settings, self.clock, sources or {})
        self.receivers = make_receivers(settings, self.clock, receivers or {})
        self._given = journal
        self._journal: Journal | None = journal
        self._stop = anyio.Event()
        self._moves: asyncio.Queue[tuple[str, BreakerState, str, datetime]] = asyncio.Queue()
        self._running = anyio.Event()
        self._stages: Stages | None = None
        self._lanes: dict[str, dict[str, Lane]] = {}

    async def __aenter__(self) -> Connector:
        if self._journal is None:
            self._journal = await SqliteJournal.open(self.settings.journal, self.clock)
        try:
            await self._journal.recover(
                self.clock.now(),
                {name: float(self.settings.receivers[name].settle) for name in self.receivers},
                max(float(endpoint.retry.longest) for endpoint in self._endpoint_settings()),
            )
            await self._journal.recover_reports(
                self.clock.now(),
                max(float(source.timeout) for source in self.settings.sources.values()),
                max(float(source.retry.longest) for source in self.settings.sources.values()),
            )
            self._stages = self._wire(self._journal)
            await self._release(self._journal)
        except BaseException:
            await self.aclose()
            raise
        return self

    def _wire(self, journal: Journal) -> Stages:
        """Put the stages together, from the last to the first: nobody may publish to nobody."""
        settings, bus, clock = self.settings, self.bus, self.clock
        acknowledger = Acknowledger(
            {name: (source, settings.sources[name]) for name, source in self.sources.items()},
            journal=journal,
            bus=bus,
            clock=clock,
        )
        self._lanes = ways = lanes(settings, self.sources, self.receivers)
        amenders = {
            name: Amender(receiver, settings.receivers[name], ways[name], journal=journal, clock=clock)
            for name, receiver in self.receivers.items()
            if ways[name]
        }
        consumers = {
            name: Consumer(
                self.receivers[name],
                settings.receivers[name],
                ways[name],
                journal=journal,
                bus=bus,
                clock=clock,
                amend=amender.look,
            )
            for name, amender in amenders.items()
        }

        def amend(route: RouteSettings) -> None:
            for name in (*route.receivers, *route.optional):
                amenders[name].look()

        producers = {
            route.source: Producer(
                self.sources[route.source],
                settings.sources[route.source],
                route,
                journal=journal,
                bus=bus,
                clock=clock,
                confirmed=partial(acknowledger.confirmed, route.source),
                acknowledge=partial(acknowledger.look, route.source),
                amend=partial(amend, route),
            )
            for route in settings.routes
        }
        telling = reporters(self.sources, settings.sources, journal=journal, bus=bus, clock=clock)
        bus.seal()
        for name in (*producers, *consumers):
            self._listen(name)
        return Stages(
            sources=self.sources,
            receivers=self.receivers,
            producers=producers,
            consumers=consumers,
            amenders=amenders,
            acknowledger=acknowledger,
            reporters=telling,
            watchers=watchers(settings, telling, self.receivers, journal=journal, clock=clock),
            journal=journal,
            clock=clock,
        )

    async def run(self) -> None:
        """
        Run until `stop`, or until cancelled; native cancellation is safe at every await.

        After a stop what is under way is finished, within `GRACE` seconds; after a cancellation it is left, and
        looked up at the next start.
        """
        stages = self._entered()
        try:
            async with anyio.create_task_group() as tg:
                tg.start_soon(self._stop_in_time, tg.cancel_scope, name="stop in time")
                tg.start_soon(self._watch_journal, stages, name="see what other processes write")
                tg.start_soon(self._keep_moves, stages.journal, name="keep the breakers' moves")
                async with anyio.create_task_group() as flow:
                    flow.start_soon(self._acknowledge, stages, name="acknowledger")
                    for name, reporter in stages.reporters.items():
                        flow.start_soon(reporter.run, name=f"report to {name}")
                    for watcher in stages.watchers:
                        tg.start_soon(watcher.run, name="watch the progress of orders")
                    for name, consumer in stages.consumers.items():
                        flow.start_soon(consumer.run, name=f"consumer of {name}")
                    for name, amender in stages.amenders.items():
                        tg.start_soon(amender.run, name=f"amender of {name}")
                    for name, producer in stages.producers.items():
                        flow.start_soon(producer.run, name=f"producer of {name}")
                    self._running.set()
                tg.cancel_scope.cancel()
        finally:
            self.stop()
            self.bus.close()

    def stop(self) -> None:
        """Ask the sources to end; `run` returns when everything behind them has. Idempotent."""
        self._stop.set()
        if self._stages is not None:
            for producer in self._stages.producers.values():
                producer.stop()
            for consumer in self._stages.consumers.values():
                consumer.stop()

    async def drain(self) -> Drained:
        """
        Walk every source until a walk finds nothing new and all that was found is settled; `run` must be running.

        An endpoint that keeps failing is given up; the answer names it. What is held or rejected counts as settled.
        """
        await self._running.wait()
        return await drain(self._entered())

    def look(self) -> None:
        """Look into the journal: somebody has made something due there."""
        stages = self._entered()
        for consumer in stages.consumers.values():
            consumer.look()
        for amender in stages.amenders.values():
            amender.look()
        for name in stages.sources:
            stages.acknowledger.look(name)
        for reporter in stages.reporters.values():
            reporter.look()

    async def reload(self, settings: Settings) -> int:
        """
        Take the mappings and code tables of `settings`, and release what waited for a code that is there now.

        Everything else in them counts from the next start. Returns how many orders were released; raises
        `SettingsError`, and changes nothing, if a mapping cannot be used.
        """
        journal = self.journal
        ways = lanes(settings, self.sources, self.receivers)
        for name, way in self._lanes.items():
            way.clear()
            way.update(ways[name])
        self.settings = msgspec.structs.replace(self.settings, tables=settings.tables)
        released = await self._release(journal)
        self.look()
        return released

    async def _release(self, journal: Journal) -> int:
        """Make due what was held for a code that is in its table by now."""
        now = self.clock.now()
        return sum(
            [
                await journal.release(cause, now)
                for cause in await journal.causes()
                if known(cause, self.settings.tables)
            ]
        )

    async def replay(self, source: str, since: datetime) -> PassFinished:
        """
        Walk what `source` exported at or after `since` (with a zone) again; `run` must be running.

        What the journal knows is left alone, or amended if it is different now; nothing is delivered twice. Raises
        `SettingsError` for a source that cannot do that, or is not there.
        """
        await self._running.wait()
        producers = self._entered().producers
        if source not in producers:
            raise SettingsError([f"there is no source {source}"])
        return await producers[source].replay(since)

    async def report(self, source: str, order_id: str, report: Any) -> bool:
        """
        Tell `source` what happened to an order after its delivery; `report` is a `Progress`, or the source's own kind.

        Returns when the journal has it: `run`, now or later, tells the source, once, after what was reported of the
        order before. Returns False if the very same report was made before. Raises `SettingsError` for a source that
        is not there or takes no reports, and `Unmappable` for what it has no words for.
        """
        reporter: Reporter | None = self._entered().reporters.get(source)
        if reporter is None:
            what = "takes no reports" if source in self.sources else "is not there"
            raise SettingsError([f"the source {source} {what}"])
        return await reporter.add(order_id, report)

    def events(self) -> AsyncIterator[Event]:
        """Observe what happens from now on. A slow observer never slows the flow; it loses the oldest events."""
        return self.bus.observe().__aiter__()

    @property
    def running(self) -> bool:
        """Whether `run` is under way and no stop was asked for."""
        return self._running.is_set() and not self._stop.is_set()

    @property
    def journal(self) -> Journal:
        """The journal; it is there once the connector is entered."""
        return self._entered().journal

    def _entered(self) -> Stages:
        if self._stages is None:
            raise RuntimeError("enter the connector first: async with Connector(...) as connector")
        return self._stages

    async def aclose(self) -> None:
        """Close every connection and the journal. Idempotent; leaving the context does it."""
        self.bus.close()
        with anyio.CancelScope(shield=True):
            for source in self.sources.values():
                await source.aclose()
            for receiver in self.receivers.values():
                await receiver.aclose()
            if self._journal is not None:
                await self._journal.aclose()

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.stop()
        await self.aclose()

    async def _acknowledge(self, stages: Stages) -> None:
        """Run the acknowledger; when it has told all that it can, the reporters tell what follows, and end."""
        await stages.acknowledger.run()
        for reporter in stages.reporters.values():
            reporter.finish()

    async def _stop_in_time(self, scope: anyio.CancelScope) -> None:
        await self._stop.wait()
        await self.clock.sleep(GRACE)
        logger.warning("what is under way did not end within %g seconds; the next start looks it up", GRACE)
        scope.cancel()

    def _endpoint_settings(self) -> list[Any]:
        return [*self.settings.sources.values(), *self.settings.receivers.values()]

    async def _watch_journal(self, stages: Stages) -> None:
        """Notice that another process has written to the journal, and look what is due now."""
        before = await stages.journal.changed_elsewhere()
        while True:
            await self.clock.sleep(GLANCE)
            now = await stages.journal.changed_elsewhere()
            if now != before:
                before = now
                self.look()

    async def _keep_moves(self, journal: Journal) -> None:
        """Write the moves of the receivers' breakers down, for a `status` from another process."""
        while True:
            name, state, reason, at = await self._moves.get()
            await journal.endpoint_changed(name, state, reason, at)

    def _listen(self, name: str) -> None:
        """Turn a breaker's moves into events; they are rare, and somebody should know."""
        endpoint = (self.sources[name] if name in self.sources else self.receivers[name]).endpoint
        if endpoint is None:
            return

        said: set[str] = set()

        def moved(state: BreakerState, reason: str) -> None:
            at = self.clock.now()
            self.bus.notice(EndpointChanged(at=at, endpoint=name, state=state, reason=reason))
            if name in self.receivers:
                self._moves.put_nowait((name, state, reason, at))
            if state == "open" and name not in said:
                said.add(name)
                logger.warning("%s is paused: %s", name, reason)
            elif state == "closed":
                said.clear()
                logger.warning("%s is back", name)

        endpoint.listen = moved
