"""One delivery in hand, from the order that it is about to the bytes that are sent."""

from __future__ import annotations

import logging

import msgspec

from connector.errors import Unmappable
from connector.events import OrderFound
from connector.journal.records import Held, Job, Waiting
from connector.order import Order
from connector.pipeline.route import Route
from connector.receivers.base import Delivery
from connector.sources.reading import order_of

__all__ = ["DeliveryTask", "found", "prepared", "resumed"]

logger = logging.getLogger(__name__)


class DeliveryTask(msgspec.Struct, frozen=True):
    """
    One delivery in hand. `state` is where it stood when it was taken up.

    `delivery` is there once it is mapped; `attach` says that documents come after it. `ask`: the receiver may have it
    from before the journal knew; `asked`: it does not. `version` is that of what it is mapped from. `unfit`: it
    cannot be mapped, and is held for that unless the receiver has it.
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
    ask: bool = False
    asked: bool = False
    version: int = 0
    unfit: Held | None = None

    @property
    def look_up(self) -> bool:
        """Whether the receiver may have it, or was tried before: then it is asked first."""
        return not self.asked and (self.state == "in_doubt" or self.attempts > 0 or self.ask)


def found(event: OrderFound) -> DeliveryTask:
    """Return the delivery that a source has just listed."""
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


def resumed(job: Job, lane: Route | None, receiver: str) -> tuple[DeliveryTask, Order | Unmappable]:
    """Return a delivery that was read back from the journal, and its order, or why there is none to be had."""
    work = DeliveryTask(
        key=job.key,
        source=job.source,
        order_id=job.order_id,
        external_id=job.external_id,
        revision=job.revision,
        state=job.state,
        attempts=job.attempts,
        ask=job.ask,
        version=job.version,
    )
    if lane is None:
        return work, Unmappable("no route", f"no route leads from {job.source} to {receiver} any more")
    try:
        return work, order_of(lane.source, job.order_id, job.raw)
    except Unmappable as exc:
        return work, exc
    except Exception as exc:
        logger.exception("%s: reading %s failed in a way that nobody foresaw", receiver, job.external_id)
        return work, Unmappable("unreadable order", f"{type(exc).__name__} while reading it", ours=True)


def prepared(lane: Route | None, work: DeliveryTask, order: Order | Unmappable) -> DeliveryTask | Held:
    """
    Return `work` with what is to be sent, or what becomes of an order that cannot be mapped.

    What the source has to mend it is told in the end (`unfit`), where it has a word for that and nothing was ever sent.
    """
    try:
        if isinstance(order, Unmappable):
            raise order
        if lane is None:
            raise Unmappable("no route", f"no route leads from {work.source} to here any more", ours=True)
        delivery = Delivery(work.external_id, lane.map(order))
        remark = lane.remark(order) or ""
        return msgspec.structs.replace(work, delivery=delivery, attach=bool(order.documents), remark=remark)
    except Unmappable as exc:
        if lane is not None and lane.source.traits.accepts_failures and not exc.ours and not work.attempts:
            unfit = Held(exc.cause, exc.detail, unfit=True)
            if not work.look_up:
                return unfit
            if work.ask:
                return msgspec.structs.replace(work, unfit=unfit)
        return Held(exc.cause, exc.detail)
    except Exception as exc:
        # A fault in a mapping. One order that it trips over must not end the delivery of all the others.
        logger.exception("mapping order %s failed in a way that nobody foresaw", work.external_id)
        return Held("mapping failed", f"{type(exc).__name__} while mapping it")
