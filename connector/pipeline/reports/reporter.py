"""The reporter: tells a source what happens to its orders after their delivery, in order for each order, once each."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Protocol

import anyio
import msgspec

from connector.bus import Bus
from connector.clock import Clock, backoff, wall_time
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
from connector.pipeline.internal_errors import InternalError, InternalErrors
from connector.pipeline.poison import PoisonTracker
from connector.pipeline.reports.comparison import contains, summary
from connector.settings.model import SourceSettings
from connector.sources.base import Source, SupportsReports

__all__ = ["Reporter", "ReportingSource", "reporters"]

logger = logging.getLogger(__name__)

AT_ONCE = 50
"""Reports, each of another order, that share the commit which marks them as being sent."""
GLANCE = 1.0
"""Seconds between two looks while an order's acknowledgement has to be confirmed before its reports."""


class ReportingSource(Source, SupportsReports, Protocol):
    """A source that is told what happens to an order after it was delivered."""


class Reporter:
    """
    Tells one source. Of each order it sends the oldest report that is open, and no other meanwhile.

    A report is marked in the journal before it is sent. If its answer is lost, it is looked for in what the source
    shows before it is sent again; where that cannot tell, it is parked, because a source shows people each report.
    """

    def __init__(
        self, source: ReportingSource, settings: SourceSettings, *, journal: Journal, bus: Bus, clock: Clock
    ) -> None:
        self._source = source
        self._settings = settings
        self._journal = journal
        self._bus = bus
        self._clock = clock
        self._there = anyio.Event()
        self._unforeseen = InternalErrors(f"source {source.name}")
        self.vain = PoisonTracker(f"source {source.name}", clock, source.endpoint)
        self._ended = False
        self._turn = ProbeTurn(source.endpoint.breaker if source.endpoint is not None else None, clock)

    @property
    def source(self) -> ReportingSource:
        """The source that it tells."""
        return self._source

    async def add(self, order_id: str, report: Any) -> bool:
        """
        Keep a report to be sent; return False if the very same one was made before.

        Raises `Unmappable` when the source has no words for it.
        """
        body = self._source.encode_report(order_id, report)
        added = await self._journal.reports.add(self._source.name, order_id, body, self._clock.now())
        if added:
            self.look()
        return added

    def look(self) -> None:
        """Look into the journal: there is something to tell."""
        self._there.set()

    def finish(self) -> None:
        """Tell what is due, and end."""
        self._ended = True
        self._there.set()

    async def run(self) -> None:
        """Tell what is due, until finished. What is cut off is in doubt at the next start."""
        name = self._source.name
        while True:
            self._there = there = anyio.Event()
            paused = self._paused
            due = [] if paused else await self._journal.reports.due(name, self._clock.now(), AT_ONCE)
            if due:
                self._turn.take()
                await self._tell(due)
                continue
            if self._ended:
                return
            at = await self._journal.reports.next_due(name)
            wait = None
            if at is not None:
                left = (at - self._clock.now()) / timedelta(seconds=1)
                wait = max(left if left > 0 else GLANCE, paused)
            with anyio.move_on_after(wait):
                await there.wait()

    async def _tell(self, due: list[Report]) -> None:
        pending = [report for report in due if report.state == "pending"]
        granted = await self._journal.reports.claim([report.id for report in pending], self._clock.now())
        claimed = {report.id for report, grant in zip(pending, granted, strict=True) if grant}
        work = deque(report for report in due if report.state == "in_doubt" or report.id in claimed)

        async def one_by_one() -> None:
            while work:
                report = work.popleft()
                await self._record(report, await self._outcome(report))

        async with anyio.create_task_group() as tg:
            for number in range(min(self._settings.concurrency, len(work))):
                tg.start_soon(one_by_one, name=f"report to {self._source.name}, {number + 1}")

    async def _outcome(self, report: Report) -> ReportOutcome:
        """Send it, or read it back; what our own code fails at three times waits for a person."""
        reading = report.state == "in_doubt"
        name = _name(report)
        if not reading and self._unforeseen and (fault := self._unforeseen.given_up(name)) is not None:
            return self._parked(fault)
        if not reading and self.vain and (why := self.vain.given_up(name)) is not None:
            return ReportOutcome("parked", f"tried in vain at {self._source.name}: {why}")
        try:
            outcome = await (self._read_back(report) if reading else self._sent(report))
        except JournalError:
            raise
        except Exception as exc:  # noqa: BLE001 - logged by `note`
            why = self._unforeseen.note(name, exc, "reading back" if reading else "telling")
            if not reading:
                return self._doubtful(why)  # given up only when it is due again: it is read back before
            if (fault := self._unforeseen.given_up(name)) is not None:
                return self._parked(fault)
            return self._again("in_doubt", report, TransientError(why))
        if outcome.state in ("confirmed", "parked"):
            if self._unforeseen or self.vain:
                self._unforeseen.forget(name)
                (self.vain.passed if outcome.state == "confirmed" else self.vain.forget)(name)
        elif outcome.again is None or outcome.again > self._clock.now():
            self.vain.note(name, outcome.reason)
            if reading and (why := self.vain.given_up(name)) is not None:
                return ReportOutcome("parked", f"tried in vain at {self._source.name}, it may have it, look: {why}")
        return outcome

    async def _sent(self, report: Report) -> ReportOutcome:
        try:
            with about("report", _name(report)):
                await self._source.report(report.order_id, report.body)
        except RejectedError as exc:
            return ReportOutcome("parked", str(exc))
        except InDoubtError as exc:
            return self._doubtful(str(exc))
        except ConnectorError as exc:
            if (why := self._alone(report)) is not None:
                return ReportOutcome("parked", why)
            return self._again("pending", report, exc)
        return self._confirmed(report)

    async def _read_back(self, report: Report) -> ReportOutcome:
        """Find out what became of a report whose answer was lost."""
        lost = "the answer was lost, and the source does not show for certain whether it has the report"
        try:
            with about("report", _name(report), "read back"):
                events = await self._source.reported(report.order_id)
        except (RejectedError, EndpointError) as exc:
            return ReportOutcome("parked", f"{lost}: {exc}")
        except ConnectorError as exc:
            if (why := self._alone(report)) is not None:
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
        return ReportOutcome("pending", "the answer was lost, and the source does not show it", self._clock.now())

    def _alone(self, report: Report) -> str | None:
        """Return why a report is refused while others are taken; None for any other one."""
        endpoint = self._source.endpoint
        found = None if endpoint is None else endpoint.blames["report"].alone(_name(report), self._source.name)
        return None if found is None else ": ".join(found)

    def _parked(self, fault: InternalError) -> ReportOutcome:
        """Leave to a person what our own code cannot tell; all that meet the same fault share the reason."""
        why = f"unforeseen {fault.name} at {self._source.name}, {fault}; the source may have it: look"
        return ReportOutcome("parked", f"{why}. The log has the traceback; mend it, then retry or skip")

    async def _record(self, report: Report, outcome: ReportOutcome) -> None:
        now, name = self._clock.now(), self._source.name
        await self._journal.reports.settle(report, outcome, now)
        if outcome.state == "confirmed":
            at, told = wall_time(self._clock, now), summary(report.body)
            self._bus.notice(
                ProgressReported(at=at, key=report.key, source=name, order_id=report.order_id, report=told)
            )
        elif outcome.state == "parked":
            logger.warning("source %s: a report about order %s is parked: %s", name, report.order_id, outcome.reason)

    @staticmethod
    def _confirmed(report: Report) -> ReportOutcome:
        return ReportOutcome("confirmed", keep=msgspec.json.encode(summary(report.body)))

    def _doubtful(self, reason: str) -> ReportOutcome:
        """Read it back when the call is certain to have ended over there as well."""
        wait = max(float(self._settings.settle), float(self._settings.timeout))
        return ReportOutcome("in_doubt", reason, self._clock.now() + timedelta(seconds=wait))

    def _again(self, state: Any, report: Report, exc: ConnectorError) -> ReportOutcome:
        retry = self._settings.retry
        wait = backoff(
            self._clock,
            report.attempts + 1,
            first=float(retry.first),
            longest=float(retry.longest),
            at_least=exc.retry_after if isinstance(exc, TransientError) else None,
        )
        return ReportOutcome(state, str(exc), self._clock.now() + timedelta(seconds=wait))

    @property
    def _paused(self) -> float:
        endpoint = self._source.endpoint
        return (endpoint.remaining("report") or self._turn.wait()) if endpoint is not None else 0.0


def _name(report: Report) -> str:
    return f"report {report.id} of order {report.order_id}"


def reporters(
    sources: Mapping[str, Source], settings: Mapping[str, SourceSettings], *, journal: Journal, bus: Bus, clock: Clock
) -> dict[str, Reporter]:
    """Return a reporter for each source that takes reports."""
    return {
        name: Reporter(source, settings[name], journal=journal, bus=bus, clock=clock)
        for name, source in sources.items()
        if isinstance(source, SupportsReports)
    }
