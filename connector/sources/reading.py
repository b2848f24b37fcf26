"""
Reads one order of a feed, and verifies that its identity is that of its source and its place in the feed.

A module of its own, because the pipeline reads every source's orders by it, and `base` holds protocols only.
"""

from __future__ import annotations

from connector.errors import Unmappable
from connector.order import Order
from connector.sources.base import Source

__all__ = ["UNUSABLE_ID", "WRONG_IDENTITY", "order_of"]

WRONG_IDENTITY = "wrong identity"
UNUSABLE_ID = "unusable order id"
LONGEST = 200
"""Characters of an id that are shown."""


def order_of(source: Source, order_id: str, raw: bytes) -> Order:
    """
    Read the order that the feed of `source` lists as `order_id`.

    An order is identified everywhere by the name of its source in the settings and its id in the feed. A source that
    reads another identity out of `raw` would have the order created where no look-up finds it.

    Raises:
        Unmappable: as `Source.to_order`; also for an order with another identity, and for an id that a receiver may
            store differently (white space at its ends, invisible characters).
    """
    if not order_id.isprintable() or order_id != order_id.strip() or not order_id:
        why = f"{order_id[:LONGEST]!r}: a receiver may drop white space at its ends, or characters that do not show"
        raise Unmappable(UNUSABLE_ID, why, ours=True)
    order = source.to_order(raw)
    if order.source != source.name or order.order_id != order_id:
        why = (
            f"the feed of {source.name} lists {order_id!r}, and the source reads order {order.order_id[:LONGEST]!r} "
            f"of {order.source[:LONGEST]!r} out of it; mend the source, then retry"
        )
        raise Unmappable(WRONG_IDENTITY, why, ours=True)
    return order
