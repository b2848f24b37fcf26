"""One delivery in hand: from the order that it carries to the request that is sent, and to the event of its end."""

from __future__ import annotations

import logging
from typing import Any

import msgspec

from connector.causes import MAPPING_FAILED, NO_ROUTE, UNREADABLE
from connector.errors import Unmappable
from connector.events import AckEvent, OrderDelivered, OrderFound, OrderHeld, OrderInDoubt, OrderRejected
from connector.journal.records import Delivered, Held, InDoubt, Job, NotSent, Outcome, Rejected, Settled, Waiting
from connector.order import Order
from connector.pipeline.routes import Route
from connector.receivers.base import Delivery
from connector.sources.reading import order_of

__all__ = ["DeliveryTask", "event_for", "found", "prepared", "resumed"]

logger = logging.getLogger(__name__)


class DeliveryTask(msgspec.Struct, frozen=True):
    """
    One delivery in hand.

    - `state`: its state in the journal when it was taken up; `version`: that of the listing it is mapped from.
    - `delivery`: the request, once it is mapped; `attach`: documents follow it.
    - `may_exist`: the receiver may have the order from before this journal.
    - `confirmed_absent`: a look-up has shown that the receiver does not have the order.
    - `mapping_error`: the order cannot be mapped, and is held for that unless the receiver has it.
    """

    key: int
    source: str
    order_id: str
    external_id: str
    revision: str
    state: Waiting
    attempts: int
    delivery: Delivery | None = None
    attach: bool = False
    remark: str = ""
    may_exist: bool = False
    confirmed_absent: bool = False
    version: int = 0
    mapping_error: Held | None = None

    @property
    def needs_lookup(self) -> bool:
        """True if the receiver may have the order, or was sent it before: then it is looked up first."""
        return not self.confirmed_absent and (self.state == "in_doubt" or self.attempts > 0 or self.may_exist)


def found(event: OrderFound) -> DeliveryTask:
    """Return the task for an order that its source has just listed."""
    return DeliveryTask(
        key=event.key,
        source=event.source,
        order_id=event.order_id,
        external_id=event.order.external_id,
        revision=event.revision,
        state="new",
        attempts=0,
        version=event.version,
    )


def resumed(job: Job, route: Route | None, receiver: str) -> tuple[DeliveryTask, Order | Unmappable]:
    """Return the task for a delivery that was read from the journal, and its order, or the reason why it has none."""
    task = DeliveryTask(
        key=job.key,
        source=job.source,
        order_id=job.order_id,
        external_id=job.external_id,
        revision=job.revision,
        state=job.state,
        attempts=job.attempts,
        may_exist=job.may_exist,
        version=job.version,
    )
    if route is None:
        return task, Unmappable(NO_ROUTE, f"no route leads from {job.source} to {receiver} any more")
    try:
        return task, order_of(route.source, job.order_id, job.raw)
    except Unmappable as exc:
        return task, exc
    except Exception as exc:
        logger.exception("%s: internal error while reading order %s", receiver, job.external_id)
        return task, Unmappable(UNREADABLE, f"{type(exc).__name__} while reading it", ours=True)


def prepared(route: Route | None, task: DeliveryTask, order: Order | Unmappable) -> DeliveryTask | Held:
    """
    Return the task with its request; or the hold of an order that cannot be mapped.

    An error in the order itself is reported to its source in the end (`Held.unfit`), if the source accepts failures
    and nothing was ever sent. An order that may exist at the receiver is looked up before it is held for that.
    """
    try:
        if isinstance(order, Unmappable):
            raise order
        if route is None:
            raise Unmappable(NO_ROUTE, f"no route leads from {task.source} to here any more", ours=True)
        delivery = Delivery(task.external_id, route.map(order))
        remark = route.remark(order) or ""
        return msgspec.structs.replace(task, delivery=delivery, attach=bool(order.documents), remark=remark)
    except Unmappable as exc:
        if route is not None and route.source.traits.accepts_failures and not exc.ours and not task.attempts:
            error = Held(exc.cause, exc.detail, unfit=True)
            if not task.needs_lookup:
                return error
            if task.may_exist:
                return msgspec.structs.replace(task, mapping_error=error)
        return Held(exc.cause, exc.detail)
    except Exception as exc:
        # An error in a mapping. The one order that it concerns must not end the delivery of all the others.
        logger.exception("internal error while mapping order %s", task.external_id)
        return Held(MAPPING_FAILED, f"{type(exc).__name__} while mapping it")


def event_for(task: DeliveryTask, receiver: str, outcome: Outcome, settled: Settled) -> AckEvent | OrderInDoubt | None:
    """Return the event for an outcome that was recorded; None for an order that is only due again."""
    order: dict[str, Any] = {
        "key": task.key,
        "source": task.source,
        "order_id": task.order_id,
        "receiver": receiver,
    }
    match outcome:
        case Delivered(receipt, reference, adopted):
            return OrderDelivered(**order, ack=settled.ack, receipt=reference or receipt, adopted=adopted)
        case Rejected(reason):
            return OrderRejected(**order, ack=settled.ack, reason=reason)
        case Held(cause, detail):
            return OrderHeld(**order, cause=cause, detail=detail)
        case InDoubt(reason):
            return OrderInDoubt(**order, reason=reason)
        case NotSent():
            return None
