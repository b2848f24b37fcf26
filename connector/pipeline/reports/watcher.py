"""
The watcher: follows the status of delivered orders at a receiver, and turns a new status into a report to the source.

It reads the status of the order only. The parcels that a warehouse knows (eWarehousing's shipments with their tracking
codes) are not in the vendor document that the receiver is built to (seed 004); an application that wants them reported
reads `EwarehousingClient.shipments` and makes the report (`Connector.report`).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Protocol

import anyio

from connector.clock import Clock, wall_time
from connector.errors import ConnectorError, Unmappable
from connector.journal.base import Journal
from connector.journal.records import Followed, NewStatus
from connector.pipeline.reports.reporter import Reporter
from connector.progress import Progress
from connector.receivers.base import Receipt, Receiver, SupportsStatus
from connector.settings.model import ProgressSettings, Settings

__all__ = ["FollowingReceiver", "StatusWatcher", "watchers"]

logger = logging.getLogger(__name__)

PAGE = 50
"""Orders whose status is read in one call."""
FOLLOWED_FOR = timedelta(days=90)
"""Time after its delivery for which an order is followed: one that was forgotten there is not read for ever."""


class FollowingReceiver(Receiver, SupportsStatus, Protocol):
    """A receiver that returns the status of its orders."""


class StatusWatcher:
    """
    Follows the orders of one source at one receiver.

    An order is followed from its acknowledgement until its status is a final one. A status and the report that it makes
    due are recorded in one transaction, so that neither a restart nor a crash repeats a report or loses one.
    """

    def __init__(
        self,
        reporter: Reporter,
        receiver: FollowingReceiver,
        settings: ProgressSettings,
        *,
        journal: Journal,
        clock: Clock,
    ) -> None:
        self._reporter = reporter
        self._receiver = receiver
        self._settings = settings
        self._journal = journal
        self._clock = clock
        self._polling = anyio.Lock()
        self._rules = {status.lower(): rule for status, rule in settings.statuses.items()}

    async def run(self) -> None:
        """Poll at the interval of the settings, until cancelled."""
        while True:
            await self.poll()
            await self._clock.sleep(float(self._settings.interval))

    async def poll(self) -> None:
        """Read the status of every order that is followed, once; a receiver that fails is polled again next time."""
        async with self._polling:
            try:
                await self._poll()
            except ConnectorError as exc:
                logger.warning("the status of orders at %s could not be read: %s", self._receiver.name, exc)
            except Exception:
                logger.exception("internal error while reading the status of orders at %s", self._receiver.name)

    async def _poll(self) -> None:
        waiting: list[Followed] = []
        after: int | None = 0
        while after is not None:
            found, after = await self._journal.reports.followed(
                self._reporter.source.name,
                self._receiver.name,
                self._settings.final,
                self._clock.now() - FOLLOWED_FOR,
                after,
                PAGE - len(waiting),
            )
            waiting += found
            if waiting and (len(waiting) == PAGE or after is None):
                await self._read(waiting)
                waiting = []

    async def _read(self, followed: list[Followed]) -> None:
        """Read the status of some orders, and record the new ones."""
        receipts = [Receipt(id=each.receipt, reference=each.reference) for each in followed]
        try:
            statuses = await self._receiver.progress(receipts)
        except ConnectorError:
            raise
        except Exception:
            logger.exception("internal error while reading %d orders at %s", len(followed), self._receiver.name)
            return  # perhaps for one of them: the next page is read all the same
        seen = [
            new
            for each in followed
            if (status := statuses.get(each.receipt, "")) and status != each.progress
            if (new := self._seen(each, status)) is not None
        ]
        if seen and await self._journal.reports.progressed(self._receiver.name, seen, self._clock.now()):
            self._reporter.wake()

    def _seen(self, followed: Followed, status: str) -> NewStatus | None:
        rule = self._rules.get(status.lower(), "ignore")
        if rule == "ignore":
            return NewStatus(followed.key, followed.progress, status)
        source = self._reporter.source
        report = Progress(
            status=rule.status,
            location=rule.location,
            at=wall_time(self._clock, self._clock.now()),
            comment=rule.comment or ("" if rule.status == "COMPLETE" else f"{self._receiver.name}: {status}"),
        )
        try:
            body = source.encode_report(followed.order_id, report)
        except Unmappable as exc:
            # Not recorded as seen: it is due as soon as the table or the source is corrected.
            logger.warning("%s of order %s cannot be reported to %s: %s", status, followed.order_id, source.name, exc)
            return None
        except Exception:
            logger.exception(
                "internal error while reporting %s of order %s to %s", status, followed.order_id, source.name
            )
            return None
        return NewStatus(followed.key, followed.progress, status, body)


def watchers(
    settings: Settings,
    reporters: Mapping[str, Reporter],
    receivers: Mapping[str, Receiver],
    *,
    journal: Journal,
    clock: Clock,
) -> list[StatusWatcher]:
    """Return a watcher for each route from a source that accepts reports to a receiver that can be followed."""
    found = []
    for route in settings.routes:
        for name in route.receivers:
            receiver = receivers[name]
            if route.source in reporters and isinstance(receiver, SupportsStatus):
                found.append(
                    StatusWatcher(reporters[route.source], receiver, route.progress, journal=journal, clock=clock)
                )
    return found
