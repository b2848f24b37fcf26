"""Runs the stages of the flow, and their attendants (the flow is drawn in `connector.pipeline`)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import timedelta

import anyio

from connector.errors import JournalError
from connector.journal.base import Journal
from connector.pipeline.routes import Route
from connector.pipeline.stages import Stages

__all__ = ["Pipeline"]

logger = logging.getLogger(__name__)

CHECK_INTERVAL = 1.0
"""Seconds between two checks for writes of another process to the journal; each reads one number from memory."""
PRUNE_BATCH = 1000
"""Lines of history that are removed at once: few enough to hold nothing up."""
MIN_STEP = 2.0
"""Seconds by which the machine's clock has to jump for a log line: less is a leap second, or a clock slewed."""
MARK_INTERVAL = 60.0
"""Seconds between two notes of the journal's progress, by which an older copy is recognised."""


class Pipeline:
    """The running stages. `keep` is the time for which history is kept; zero keeps it for ever."""

    def __init__(self, stages: Stages, keep: timedelta) -> None:
        self.stages = stages
        self._keep = keep

    async def run(self, started: Callable[[], None]) -> None:
        """Run until the producers, and everything behind them, have ended; call `started` once all are under way."""
        stages = self.stages
        async with anyio.create_task_group() as attendants:
            attendants.start_soon(self._watch_journal, name="watch for writes of other processes")
            attendants.start_soon(stages.endpoint_status.persist, name="store the states of the breakers")
            attendants.start_soon(stages.endpoint_status.repeat_warnings, name="repeat warnings about paused endpoints")
            attendants.start_soon(stages.alarm.run, name="raise the alarm for late acknowledgements")
            for watcher in stages.watchers:
                attendants.start_soon(watcher.run, name="watch the status of orders")
            for name, amender in stages.amenders.items():
                attendants.start_soon(amender.run, name=f"amender of {name}")
            attendants.start_soon(stages.replays.run, name="serve replays")
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
        """Stop polling, and start no further delivery. Idempotent."""
        for producer in self.stages.producers.values():
            producer.stop()
        for consumer in self.stages.consumers.values():
            consumer.stop()

    def wake(self) -> None:
        """Let every stage read the journal: something was made due there."""
        self.stages.wakeups.wake_all()

    def replace_routes(self, routes: Mapping[str, Mapping[str, Route]]) -> None:
        """Deliver by other routes from now on."""
        for name, by_source in self.stages.routes.items():
            by_source.clear()
            by_source.update(routes[name])

    async def _acknowledge(self) -> None:
        """Run the acknowledger; once everything is acknowledged, let the reporters send their reports, and end."""
        await self.stages.acknowledger.run()
        for reporter in self.stages.reporters.values():
            reporter.finish()

    async def _watch_journal(self) -> None:
        """Wake every stage when another process has written to the journal; note steps of the machine's clock."""
        journal, clock = self.stages.journal, self.stages.clock
        before = await journal.changed_elsewhere()
        mark_at = clock.monotonic() + MARK_INTERVAL
        while True:
            await clock.sleep(CHECK_INTERVAL)
            await self._note_step(journal)
            if clock.monotonic() >= mark_at:
                mark_at = clock.monotonic() + MARK_INTERVAL
                await self._tend(journal)
            now = await journal.changed_elsewhere()
            if now != before:
                before = now
                self.wake()

    async def _note_step(self, journal: Journal) -> None:
        """Record a step of the machine's clock, for the next process and for those that show times."""
        try:
            by = (await journal.clock_steps.note()).total_seconds()
        except JournalError as exc:
            logger.warning("%s", exc)
            return
        if abs(by) >= MIN_STEP:
            how = f"ahead by {by:.0f} s, or the machine was suspended" if by > 0 else f"back by {-by:.0f} s"
            logger.warning(
                "system clock jumped %s; pending deadlines are unaffected, displayed times use the new clock", how
            )

    async def _tend(self, journal: Journal) -> None:
        """Note the journal's progress, and remove old history; a full disk is no reason to end."""
        try:
            await journal.mark()
            if self._keep:
                await journal.history.prune(self.stages.clock.now() - self._keep, PRUNE_BATCH)
        except JournalError as exc:
            logger.warning("%s", exc)
