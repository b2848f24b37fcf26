"""One attempt to deliver one order: look it up where that is due, create it, and say which of the outcomes it was."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from connector.causes import may_be_at
from connector.clock import Clock, backoff
from connector.errors import (
    ConflictError,
    ConnectorError,
    InDoubtError,
    RejectedError,
    TransientError,
    UnattributedError,
)
from connector.http.attribution import Kind, about
from connector.journal.records import Delivered, Held, InDoubt, NotSent, Outcome, Rejected
from connector.pipeline.conformance import checked_receipt
from connector.pipeline.delivery.lookups import Lookups
from connector.pipeline.delivery.task import DeliveryTask
from connector.pipeline.internal_errors import InternalErrors
from connector.pipeline.poison import PoisonTracker
from connector.receivers.base import Delivery, Receiver
from connector.settings.model import ReceiverSettings

__all__ = ["Attempt"]


class Attempt:
    """Makes attempts at one receiver."""

    def __init__(self, receiver: Receiver, settings: ReceiverSettings, clock: Clock, lookups: Lookups) -> None:
        self._receiver = receiver
        self._lookups = lookups
        self._settings = settings
        self._clock = clock
        self._unforeseen = InternalErrors(receiver.name)
        self.vain = PoisonTracker(receiver.name, clock, receiver.endpoint)
        self._traits = receiver.traits

    async def first(self, delivery: Delivery, *, tell: bool) -> Outcome:
        """Create an order whose intent is committed. `tell`: its source has a word for "refused"."""
        self._lookups.forget(delivery.external_id)
        looked_up = self._traits.can_find
        if self._unforeseen and (held := self._given_up(delivery.external_id, looked_up=looked_up)) is not None:
            return held
        try:
            with about("create", delivery.external_id):
                receipt = checked_receipt(await self._receiver.create(delivery))
        except (TransientError, UnattributedError) as exc:
            return self._alone("create", delivery.external_id) or self._not_sent(delivery.external_id, exc, 1)
        except InDoubtError as exc:
            return self._in_doubt(delivery.external_id, str(exc))
        except ConflictError as exc:
            return Held(f"conflict at {self._receiver.name}", str(exc))
        except RejectedError as exc:
            return await self._refused(delivery, exc, tell=tell)
        except Exception as exc:  # noqa: BLE001 - logged by `note`
            # A fault in a vendor file, at a point that nobody knows: the order may be there.
            return self._in_doubt("", self._unforeseen.note(delivery.external_id, exc, "creating"))
        if self._unforeseen or self.vain:
            self._unforeseen.forget(delivery.external_id)
            self.vain.passed(delivery.external_id)
        return Delivered(receipt.id, receipt.reference)

    async def again(self, work: DeliveryTask, grant: Callable[[], Awaitable[bool]], *, tell: bool) -> Outcome | None:
        """
        Look an order up before it is created, or created again.

        `grant` commits the intent and tells whether it was granted; None is returned when it was not. Where the
        order may be there, a receiver that cannot be asked leaves it to a person, unless it says of itself that it
        recognises what it is sent again (`idempotent`).
        """
        if self._traits.can_find:
            try:
                with about("find", work.external_id):
                    found = await self._lookups.find(work.external_id)
            except ConflictError as exc:
                return Held(f"conflict at {self._receiver.name}", str(exc))
            except ConnectorError as exc:
                if (held := self._alone("find", work.external_id)) is not None:
                    return held
                again = self._not_sent(work.external_id, exc, work.attempts)
                return self._tried_in_vain(work.external_id, looked_up=False) or again
            except Exception as exc:  # noqa: BLE001 - logged by `note`
                reason = self._unforeseen.note(work.external_id, exc, "looking up")
                held = self._given_up(work.external_id, looked_up=False)
                return held or self._not_sent("", TransientError(reason), work.attempts)
            if found is not None:
                self._unforeseen.forget(work.external_id)
                self.vain.forget(work.external_id)
                return Delivered(found.id, found.reference, adopted=True)
        elif (work.ask or work.state == "in_doubt") and not self._traits.idempotent:
            return self._unasked_doubt(work)
        if work.delivery is None:
            return work.unfit
        if self._unforeseen and (held := self._given_up(work.external_id, looked_up=self._traits.can_find)) is not None:
            return held
        if (held := self._alone("create", work.external_id)) is not None:  # in doubt until it was looked up
            return held
        if self.vain and (held := self._tried_in_vain(work.external_id, looked_up=self._traits.can_find)) is not None:
            return held
        if not await grant():
            return None
        return await self.first(work.delivery, tell=tell)

    def _given_up(self, external_id: str, *, looked_up: bool) -> Held | None:
        """
        Hold an order at which our own code fails too often; None for one that may be tried.

        The cause is shared by all orders that meet the same fault, so that one `retry` releases them when it is mended.
        """
        fault = self._unforeseen.given_up(external_id)
        if fault is None:
            return None
        where = "it is not there" if looked_up else "it may be there: look"
        detail = f"{fault}; {where}. The log has the traceback; mend it, then retry"
        return Held(f"unforeseen {fault.name} at {self._receiver.name}", detail)

    def _alone(self, kind: Kind, external_id: str) -> Held | None:
        """Hold an order that is refused while others are taken, for what nobody else is; None for any other one."""
        endpoint = self._receiver.endpoint
        if endpoint is None or (found := endpoint.blames[kind].alone(external_id, self._receiver.name)) is None:
            return None
        self.vain.forget(external_id)
        cause, detail = found
        where = "; whether it is there could not be seen" if kind == "find" else ""
        return Held(cause, f"{detail}; its source is told nothing{where}")

    def _tried_in_vain(self, external_id: str, *, looked_up: bool) -> Held | None:
        """Hold an order that fails by itself while others are taken; None for one that may be tried again."""
        why = self.vain.given_up(external_id)
        if why is None:
            return None
        where = "It is not there" if looked_up else "It may be there: look"
        return Held(f"tried in vain at {self._receiver.name}", f"{why}. {where}; its source is not told. Then retry")

    def _unasked_doubt(self, work: DeliveryTask) -> Held:
        """Leave an order that may be there to a person, under the cause that says why."""
        if work.ask and not work.attempts:
            return Held(
                may_be_at(self._receiver.name),
                "the journal may not know that it was delivered, and this receiver cannot be asked: look there, then "
                "retry or skip",
            )
        return Held(
            f"in doubt at {self._receiver.name}",
            "it may have been delivered, and this receiver cannot be asked: look there, then retry or skip",
        )

    async def _refused(self, delivery: Delivery, refusal: RejectedError, *, tell: bool) -> Outcome:
        """Ask before believing a refusal: what was refused as a duplicate, or twice, may well be there."""
        if not self._traits.can_find:
            return self._unasked(delivery, refusal, tell=tell)
        try:
            with about("find", delivery.external_id):
                found = await self._receiver.find(delivery.external_id)
            found = None if found is None else checked_receipt(found)
        except ConflictError as exc:
            return Held(f"conflict at {self._receiver.name}", f"{refusal}; {exc}")
        except ConnectorError as exc:
            return self._in_doubt(delivery.external_id, f"refused ({refusal}), and it could not be looked up: {exc}")
        except Exception as exc:  # noqa: BLE001 - logged by `note`
            why = self._unforeseen.note(delivery.external_id, exc, "looking up")
            return self._in_doubt("", f"refused ({refusal}), and it could not be looked up: {why}")
        if found is not None:
            return Delivered(found.id, found.reference, adopted=True)
        if refusal.duplicate:
            why = f"refused as a duplicate ({refusal}), but a look-up does not show it"
            return self._in_doubt(delivery.external_id, why)
        return Rejected(str(refusal), tell)

    def _unasked(self, delivery: Delivery, refusal: RejectedError, *, tell: bool) -> Outcome:
        """
        Take the word of a receiver that has no look-up.

        A refusal as a duplicate is never one to tell the source: there is a record. With a receiver that recognises
        what it is sent again it is ours; whose it is at another, a person has to see.
        """
        if not refusal.duplicate:
            return Rejected(str(refusal), tell)
        if self._traits.idempotent:
            return Delivered(delivery.external_id, "", adopted=True)
        return Held(f"duplicate at {self._receiver.name}", f"{refusal}: look there, then retry or skip")

    def _not_sent(self, external_id: str, exc: ConnectorError, attempts: int) -> NotSent:
        """Try it again. An `external_id` counts as tried in vain; empty: it is counted already."""
        if external_id:
            self.vain.note(external_id, str(exc))
        retry = self._settings.retry
        wait = backoff(
            self._clock,
            max(attempts, 1),
            first=float(retry.first),
            longest=float(retry.longest),
            at_least=exc.retry_after if isinstance(exc, TransientError) else None,
        )
        return NotSent(str(exc), self._in(wait))

    def _in_doubt(self, external_id: str, reason: str) -> InDoubt:
        if external_id:
            self.vain.note(external_id, reason)
        return InDoubt(reason, self._in(float(self._settings.settle)))

    def _in(self, seconds: float) -> datetime:
        return self._clock.now() + timedelta(seconds=seconds)
