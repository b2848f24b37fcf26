"""The reporter: sends a source the progress of its delivered orders, in sequence for each order, each report once."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal, Protocol

import anyio
import msgspec

from connector.bus import Bus
from connector.clock import Clock
from connector.errors import (
    ConnectorError,
    EndpointError,
    InDoubtError,
    JournalError,
    RejectedError,
    TransientError,
)
from connector.events import ProgressReported
from connector.http.attribution import about
from connector.http.breaker import ProbeTurn
from connector.journal.base import Journal
from connector.journal.records import Report, ReportOutcome
from connector.pipeline.poison import GiveUp, PoisonTracker
from connector.pipeline.reports.comparison import contains, summary
from connector.pipeline.worker import Worker, seconds_until
from connector.retry import RetryPolicy
from connector.settings.model import SourceSettings
from connector.sources.base import Source, SupportsReports

__all__ = ["Reporter", "ReportingSource", "reporters"]

logger = logging.getLogger(__name__)

BATCH = 50
"""Reports, each of another order, that share the commit which claims them."""
BLOCKED_INTERVAL = 1.0
"""Seconds between two readings while an order's acknowledgement has to be confirmed before its reports."""


class ReportingSource(Source, SupportsReports, Protocol):
    """A source that accepts reports about the progress of its orders."""


class Reporter(Worker):
    """
    Sends reports to one source: the oldest open one of each order, and no other of that order meanwhile.

    A report is claimed in the journal before it is sent. If its response is lost, the report is looked for in the
    source's timeline before it is sent again; where that is inconclusive, it is parked, because a source shows people
    every report. A report that is cut off is in doubt at the next start.
    """

    def __init__(
        self, source: ReportingSource, settings: SourceSettings, *, journal: Journal, bus: Bus, clock: Clock
    ) -> None:
        super().__init__()
        self._source = source
        self._concurrency = settings.concurrency
        # A call that was lost is read back once it is certain to have ended at the source as well.
        self._settle = timedelta(seconds=max(float(settings.settle), float(settings.timeout)))
        self._journal = journal
        self._bus = bus
        self._clock = clock
        self._retry = RetryPolicy(settings.retry, clock)
        self.poison = PoisonTracker(source.name, clock, source.endpoint, label=f"source {source.name}")
        self._turn = ProbeTurn(source.endpoint.breaker if source.endpoint is not None else None, clock)

    @property
    def source(self) -> ReportingSource:
        """The source that the reports go to."""
        return self._source

    async def add(self, order_id: str, report: Any) -> bool:
        """
        Record a report to be sent; return False if the very same one was recorded before.

        Raises `Unmappable` for a report that the source has no words for.
        """
        body = self._source.encode_report(order_id, report)
        added = await self._journal.reports.add(self._source.name, order_id, body, self._clock.now())
        if added:
            self.wake()
        return added

    async def work(self) -> float | None:
        """Send or read back the reports that are due."""
        name, paused = self._source.name, self._paused
        due = [] if paused else await self._journal.reports.due(name, self._clock.now(), BATCH)
        if due:
            self._turn.take()
            await self._handle(due)
            return 0
        wait = seconds_until(await self._journal.reports.next_due(name), self._clock.now())
        return None if wait is None else max(wait or BLOCKED_INTERVAL, paused)

    async def _handle(self, due: list[Report]) -> None:
        pending = [report for report in due if report.state == "pending"]
        granted = await self._journal.reports.claim([report.id for report in pending], self._clock.now())
        claimed = {report.id for report, grant in zip(pending, granted, strict=True) if grant}
        todo = deque(report for report in due if report.state == "in_doubt" or report.id in claimed)

        async def one_by_one() -> None:
            while todo:
                report = todo.popleft()
                await self._record(report, await self._outcome(report))

        async with anyio.create_task_group() as tg:
            for number in range(min(self._concurrency, len(todo))):
                tg.start_soon(one_by_one, name=f"report to {self._source.name}, {number + 1}")

    async def _outcome(self, report: Report) -> ReportOutcome:
        """Send a report, or read it back; give it up if it keeps failing."""
        in_doubt = report.state == "in_doubt"
        item = _name(report)
        if not in_doubt and self.poison and (end := self.poison.give_up(item)) is not None:
            return self._parked(end, may_exist=end.internal)
        try:
            outcome = await (self._read_back(report) if in_doubt else self._send(report))
        except JournalError:
            raise
        except Exception as exc:  # noqa: BLE001 - logged by the tracker
            why = self.poison.crashed(item, exc, "reading back" if in_doubt else "sending")
            if not in_doubt:
                return self._in_doubt(why)  # given up only when it is due again: it is read back before
            outcome = self._again("in_doubt", report, TransientError(why))
        else:
            if outcome.state == "confirmed":
                self.poison.succeeded(item)
            elif outcome.state == "parked":
                self.poison.forget(item)
            elif outcome.again is None or outcome.again > self._clock.now():
                self.poison.failed(item, outcome.reason)
        if in_doubt and outcome.state == "in_doubt" and (end := self.poison.give_up(item)) is not None:
            return self._parked(end, may_exist=True)
        return outcome

    async def _send(self, report: Report) -> ReportOutcome:
        try:
            with about("report", _name(report)):
                await self._source.report(report.order_id, report.body)
        except RejectedError as exc:
            return ReportOutcome("parked", str(exc))
        except InDoubtError as exc:
            return self._in_doubt(str(exc))
        except ConnectorError as exc:
            if (why := self._refused_alone(report)) is not None:
                return ReportOutcome("parked", why)
            return self._again("pending", report, exc)
        return self._confirmed(report)

    async def _read_back(self, report: Report) -> ReportOutcome:
        """Look for a report whose response was lost in the source's timeline."""
        lost = "the response was lost, and the source does not show for certain whether it has the report"
        try:
            with about("report", _name(report), "read back"):
                events = await self._source.reported(report.order_id)
        except (RejectedError, EndpointError) as exc:
            return ReportOutcome("parked", f"{lost}: {exc}")
        except ConnectorError as exc:
            if (why := self._refused_alone(report)) is not None:
                return ReportOutcome("parked", f"{lost}: {why}")
            return self._again("in_doubt", report, exc)
        has = None
        if events is not None:
            has = contains(
                report.body, events, await self._journal.reports.confirmed(self._source.name, report.order_id)
            )
        if has is None:
            return ReportOutcome("parked", f"{lost}; look there, then retry")
        if has:
            return self._confirmed(report)
        return ReportOutcome(
            "pending", "the response was lost, and the source does not show the report", self._clock.now()
        )

    def _refused_alone(self, report: Report) -> str | None:
        """Return why a report is refused while other reports are accepted; None for any other report."""
        endpoint = self._source.endpoint
        found = (
            None if endpoint is None else endpoint.attributions["report"].pop_culprit(_name(report), self._source.name)
        )
        return None if found is None else ": ".join(found)

    @staticmethod
    def _parked(end: GiveUp, *, may_exist: bool) -> ReportOutcome:
        where = "the source may have it: look, " if may_exist else ""
        return ReportOutcome("parked", f"{end}; {where}{end.remedy} or skip")

    async def _record(self, report: Report, outcome: ReportOutcome) -> None:
        name = self._source.name
        await self._journal.reports.settle(report, outcome, self._clock.now())
        if outcome.state == "confirmed":
            content = summary(report.body)
            self._bus.notice(ProgressReported(key=report.key, source=name, order_id=report.order_id, report=content))
        elif outcome.state == "parked":
            logger.warning("source %s: a report about order %s is parked: %s", name, report.order_id, outcome.reason)

    @staticmethod
    def _confirmed(report: Report) -> ReportOutcome:
        return ReportOutcome("confirmed", keep=msgspec.json.encode(summary(report.body)))

    def _in_doubt(self, reason: str) -> ReportOutcome:
        return ReportOutcome("in_doubt", reason, self._clock.now() + self._settle)

    def _again(self, state: Literal["pending", "in_doubt"], report: Report, exc: ConnectorError) -> ReportOutcome:
        return ReportOutcome(state, str(exc), self._retry.next_try(report.attempts + 1, exc))

    @property
    def _paused(self) -> float:
        endpoint = self._source.endpoint
        return (endpoint.remaining("report") or self._turn.wait()) if endpoint is not None else 0.0


def _name(report: Report) -> str:
    return f"report {report.id} of order {report.order_id}"


def reporters(
    sources: Mapping[str, Source], settings: Mapping[str, SourceSettings], *, journal: Journal, bus: Bus, clock: Clock
) -> dict[str, Reporter]:
    """Return a reporter for each source that accepts reports."""
    return {
        name: Reporter(source, settings[name], journal=journal, bus=bus, clock=clock)
        for name, source in sources.items()
        if isinstance(source, SupportsReports)
    }
