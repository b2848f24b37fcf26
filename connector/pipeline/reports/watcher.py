"""
The watcher: follows how far orders are at a receiver, and turns a new status into a report to their source.

It goes by the status of the order alone. What a warehouse knows of the parcels (eWarehousing's shipments, with their
tracking codes) is not in the vendor's document that the receiver is built to (seed 004); who wants it told reads
`EwarehousingClient.shipments` and makes the report (`Connector.report`).
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
"""Orders about which a receiver is asked in one go."""
FOLLOWED_FOR = timedelta(days=90)
"""How long after its delivery an order is followed: one that was forgotten there is not asked about for ever."""


class FollowingReceiver(Receiver, SupportsStatus, Protocol):
    """A receiver that can be asked how far its orders are."""


class StatusWatcher:
    """
    Follows the orders of one source at one receiver.

    Only what was delivered and acknowledged is followed, until its status is a final one. A status and the report that
    it makes due are kept in one transaction, so that neither a restart nor a crash repeats a report or loses one.
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
        """Look as often as the settings say, until cancelled."""
        while True:
            await self.poll()
            await self._clock.sleep(float(self._settings.interval))

    async def poll(self) -> None:
        """Ask about every order that is followed, once; a receiver that fails is asked again the next time."""
        async with self._polling:
            try:
                await self._poll()
            except ConnectorError as exc:
                logger.warning("the progress of orders at %s could not be read: %s", self._receiver.name, exc)
            except Exception:
                logger.exception("reading the progress of orders at %s failed", self._receiver.name)

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
                await self._ask(waiting)
                waiting = []

    async def _ask(self, followed: list[Followed]) -> None:
        """Ask about some orders, and keep what is new."""
        receipts = [Receipt(id=each.receipt, reference=each.reference) for each in followed]
        try:
            statuses = await self._receiver.progress(receipts)
        except ConnectorError:
            raise
        except Exception:
            logger.exception("reading the progress of %d orders at %s failed", len(followed), self._receiver.name)
            return  # one of them, it may be: the others are asked about all the same
        seen = [
            new
            for each in followed
            if (status := statuses.get(each.receipt, "")) and status != each.progress
            if (new := self._seen(each, status)) is not None
        ]
        if seen and await self._journal.reports.progressed(self._receiver.name, seen, self._clock.now()):
            self._reporter.look()

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
            # Not kept as seen: it is due as soon as the table or the source is mended.
            logger.warning("%s of order %s cannot be told to %s: %s", status, followed.order_id, source.name, exc)
            return None
        except Exception:
            logger.exception("%s of order %s cannot be told to %s", status, followed.order_id, source.name)
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
    """Return a watcher for each route from a source that takes reports to a receiver that can be followed."""
    found = []
    for route in settings.routes:
        for name in route.receivers:
            receiver = receivers[name]
            if route.source in reporters and isinstance(receiver, SupportsStatus):
                found.append(
                    StatusWatcher(reporters[route.source], receiver, route.progress, journal=journal, clock=clock)
                )
    return found
