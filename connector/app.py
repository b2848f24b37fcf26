"""The connector as an object: what an asyncio application, and the command line, hold in their hands."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from datetime import datetime
from types import TracebackType
from typing import Any

import anyio

from connector.bus import Bus
from connector.clock import Clock, SteadyClock, SystemClock
from connector.errors import SettingsError
from connector.events import Event, PollFinished
from connector.journal.base import Journal
from connector.journal.engine.stall import Stall, unless_stalled
from connector.journal.sqlite import SqliteJournal
from connector.mapping.code_tables import MISSING, known
from connector.pipeline.drain import Drained, drain
from connector.pipeline.lookup_rules import lookup_rules
from connector.pipeline.pipeline import Pipeline, wired
from connector.pipeline.receiver_witness import ask_receivers
from connector.pipeline.routes import build
from connector.plugins import BROKEN, BrokenReceiver, BrokenSource, broken_cause
from connector.receivers.base import Receiver
from connector.registry import make_receivers, make_sources
from connector.settings import Settings
from connector.settings.reload import Reloaded, SupportsSecretRotation, changed_keys, with_new_parts
from connector.sources.base import Source, SupportsAckTerms

__all__ = ["Connector"]

logger = logging.getLogger(__name__)

GRACE = 20.0
"""Seconds that a stop may take before what is under way is left in doubt: less than the 30 that Kubernetes gives."""
STALLED = 4.0
"""Seconds that a stop waits for a journal which cannot be written: as long as it cannot, nothing comes to its end."""


class Connector:
    """
    Carries orders from the sources to the receivers of `settings`, as its routes say.

    Enter it (it opens the journal), then `run` it in a task group. `sources` and `receivers` take the place of what
    the settings would build under the same names, `journal` that of the file. It installs no signal handlers and
    configures no logging. Creating it raises `SettingsError` for a source or receiver that the settings do not have.
    Entering raises `JournalBusy` when another process has the journal, `JournalStalled` when
    it could not be written for a minute, and `JournalError` when it cannot be used; also when the one that was in use
    is gone, unless `accept_new_journal`. `restored` takes the journal for an older copy: what it may not know is looked
    up before it is created.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        sources: Mapping[str, Source] | None = None,
        receivers: Mapping[str, Receiver] | None = None,
        journal: Journal | None = None,
        clock: Clock | None = None,
        accept_new_journal: bool = False,
        restored: bool = False,
    ) -> None:
        self.settings = settings
        self._accept = accept_new_journal
        self._restored = restored
        self.clock = clock or SystemClock()
        self.bus = Bus()
        self.sources = make_sources(settings, self.clock, sources or {})
        self.receivers = make_receivers(settings, self.clock, receivers or {})
        self._journal: Journal | None = journal
        self._pipeline: Pipeline | None = None
        self._running = anyio.Event()
        self._stop = anyio.Event()
        self.cut_short = ""
        """Why the last stop did not wait for what was under way: the journal could not be written."""

    async def __aenter__(self) -> Connector:
        if self._journal is None:
            self._journal = await SqliteJournal.open(
                self.settings.journal,
                self.clock,
                accept_new=self._accept,
                restored=self._restored,
                witness=self.settings.witness_file,
            )
        journal = self._journal
        # What is sent and shown is by the machine's clock, whatever that is set to; what waits is not.
        steady = SteadyClock(self.clock)
        try:
            await unless_stalled(journal, self.clock, lambda: self._recover(journal, steady))
            ways = build(self.settings, self.sources, self.receivers)
            self._pipeline = wired(
                self.settings, self.sources, self.receivers, ways, journal=journal, bus=self.bus, clock=steady
            )
            self._announce_broken()
            await unless_stalled(journal, self.clock, lambda: self._release(journal, steady.now()))
        except BaseException:
            await self.aclose()
            raise
        if self._stop.is_set():  # asked for while it was being entered
            self._pipeline.stop()
        return self

    async def run(self) -> None:
        """
        Run until `stop`, or until cancelled; native cancellation is safe at every await.

        After a stop what is under way is finished, within `GRACE` seconds, or left where the journal cannot be written;
        after a cancellation it is left. What is left is looked up at the next start.
        """
        pipeline = self._entered()
        try:
            async with anyio.create_task_group() as tg:
                tg.start_soon(self._stop_in_time, tg.cancel_scope, name="stop in time")
                await pipeline.run(self._running.set)
                tg.cancel_scope.cancel()
        finally:
            self.stop()
            self.bus.close()

    def stop(self) -> None:
        """Ask the sources to end; `run` returns when everything behind them has. Idempotent."""
        self._stop.set()
        if self._pipeline is not None:
            self._pipeline.stop()

    async def drain(self) -> Drained:
        """
        Walk every source until a walk finds nothing new and all that was found is settled; `run` must be running.

        An endpoint that keeps failing is given up; the answer names it. What is held or rejected counts as settled.
        Raises `JournalStalled` when the journal could not be written for a minute; `run` goes on to wait for it.
        """
        stages = self._entered().stages
        await self._running.wait()
        return await drain(stages)

    def look(self) -> None:
        """Look into the journal: somebody has made something due there."""
        self._entered().look()

    async def reload(self, settings: Settings) -> Reloaded:
        """
        Take the mappings, code tables and secrets of `settings`, and release what waited for a code that is there now.

        Everything else in them counts from the next start; the answer names both. Raises `SettingsError`, and changes
        nothing, if a mapping cannot be used.
        """
        before = self.settings
        rotated = {name: end for name, end in self._ends() if isinstance(end, SupportsSecretRotation)}
        now = with_new_parts(before, settings, lambda name: name in rotated)
        self._entered().take(build(now, self.sources, self.receivers))
        own, former = {**now.sources, **now.receivers}, {**before.sources, **before.receivers}
        for name, end in rotated.items():
            if own[name] != former[name]:
                end.rotate_secrets(own[name])
                if name in self._entered().stages.producers:
                    self._entered().stages.producers[name].poll_soon()
        self.settings = now
        released = await self._release(self.journal, self._entered().stages.clock.now())
        self.look()
        return Reloaded(released, changed_keys(before, now), changed_keys(now, settings))

    async def replay(self, source: str, since: datetime) -> PollFinished:
        """
        Walk what `source` exported at or after `since` (with a zone) again; `run` must be running.

        What the journal knows is left alone, or amended if it is different now; nothing is delivered twice. Raises
        `SettingsError` for a source that cannot do that, or is not there, and `ValueError` for a time without a zone:
        it would mean another one on another machine.
        """
        if since.tzinfo is None:
            raise ValueError(f"replay since {since}: give the time with its zone, for example 2026-11-01T12:00:00Z")
        producers = self._entered().stages.producers
        await self._running.wait()
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
        reporter = self._entered().stages.reporters.get(source)
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
    def distrusted(self) -> list[str]:
        """The receivers that are paused because they refused several orders in a row and accepted none."""
        consumers = self._pipeline.stages.consumers if self._pipeline is not None else {}
        return [name for name, consumer in consumers.items() if consumer.refusals.paused]

    @property
    def broken(self) -> dict[str, str]:
        """The sources and receivers whose plugin cannot be used, each with the reason; the others work."""
        return {name: end.reason for name, end in self._ends() if isinstance(end, BrokenSource | BrokenReceiver)}

    @property
    def in_vain(self) -> dict[str, str]:
        """What is tried in vain at a source or receiver that works, in words, by its name."""
        vain = self._pipeline.stages.vain() if self._pipeline is not None else ()
        return {name: each.why for name, each in vain if each.stuck}

    @property
    def stalled(self) -> Stall | None:
        """Why everything waits for the journal, and since when; None while it does not."""
        return self._journal.stalled if self._journal is not None else None

    @property
    def journal(self) -> Journal:
        """The journal; it is there once the connector is entered."""
        return self._entered().stages.journal

    async def aclose(self) -> None:
        """
        Close every connection and the journal. Idempotent; leaving the context does it.

        One that fails, or is cut short by a native cancellation, which no shield keeps off, keeps none of the others
        open; it is raised when all are closed, the journal last.
        """
        self.bus.close()
        with anyio.CancelScope(shield=True):
            async with AsyncExitStack() as stack:
                if self._journal is not None:
                    stack.push_async_callback(self._journal.aclose)
                for receiver in self.receivers.values():
                    stack.push_async_callback(receiver.aclose)
                for source in self.sources.values():
                    stack.push_async_callback(source.aclose)

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.stop()
        await self.aclose()

    def _ends(self) -> list[tuple[str, Source | Receiver]]:
        return [*self.sources.items(), *self.receivers.items()]

    def _entered(self) -> Pipeline:
        if self._pipeline is None:
            raise RuntimeError("enter the connector first: async with Connector(...) as connector")
        return self._pipeline

    async def _recover(self, journal: Journal, clock: SteadyClock) -> None:
        """Turn what was in flight when the last process ended into in-doubt."""
        if moved := await journal.clock_steps.follow(clock):
            by = moved.total_seconds()
            logger.info("the clock was set by %+.0f s since what waits was written; it waits as long as before", by)
        now, own = clock.now(), self.settings
        ends = [*own.sources.values(), *own.receivers.values()]
        kept = await journal.ack_terms.keep(
            {
                name: each.terms if isinstance(each, SupportsAckTerms) else ""
                for name, each in self.sources.items()
                if name not in self.broken
            }
        )
        for name, count in kept.items():
            logger.info("source %s: %d acknowledgements that wait are told as the settings were before", name, count)
        await ask_receivers(own, self.receivers, journal, self.clock, self._stop)
        await journal.lookup_first.begin(lookup_rules(own, self.sources, self.receivers), now)
        await journal.recover(
            now,
            {name: float(own.receivers[name].settle) for name in self.receivers},
            max(float(end.retry.longest) for end in ends),
        )
        await journal.reports.recover(
            now,
            max(max(float(source.settle), float(source.timeout)) for source in own.sources.values()),
            max(float(source.retry.longest) for source in own.sources.values()),
        )

    async def _release(self, journal: Journal, now: datetime) -> int:
        """Make due what was held for a code that is in its table by now, or for a plugin that works by now."""
        codes = [cause for cause in await journal.holds.causes(MISSING) if known(cause, self.settings.tables)]
        still = {broken_cause(name) for name in self.broken}
        plugins = [cause for cause in await journal.holds.causes(BROKEN) if cause not in still]
        return sum([await journal.holds.release(cause, now) for cause in (*codes, *plugins)])

    def _announce_broken(self) -> None:
        """Let the log, the metrics and `status` show which sources and receivers are out of service."""
        for _, end in self._ends():
            if isinstance(end, BrokenSource | BrokenReceiver):
                end.breaker.announce()

    async def _stop_in_time(self, scope: anyio.CancelScope) -> None:
        await self._stop.wait()
        until = self.clock.monotonic() + GRACE
        while (left := until - self.clock.monotonic()) > 0:
            await self.clock.sleep(min(left, STALLED))
            stall = self.stalled
            if stall is not None and stall.seconds >= STALLED:
                self.cut_short = stall.why
                logger.warning("%s, nor what is under way be noted; the next start looks it up", stall.why)
                scope.cancel()
                return
        logger.warning("what is under way did not end within %g seconds; the next start looks it up", GRACE)
        scope.cancel()
