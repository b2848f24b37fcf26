"""The public API: `Connector`, which an asyncio application embeds and the command line runs."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any

import anyio

from connector.bus import Bus
from connector.clock import Clock, SteadyClock, SystemClock
from connector.errors import SettingsError
from connector.events import Event, PollFinished
from connector.journal.base import Journal, Stall, unless_stalled
from connector.journal.sqlite import SqliteJournal
from connector.mapping.code_tables import MISSING, known
from connector.pipeline import assembly
from connector.pipeline.drain import Drained, drain
from connector.pipeline.pipeline import Pipeline
from connector.pipeline.receiver_witness import check_receivers
from connector.pipeline.routes import build as build_routes
from connector.pipeline.routes import lookup_rules
from connector.receivers.base import Receiver
from connector.registry import BROKEN, BrokenReceiver, BrokenSource, broken_cause, make_receivers, make_sources
from connector.settings import Settings
from connector.settings.reload import Reloaded, SupportsSecretRotation, changed_keys, with_new_parts
from connector.sources.base import Source, SupportsAckTerms

__all__ = ["Connector"]

logger = logging.getLogger(__name__)

GRACE = 20.0
"""Seconds that a stop may take before calls under way are left in doubt: less than the 30 that Kubernetes grants."""
STALLED = 4.0
"""Seconds that a stop waits for a journal that cannot be written: until it can, no call comes to its end."""


class Connector:
    """
    Carries orders from the sources to the receivers of `settings`, along its routes.

    Enter it, which opens the journal, then `run` it in a task group. It installs no signal handlers and configures no
    logging.

    - `sources`, `receivers`: instances to use under these names; `journal`: the journal to use instead of the file.
    - `accept_new_journal`: begin a new journal where the one that was in use is gone.
    - `restored`: treat the journal as an older copy, and look up the orders that it may lack before creating them.

    Raises:
        SettingsError: (when created) `sources` or `receivers` has a name that the settings do not have.
        JournalBusy: (when entered) another process holds the journal.
        JournalStalled: (when entered) the journal could not be written for a minute.
        JournalError: (when entered) the journal cannot be used, or the one that was in use is gone.
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
        self.bus = Bus(self.clock)
        self.sources = make_sources(settings, self.clock, sources or {})
        self.receivers = make_receivers(settings, self.clock, receivers or {})
        self._journal: Journal | None = journal
        self._pipeline: Pipeline | None = None
        self._running = anyio.Event()
        self._stop = anyio.Event()
        self.cut_short = ""
        """The reason why the last stop did not wait for calls under way: the journal could not be written."""

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
        # Times that are sent or shown are the machine's; deadlines must not move when the machine's clock is set.
        steady = SteadyClock(self.clock)
        try:
            await unless_stalled(journal, self.clock, lambda: self._recover(journal, steady))
            routes = build_routes(self.settings, self.sources, self.receivers)
            stages = assembly.build(
                self.settings, self.sources, self.receivers, routes, journal=journal, bus=self.bus, clock=steady
            )
            self._pipeline = Pipeline(stages, timedelta(days=self.settings.history_days))
            self._announce_broken()
            await unless_stalled(journal, self.clock, lambda: self._release(journal, steady.now()))
        except BaseException:
            await self.aclose()
            raise
        if self._stop.is_set():  # stopped while it was being entered
            self._pipeline.stop()
        return self

    async def run(self) -> None:
        """
        Run until `stop`, or until cancelled; native cancellation is safe at every await.

        After a stop, calls under way are finished within `GRACE` seconds, unless the journal cannot be written; after a
        cancellation they are abandoned. The next start looks abandoned orders up.
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
        """Stop polling; `run` returns when all stages have ended. Idempotent."""
        self._stop.set()
        if self._pipeline is not None:
            self._pipeline.stop()

    async def drain(self) -> Drained:
        """
        Poll every source until a poll finds nothing new and every order is settled; `run` must be running.

        An endpoint that keeps failing is given up, and named in the result. Held and rejected orders count as settled.
        Raises `JournalStalled` if the journal could not be written for a minute; `run` continues to wait for it.
        """
        stages = self._entered().stages
        await self._running.wait()
        return await drain(stages)

    def look(self) -> None:
        """Let every stage read the journal: something was made due there."""
        self._entered().wake()

    async def reload(self, settings: Settings) -> Reloaded:
        """
        Apply the mappings, code tables and secrets of `settings`, and release the orders that waited for a new code.

        All other changes apply from the next start; the result names both. Raises `SettingsError`, and changes nothing,
        if a mapping cannot be used.
        """
        before = self.settings
        rotated = {name: end for name, end in self._ends() if isinstance(end, SupportsSecretRotation)}
        now = with_new_parts(before, settings, lambda name: name in rotated)
        self._entered().replace_routes(build_routes(now, self.sources, self.receivers))
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
        Poll `source` for the orders that were exported at or after `since` (with a zone); `run` must be running.

        Orders that the journal has are left alone, or amended if they changed; none is delivered twice. Raises
        `SettingsError` for a source that cannot list exported orders or does not exist, and `ValueError` for a time
        without a zone, which would differ between machines.
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
        Report the progress of a delivered order to `source`; `report` is a `Progress`, or of the source's own kind.

        Returns when the journal has the report: `run` sends it, now or later, once and after earlier reports of the
        order. Returns False if the very same report was made before. Raises `SettingsError` for a source that does not
        exist or accepts no reports, and `Unmappable` for a report that the source has no words for.
        """
        reporter = self._entered().stages.reporters.get(source)
        if reporter is None:
            problem = "takes no reports" if source in self.sources else "is not there"
            raise SettingsError([f"the source {source} {problem}"])
        return await reporter.add(order_id, report)

    def events(self) -> AsyncIterator[Event]:
        """Observe all events from now on. A slow observer never delays the flow; it loses the oldest events."""
        return self.bus.observe().__aiter__()

    @property
    def running(self) -> bool:
        """True while `run` is under way and was not stopped."""
        return self._running.is_set() and not self._stop.is_set()

    @property
    def distrusted(self) -> list[str]:
        """The receivers that are paused because they rejected several orders in a row and accepted none."""
        consumers = self._pipeline.stages.consumers if self._pipeline is not None else {}
        return [name for name, consumer in consumers.items() if consumer.rejections.paused]

    @property
    def broken(self) -> dict[str, str]:
        """The sources and receivers whose plugin cannot be used, each with the reason."""
        return {name: end.reason for name, end in self._ends() if isinstance(end, BrokenSource | BrokenReceiver)}

    @property
    def keeps_failing(self) -> dict[str, str]:
        """The items that keep failing at a source or receiver that works, in words, by its name."""
        trackers = self._pipeline.stages.poison() if self._pipeline is not None else ()
        return {name: each.summary for name, each in trackers if each.stuck}

    @property
    def stalled(self) -> Stall | None:
        """The reason why everything waits for the journal, and since when; None while nothing does."""
        return self._journal.stalled if self._journal is not None else None

    @property
    def journal(self) -> Journal:
        """The journal, once the connector is entered."""
        return self._entered().stages.journal

    async def aclose(self) -> None:
        """
        Close every connection, and the journal last. Idempotent; leaving the context does it.

        A failure, or a native cancellation, which no shield keeps off, leaves none of the others open: it is raised
        when all are closed.
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
        """Put the calls in doubt that were in flight when the last process ended."""
        if moved := await journal.clock_steps.follow(clock):
            by = moved.total_seconds()
            logger.info("system clock was set by %+.0f s since the last run; pending deadlines are unaffected", by)
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
            logger.info("source %s: %d pending acknowledgements are sent under the former settings", name, count)
        await check_receivers(own, self.receivers, journal, self.clock, self._stop)
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
        """Release the orders that were held for a code that its table has now, or for a plugin that works now."""
        codes = [cause for cause in await journal.holds.causes(MISSING) if known(cause, self.settings.tables)]
        still = {broken_cause(name) for name in self.broken}
        plugins = [cause for cause in await journal.holds.causes(BROKEN) if cause not in still]
        return sum([await journal.holds.release(cause, now) for cause in (*codes, *plugins)])

    def _announce_broken(self) -> None:
        """Announce the sources and receivers that are out of service to the log, the metrics and `status`."""
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
                logger.warning("%s, so calls under way are abandoned; the next start looks them up", stall.why)
                scope.cancel()
                return
        logger.warning("calls under way did not end within %g seconds; the next start looks them up", GRACE)
        scope.cancel()
