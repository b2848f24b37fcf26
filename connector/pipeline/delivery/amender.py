"""The amender: does at one receiver what is due to orders that it has: updates, cancels, attaches documents."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import anyio
from msgspec.structs import replace

from connector.clock import Clock, backoff
from connector.errors import (
    ConflictError,
    ConnectorError,
    InDoubtError,
    RejectedError,
    TransientError,
    Unmappable,
    UnshownError,
)
from connector.http.attribution import about
from connector.journal.base import Journal
from connector.journal.records import Change, ChangeOutcome
from connector.pipeline.internal_errors import InternalErrors
from connector.pipeline.poison import PoisonTracker
from connector.pipeline.route import Route
from connector.receivers.base import Delivery, Receipt, Receiver, SupportsAttachments, SupportsUpdate
from connector.settings.model import ReceiverSettings
from connector.sources.reading import order_of

__all__ = ["Amender"]

AT_ONCE = 50
"""Changes read from the journal in one go; they are rare, and done one after the other."""
LOOKS = 3
"""Readings, each `settle` after what was sent, that have to agree before what they show counts as a conflict."""


class Amender:
    """
    Does the changes of one receiver, one at a time.

    Each of them may be repeated: an update brings the order to a form, a cancellation to a state, and a document is
    attached only if it is not there. So a lost answer needs no look-up, only another try. But each of them reads the
    order first, and what is read may be older than what was sent. So a change is claimed in the journal before it is
    sent, and nothing of its kind is done to the order again within `settle` of what was, or may have been, sent.
    """

    def __init__(
        self,
        receiver: Receiver,
        settings: ReceiverSettings,
        lanes: Mapping[str, Route],
        *,
        journal: Journal,
        clock: Clock,
    ) -> None:
        self._receiver = receiver
        self._settings = settings
        self._lanes = lanes
        self._journal = journal
        self._clock = clock
        self._unforeseen = InternalErrors(receiver.name)
        self.vain = PoisonTracker(receiver.name, clock, receiver.endpoint)
        self._there = anyio.Event()

    def look(self) -> None:
        """Look into the journal: there is something to do."""
        self._there.set()

    async def run(self) -> None:
        """Do what is due, until cancelled. A change that is cut off is due again `settle` after the next start."""
        while True:
            self._there = there = anyio.Event()
            now = self._clock.now()
            for change in await self._journal.changes.due(self._receiver.name, now, AT_ONCE):
                if not await self._journal.changes.claim(self._receiver.name, change):
                    continue  # another one has taken its place
                outcome = await self._outcome(change)
                await self._journal.changes.settle(self._receiver.name, change, outcome, self._clock.now())
            at = await self._journal.changes.next_due(self._receiver.name)
            wait = None if at is None else max(0.0, (at - self._clock.now()) / timedelta(seconds=1))
            if wait == 0:
                continue
            with anyio.move_on_after(wait):
                await there.wait()

    async def _outcome(self, change: Change) -> ChangeOutcome:
        what = f"the {change.what} of {change.external_id}"
        try:
            with about("change", what, change.what):
                outcome = await self._do(change)
        except UnshownError as exc:
            return self._unshown(change, exc)
        except Unmappable as exc:
            outcome = ChangeOutcome("held", str(exc))
        except (RejectedError, ConflictError) as exc:
            outcome = ChangeOutcome("held", str(exc), doubt_until=self._settled())
        except ConnectorError as exc:
            if (why := self._alone(what)) is not None:
                self.vain.forget(what)
                return ChangeOutcome("held", why, doubt_until=self._doubt(exc))
            self.vain.note(what, str(exc))
            if (why := self.vain.given_up(what)) is None:
                return self._again(change, exc)
            held = f"{change.what} tried in vain at {self._receiver.name}: {why}"
            return ChangeOutcome("held", held, doubt_until=self._doubt(exc))
        except Exception as exc:  # noqa: BLE001 - logged by `note`
            reason = self._unforeseen.note(what, exc, "doing")
            if (fault := self._unforeseen.given_up(what)) is None:
                return self._again(change, InDoubtError(reason))
            # The receiver, and no order, is named: all that meet the same fault share the reason.
            reason = f"unforeseen {fault.name} in {change.what} at {self._receiver.name}, {fault}"
            reason += ". The log has the traceback; mend it, then retry"
            outcome = ChangeOutcome("held", reason, doubt_until=self._settled())
        if self._unforeseen or self.vain:
            self._unforeseen.forget(what)
            self.vain.passed(what)
        return outcome

    def _alone(self, what: str) -> str | None:
        """Return why a change is refused while others are made; None for any other one."""
        endpoint = self._receiver.endpoint
        found = None if endpoint is None else endpoint.blames["change"].alone(what, self._receiver.name)
        return None if found is None else ": ".join(found)

    async def _do(self, change: Change) -> ChangeOutcome:
        receiver, receipt = self._receiver, Receipt(id=change.receipt, reference=change.reference)
        if change.what == "cancel":
            if not isinstance(receiver, SupportsUpdate):
                return ChangeOutcome("held", f"{receiver.name} cannot cancel an order")
            await receiver.cancel(receipt)
            return ChangeOutcome("done", doubt_until=self._settled())
        lane = self._lanes.get(change.source)
        if lane is None:
            return ChangeOutcome("held", f"no route leads from {change.source} to {receiver.name} any more")
        order = order_of(lane.source, change.order_id, change.raw)
        if change.what == "attach":
            if not isinstance(receiver, SupportsAttachments):
                return ChangeOutcome("held", f"{receiver.name} takes no documents")
            await receiver.attach(receipt, order.documents)
            return ChangeOutcome("done", doubt_until=self._settled())
        if not isinstance(receiver, SupportsUpdate):
            return ChangeOutcome("held", f"{receiver.name} cannot change an order")
        await receiver.update(receipt, Delivery(change.external_id, lane.map(order), change.applied))
        return ChangeOutcome("done", doubt_until=self._settled())

    def _settled(self) -> datetime:
        """Return from when on a reading is not older than what was sent until now."""
        return self._clock.now() + timedelta(seconds=float(self._settings.settle))

    def _doubt(self, exc: ConnectorError) -> datetime | None:
        return self._settled() if isinstance(exc, InDoubtError) else None

    def _unshown(self, change: Change, exc: UnshownError) -> ChangeOutcome:
        """Look again when the reading is certainly not older; a person has what that does not show either."""
        self._unforeseen.forget(f"the {change.what} of {change.external_id}")
        if change.unshown >= LOOKS:
            return ChangeOutcome("held", str(exc), doubt_until=self._settled())
        again = self._again(change, exc)
        applied = change.applied or exc.applied
        return replace(again, applied=applied, unshown=change.unshown + 1)

    def _again(self, change: Change, exc: ConnectorError) -> ChangeOutcome:
        retry = self._settings.retry
        wait = backoff(
            self._clock,
            change.attempts + 1,
            first=float(retry.first),
            longest=float(retry.longest),
            at_least=exc.retry_after if isinstance(exc, TransientError) else None,
        )
        again = self._clock.now() + timedelta(seconds=wait)
        # The journal puts it off until the doubt ends: before that, what is there does not show what was done.
        return ChangeOutcome("due", str(exc), again, self._doubt(exc), applied=change.applied, unshown=change.unshown)
