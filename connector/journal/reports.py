"""What a journal keeps of the reports to sources, and of how far orders are at their receivers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, Protocol

import msgspec

__all__ = ["Followed", "Report", "ReportOutcome", "ReportRow", "Reports", "Seen"]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A report that is due. `key` is its order's row, 0 for an order that the journal does not know."""

    id: int
    key: int
    source: str
    order_id: str
    state: Literal["pending", "in_doubt"]
    attempts: int
    body: bytes


class ReportOutcome(msgspec.Struct, frozen=True):
    """
    What became of a report; `again` is when it is tried, or read back, again where it is not at an end.

    `keep` takes the place of the body of one that is at its end.
    """

    state: Literal["confirmed", "pending", "in_doubt", "parked"]
    reason: str = ""
    again: datetime | None = None
    keep: bytes | None = None


class ReportRow(msgspec.Struct, frozen=True, kw_only=True):
    """A report as `show` shows it; `state` is `skipped` for one that a person has given up."""

    state: str
    body: bytes
    made_at: datetime
    done_at: datetime | None
    attempts: int
    next_try_at: datetime
    reason: str


class Followed(msgspec.Struct, frozen=True):
    """An order that was delivered and acknowledged; `progress` is the last status that was seen, empty at first."""

    key: int
    order_id: str
    receipt: str
    reference: str
    progress: str


class Seen(msgspec.Struct, frozen=True):
    """A status that is new: it was `before`; `body` is the report that it makes due, if it makes one due."""

    key: int
    before: str
    status: str
    body: bytes | None = None


class Reports(Protocol):
    """The part of a journal that is about reports. See `connector.journal.base` for what holds for every write."""

    async def recover_reports(self, now: datetime, settle: float, longest: float) -> int:
        """
        Turn the reports that were being sent into in-doubt; return how many.

        They are read back after `settle` seconds. Waits that are longer than `longest` seconds are cut to that.
        """

    async def add_report(self, source: str, order_id: str, body: bytes, now: datetime) -> bool:
        """Keep a report to be sent; return False if the very same one is kept already, whatever became of it."""

    async def reports_due(self, source: str, now: datetime, limit: int) -> list[Report]:
        """
        Return reports that are due, the oldest first: of each order only its oldest open one.

        None of an order whose acknowledgement is under way: the source has to know of the export first.
        """

    async def next_report(self, source: str) -> datetime | None:
        """Return when the next report is due, which may be past; None if none is open."""

    async def claim_reports(self, ids: Sequence[int], now: datetime) -> list[bool]:
        """Mark reports as being sent; return for each whether it was pending."""

    async def settle_report(self, report: Report, outcome: ReportOutcome, now: datetime) -> None:
        """Record what became of a report that was being sent or in doubt."""

    async def reports_told(self, source: str, order_id: str) -> list[bytes]:
        """Return what is kept of the reports about an order that its source has."""

    async def followed(
        self, source: str, receiver: str, final: Sequence[str], since: datetime, after: int, limit: int
    ) -> tuple[list[Followed], int | None]:
        """
        Return orders of `source` after the key `after` whose progress at `receiver` is followed, and the next `after`.

        Followed is what was delivered at or after `since` and acknowledged as exported, unless its last status is one
        of `final`, or it was cancelled there at the source's own wish. None as the next `after`: that was all.
        """

    async def progressed(self, receiver: str, seen: Sequence[Seen], now: datetime) -> int:
        """Keep statuses, and the reports that they make due, in one transaction; return how many reports."""
