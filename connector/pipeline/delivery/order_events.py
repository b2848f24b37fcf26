"""What the bus hears of a settled delivery."""

from __future__ import annotations

from datetime import datetime

from connector.events import AckEvent, OrderDelivered, OrderHeld, OrderInDoubt, OrderRejected
from connector.journal.records import Delivered, Held, InDoubt, NotSent, Outcome, Rejected, Settled

__all__ = ["event_for"]


def event_for(
    key: int, source: str, order_id: str, receiver: str, outcome: Outcome, settled: Settled, at: datetime
) -> AckEvent | OrderInDoubt | None:
    """Return the event for an outcome; None for one that only means to try again."""
    match outcome:
        case Delivered(receipt, reference, adopted):
            return OrderDelivered(
                at=at,
                key=key,
                source=source,
                order_id=order_id,
                receiver=receiver,
                ack=settled.ack,
                receipt=reference or receipt,
                adopted=adopted,
            )
        case Rejected(reason):
            return OrderRejected(
                at=at, key=key, source=source, order_id=order_id, receiver=receiver, ack=settled.ack, reason=reason
            )
        case Held(cause, detail):
            return OrderHeld(
                at=at, key=key, source=source, order_id=order_id, receiver=receiver, cause=cause, detail=detail
            )
        case InDoubt(reason):
            return OrderInDoubt(at=at, key=key, source=source, order_id=order_id, receiver=receiver, reason=reason)
        case NotSent():
            return None
