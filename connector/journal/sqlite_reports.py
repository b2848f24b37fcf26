"""The part of the journal in SQLite that is about reports: the methods of `Reports`."""

from __future__ import annotations

import sqlite3
from abc import abstractmethod
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import TypeVar

from connector.journal.engine.codec import millis, moment
from connector.journal.engine.store import Sending
from connector.journal.reports import Followed, Report, ReportOutcome, Seen
from connector.journal.sqlite_clock_steps import SqliteClockSteps
from connector.journal.tables import reports

__all__ = ["SqliteReports"]

T = TypeVar("T")


class SqliteReports(SqliteClockSteps, Sending):
    """An `Reports` over whatever writes and reads."""

    @abstractmethod
    async def _read(self, operation: Callable[[sqlite3.Connection], T]) -> T:
        """Run `operation`, which only reads."""

    async def recover_reports(self, now: datetime, settle: float, longest: float) -> int:
        """See `Reports.recover_reports`."""
        return await self._write(partial(reports.recover, millis(now), round(settle * 1000), round(longest * 1000)))

    async def add_report(self, source: str, order_id: str, body: bytes, now: datetime) -> bool:
        """See `Reports.add_report`."""
        return await self._write(partial(reports.add, source, order_id, body, self._kept(now), millis(now)))

    async def reports_due(self, source: str, now: datetime, limit: int) -> list[Report]:
        """See `Reports.reports_due`."""
        return await self._read(partial(reports.due, source, millis(now), limit))

    async def next_report(self, source: str) -> datetime | None:
        """See `Reports.next_report`."""
        return _moment(await self._read(partial(reports.next_due, source)))

    async def claim_reports(self, ids: Sequence[int], now: datetime) -> list[bool]:
        """See `Reports.claim_reports`."""
        return await self._before_sending(partial(reports.claim, ids))

    async def settle_report(self, report: Report, outcome: ReportOutcome, now: datetime) -> None:
        """See `Reports.settle_report`."""
        await self._write(partial(reports.settle, report, outcome, self._kept(now)))

    async def reports_told(self, source: str, order_id: str) -> list[bytes]:
        """See `Reports.reports_told`."""
        return await self._read(partial(reports.told, source, order_id))

    async def followed(
        self, source: str, receiver: str, final: Sequence[str], since: datetime, after: int, limit: int
    ) -> tuple[list[Followed], int | None]:
        """See `Reports.followed`."""
        return await self._read(partial(reports.followed, source, receiver, final, self._kept(since), after, limit))

    async def progressed(self, receiver: str, seen: Sequence[Seen], now: datetime) -> int:
        """See `Reports.progressed`."""
        return await self._write(partial(reports.progressed, receiver, seen, self._kept(now), millis(now)))


def _moment(ms: int | None) -> datetime | None:
    return None if ms is None else moment(ms)
