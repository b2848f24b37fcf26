"""One attempt to deliver one order: look it up where that is due, create it, and classify the result."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from connector.causes import conflict, duplicate, in_doubt, may_exist
from connector.clock import Clock
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
from connector.pipeline.poison import PoisonTracker
from connector.receivers.base import Delivery, Receiver
from connector.retry import RetryPolicy
from connector.settings.model import ReceiverSettings

__all__ = ["Attempt"]


class Attempt:
    """Makes attempts at one receiver."""

    def __init__(self, receiver: Receiver, settings: ReceiverSettings, clock: Clock, lookups: Lookups) -> None:
        self._receiver = receiver
        self._traits = receiver.traits
        self._lookups = lookups
        self._clock = clock
        self._settle = timedelta(seconds=float(settings.settle))
        self._retry = RetryPolicy(settings.retry, clock)
        self.poison = PoisonTracker(receiver.name, clock, receiver.endpoint)

    async def create(self, delivery: Delivery, *, report_rejection: bool) -> Outcome:
        """Create an order whose intent is committed. `report_rejection`: its source accepts failures."""
        external_id = delivery.external_id
        self._lookups.forget(external_id)
        if self.poison and (held := self._given_up(external_id, may_exist=not self._traits.can_find)) is not None:
            return held
        try:
            with about("create", external_id):
                receipt = checked_receipt(await self._receiver.create(delivery))
        except (TransientError, UnattributedError) as exc:
            return self._refused_alone("create", external_id) or self._not_sent(external_id, exc, 1)
        except InDoubtError as exc:
            return self._in_doubt(external_id, str(exc))
        except ConflictError as exc:
            return Held(conflict(self._receiver.name), str(exc))
        except RejectedError as exc:
            return await self._rejected(delivery, exc, report_rejection=report_rejection)
        except Exception as exc:  # noqa: BLE001 - logged by the tracker
            # An error in a vendor module, before or after the request: the order may exist.
            return InDoubt(self.poison.crashed(external_id, exc, "creating"), self._settled_at())
        if self.poison:
            self.poison.succeeded(external_id)
        return Delivered(receipt.id, receipt.reference)

    async def look_up_then_create(
        self, task: DeliveryTask, grant: Callable[[], Awaitable[bool]], *, report_rejection: bool
    ) -> Outcome | None:
        """
        Look an order up before it is created, or created again.

        `grant` commits the intent; None is returned when it returns False. An order that may exist at a receiver
        without a look-up is held for an operator, unless that receiver is idempotent.
        """
        external_id = task.external_id
        if self._traits.can_find:
            try:
                with about("find", external_id):
                    found = await self._lookups.find(external_id)
            except ConflictError as exc:
                return Held(conflict(self._receiver.name), str(exc))
            except ConnectorError as exc:
                if (held := self._refused_alone("find", external_id)) is not None:
                    return held
                again = self._not_sent(external_id, exc, task.attempts)
                return self._given_up(external_id, may_exist=True) or again
            except Exception as exc:  # noqa: BLE001 - logged by the tracker
                reason = self.poison.crashed(external_id, exc, "looking up")
                again = NotSent(reason, self._retry.next_try(task.attempts))
                return self._given_up(external_id, may_exist=True) or again
            if found is not None:
                self.poison.forget(external_id)
                return Delivered(found.id, found.reference, adopted=True)
        elif (task.may_exist or task.state == "in_doubt") and not self._traits.idempotent:
            return self._unverifiable(task)
        if task.delivery is None:
            return task.mapping_error
        if (held := self._refused_alone("create", external_id)) is not None:  # in doubt until it was looked up
            return held
        if self.poison and (held := self._given_up(external_id, may_exist=not self._traits.can_find)) is not None:
            return held
        if not await grant():
            return None
        return await self.create(task.delivery, report_rejection=report_rejection)

    def _given_up(self, external_id: str, *, may_exist: bool) -> Held | None:
        """Hold an order that keeps failing alone; return None for an order that may be tried again."""
        end = self.poison.give_up(external_id)
        if end is None:
            return None
        where = "it may exist there: look" if may_exist else "it does not exist there"
        return Held(end.cause, f"{end.detail}; {where}; its source is not notified; {end.remedy}")

    def _refused_alone(self, kind: Kind, external_id: str) -> Held | None:
        """Hold an order whose calls are refused while those of other orders succeed; None for any other order."""
        endpoint = self._receiver.endpoint
        if (
            endpoint is None
            or (found := endpoint.attributions[kind].pop_culprit(external_id, self._receiver.name)) is None
        ):
            return None
        self.poison.forget(external_id)
        cause, detail = found
        where = "; the look-up failed, so it may exist there" if kind == "find" else ""
        return Held(cause, f"{detail}; its source is not notified{where}")

    def _unverifiable(self, task: DeliveryTask) -> Held:
        """Hold an order that may exist at a receiver without a look-up."""
        if task.may_exist and not task.attempts:
            return Held.of(
                may_exist(self._receiver.name),
                "an earlier journal may have delivered it, and this receiver has no look-up: look there, then retry or "
                "skip",
            )
        return Held.of(
            in_doubt(self._receiver.name),
            "it may have been delivered, and this receiver has no look-up: look there, then retry or skip",
        )

    async def _rejected(self, delivery: Delivery, rejection: RejectedError, *, report_rejection: bool) -> Outcome:
        """Look a rejected order up: one that was rejected as a duplicate, or twice, may well exist."""
        if not self._traits.can_find:
            return self._rejected_without_lookup(delivery, rejection, report_rejection=report_rejection)
        external_id = delivery.external_id
        try:
            with about("find", external_id):
                found = await self._receiver.find(external_id)
            found = None if found is None else checked_receipt(found)
        except ConflictError as exc:
            return Held(conflict(self._receiver.name), f"{rejection}; {exc}")
        except ConnectorError as exc:
            return self._in_doubt(external_id, f"rejected ({rejection}), and the look-up failed: {exc}")
        except Exception as exc:  # noqa: BLE001 - logged by the tracker
            why = self.poison.crashed(external_id, exc, "looking up")
            return InDoubt(f"rejected ({rejection}), and the look-up failed: {why}", self._settled_at())
        if found is not None:
            return Delivered(found.id, found.reference, adopted=True)
        if rejection.duplicate:
            return self._in_doubt(external_id, f"rejected as a duplicate ({rejection}), but a look-up does not find it")
        return Rejected(str(rejection), report_rejection)

    def _rejected_without_lookup(
        self, delivery: Delivery, rejection: RejectedError, *, report_rejection: bool
    ) -> Outcome:
        """
        Classify a rejection by a receiver that has no look-up.

        A rejection as a duplicate is never reported to the source, because there is a record. At an idempotent
        receiver that record is ours; at any other an operator has to see whose it is.
        """
        if not rejection.duplicate:
            return Rejected(str(rejection), report_rejection)
        if self._traits.idempotent:
            return Delivered(delivery.external_id, "", adopted=True)
        return Held(duplicate(self._receiver.name), f"{rejection}: look there, then retry or skip")

    def _not_sent(self, external_id: str, exc: ConnectorError, attempts: int) -> NotSent:
        self.poison.failed(external_id, str(exc))
        return NotSent(str(exc), self._retry.next_try(attempts, exc))

    def _in_doubt(self, external_id: str, reason: str) -> InDoubt:
        self.poison.failed(external_id, reason)
        return InDoubt(reason, self._settled_at())

    def _settled_at(self) -> datetime:
        """Return the time from which on a look-up shows everything that was sent before now."""
        return self._clock.now() + self._settle
