"""The amender: updates, cancels, and attaches documents to, the orders that one receiver already has."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from msgspec.structs import replace

from connector.clock import Clock
from connector.errors import (
    ConflictError,
    ConnectorError,
    InDoubtError,
    RejectedError,
    Unmappable,
    UnshownError,
)
from connector.http.attribution import about
from connector.journal.base import Journal
from connector.journal.records import Change, ChangeOutcome
from connector.pipeline.poison import PoisonTracker
from connector.pipeline.routes import Route
from connector.pipeline.worker import Worker, seconds_until
from connector.receivers.base import Delivery, Receipt, Receiver, SupportsAttachments, SupportsUpdate
from connector.retry import RetryPolicy
from connector.settings.model import ReceiverSettings
from connector.sources.reading import order_of

__all__ = ["Amender"]

BATCH = 50
"""Changes read from the journal at once; they are rare, and made one after the other."""
READINGS = 3
"""Readings, each `settle` after the request, that have to agree before a difference counts as a conflict."""


class Amender(Worker):
    """
    Makes the changes of one receiver, one at a time.

    Every change is idempotent: an update brings the order to a form, a cancellation to a state, and a document is
    attached only if it is missing. So a lost response needs no look-up, only another try. But each change reads the
    order first, and may read an older state than the one that was sent. So a change is claimed in the journal before
    it is sent, and no change of its kind is made to the order within `settle` of a request that was, or may have been,
    sent. A change that is cut off is due again `settle` after the next start.
    """

    def __init__(
        self,
        receiver: Receiver,
        settings: ReceiverSettings,
        routes: Mapping[str, Route],
        *,
        journal: Journal,
        clock: Clock,
    ) -> None:
        super().__init__()
        self._receiver = receiver
        self._routes = routes
        self._journal = journal
        self._clock = clock
        self._settle = timedelta(seconds=float(settings.settle))
        self._retry = RetryPolicy(settings.retry, clock)
        self.poison = PoisonTracker(receiver.name, clock, receiver.endpoint)

    async def work(self) -> float | None:
        """Make the changes that are due."""
        name = self._receiver.name
        for change in await self._journal.changes.due(name, self._clock.now(), BATCH):
            if not await self._journal.changes.claim(name, change):
                continue  # replaced by another change
            outcome = await self._outcome(change)
            await self._journal.changes.settle(name, change, outcome, self._clock.now())
        return seconds_until(await self._journal.changes.next_due(name), self._clock.now())

    async def _outcome(self, change: Change) -> ChangeOutcome:
        item = f"the {change.what} of {change.external_id}"
        try:
            with about("change", item, change.what):
                outcome = await self._make(change)
        except UnshownError as exc:
            self.poison.forget(item)
            return self._unshown(change, exc)
        except Unmappable as exc:
            outcome = ChangeOutcome("held", str(exc))
        except (RejectedError, ConflictError) as exc:
            outcome = ChangeOutcome("held", str(exc), doubt_until=self._settled_at())
        except ConnectorError as exc:
            if (why := self._refused_alone(item)) is not None:
                self.poison.forget(item)
                return ChangeOutcome("held", why, doubt_until=self._doubt_until(exc))
            self.poison.failed(item, str(exc))
            return self._given_up(change, item, exc) or self._again(change, exc)
        except Exception as exc:  # noqa: BLE001 - logged by the tracker
            # An error in a vendor module, before or after the request: the change may have been made.
            doubt = InDoubtError(self.poison.crashed(item, exc, "making"))
            return self._given_up(change, item, doubt) or self._again(change, doubt)
        if self.poison:
            self.poison.succeeded(item)
        return outcome

    def _given_up(self, change: Change, item: str, exc: ConnectorError) -> ChangeOutcome | None:
        """Hold a change that keeps failing alone; return None for a change that may be tried again."""
        end = self.poison.give_up(item)
        if end is None:
            return None
        return ChangeOutcome("held", f"{change.what}: {end}; {end.remedy}", doubt_until=self._doubt_until(exc))

    def _refused_alone(self, item: str) -> str | None:
        """Return why a change is refused while other changes succeed; None for any other change."""
        endpoint = self._receiver.endpoint
        found = None if endpoint is None else endpoint.attributions["change"].pop_culprit(item, self._receiver.name)
        return None if found is None else ": ".join(found)

    async def _make(self, change: Change) -> ChangeOutcome:
        receiver, receipt = self._receiver, Receipt(id=change.receipt, reference=change.reference)
        if change.what == "cancel":
            if not isinstance(receiver, SupportsUpdate):
                return ChangeOutcome("held", f"{receiver.name} cannot cancel an order")
            await receiver.cancel(receipt)
            return ChangeOutcome("done", doubt_until=self._settled_at())
        route = self._routes.get(change.source)
        if route is None:
            return ChangeOutcome("held", f"no route leads from {change.source} to {receiver.name} any more")
        order = order_of(route.source, change.order_id, change.raw)
        if change.what == "attach":
            if not isinstance(receiver, SupportsAttachments):
                return ChangeOutcome("held", f"{receiver.name} takes no documents")
            await receiver.attach(receipt, order.documents)
            return ChangeOutcome("done", doubt_until=self._settled_at())
        if not isinstance(receiver, SupportsUpdate):
            return ChangeOutcome("held", f"{receiver.name} cannot change an order")
        await receiver.update(receipt, Delivery(change.external_id, route.map(order), change.applied))
        return ChangeOutcome("done", doubt_until=self._settled_at())

    def _settled_at(self) -> datetime:
        """Return the time from which on a reading shows everything that was sent before now."""
        return self._clock.now() + self._settle

    def _doubt_until(self, exc: ConnectorError) -> datetime | None:
        return self._settled_at() if isinstance(exc, InDoubtError) else None

    def _unshown(self, change: Change, exc: UnshownError) -> ChangeOutcome:
        """Read again once the reading cannot be older than the change; hold the change after `READINGS` of them."""
        if change.unshown >= READINGS:
            return ChangeOutcome("held", str(exc), doubt_until=self._settled_at())
        again = self._again(change, exc)
        applied = change.applied or exc.applied
        return replace(again, applied=applied, unshown=change.unshown + 1)

    def _again(self, change: Change, exc: ConnectorError) -> ChangeOutcome:
        again = self._retry.next_try(change.attempts + 1, exc)
        # The journal defers the change until the doubt ends: an earlier reading may not show an earlier request.
        return ChangeOutcome(
            "due", str(exc), again, self._doubt_until(exc), applied=change.applied, unshown=change.unshown
        )
