"""From an item of a feed to what the journal takes in, and what the bus hears of one that goes no further."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from datetime import datetime
from hashlib import blake2b
from typing import Literal

from connector.errors import Unmappable
from connector.events import Event, OrderHeld, OrderRejected, OrderSkipped
from connector.journal.records import Arrival
from connector.order import Order, external_id, revision
from connector.settings.model import RouteSettings
from connector.sources.base import FeedItem, Source
from connector.sources.reading import order_of

__all__ = ["arrival_of", "notices_of", "takes_cancelled"]

logger = logging.getLogger(__name__)

REMEMBERED = 10_000
"""Orders that are not logged again; when there are more, they begin anew."""


def arrival_of(
    source: Source,
    item: FeedItem,
    receivers: Sequence[tuple[str, bool]],
    tripped: set[tuple[str, str]] | None = None,
    *,
    cancelled: bool = False,
) -> tuple[Arrival, Order | None]:
    """
    Return what the journal is to take in, and the order, if there is one to deliver.

    `cancelled` says that orders which are listed as cancelled go on to their receivers, see `takes_cancelled`.
    `tripped` remembers the orders, in which form, that our own code has tripped over: each is logged once.
    """
    order: Order | None = None
    state: Literal["new", "held", "skipped", "rejected", "cancelled"] = "new"
    cause = detail = ""
    unfit = False
    try:
        order = order_of(source, item.order_id, item.raw)
        mark = revision(order)
    except Unmappable as exc:
        # What the source has to mend it is told in the end, where it has a word for that.
        state, unfit = "held", source.traits.accepts_failures and not exc.ours
        cause, detail = exc.cause, exc.detail
        # What is wrong with it is its content: a change that leaves that wrong is not told as another failure.
        mark = blake2b(f"{cause}: {detail}".encode("utf-8", "backslashreplace"), digest_size=16).hexdigest()
    except Exception as exc:
        # A fault in a vendor file. One order that it trips over must not keep the feed from all the others.
        mark = blake2b(item.raw, digest_size=16).hexdigest()
        if tripped is None or (item.order_id, mark) not in tripped:
            logger.exception(
                "source %s: reading order %s failed in a way that nobody foresaw", source.name, item.order_id
            )
            if tripped is not None:
                _remember(tripped, item.order_id, mark)
        state, cause, detail, order = "held", "unreadable order", f"{type(exc).__name__} while reading it", None
    if item.skip:
        state, cause, detail, order, unfit = "skipped", item.skip, "", None, False
    elif order is not None and order.cancelled and not cancelled:
        state, cause, detail, order = "cancelled", "cancelled at the source", "", None
    arrival = Arrival(
        order_id=item.order_id,
        external_id=external_id(source.name, item.order_id),
        revision=mark,
        raw=item.raw,
        receivers=tuple(receivers),
        state=state,
        cause=cause,
        detail=detail,
        unfit=unfit,
        cancelled=order is not None and order.cancelled,
    )
    return arrival, order


def takes_cancelled(source: Source, route: RouteSettings) -> bool:
    """Tell whether an order that `source` lists as cancelled is meant for the receivers of `route`."""
    if route.cancelled is None:
        return source.traits.exports_cancelled
    return route.cancelled != "leave"


def _remember(tripped: set[tuple[str, str]], order_id: str, mark: str) -> None:
    if len(tripped) >= REMEMBERED:
        tripped.clear()
    tripped.add((order_id, mark))


def notices_of(arrival: Arrival, key: int, source: str, at: datetime) -> Iterator[Event]:
    """Yield what the bus hears of an order that is not to be delivered as it is."""
    order_id, cause, detail = arrival.order_id, arrival.cause, arrival.detail
    if arrival.state in ("skipped", "cancelled"):
        yield OrderSkipped(at=at, key=key, source=source, order_id=order_id, cause=cause)
        return
    for receiver, _ in arrival.receivers:
        if arrival.state == "rejected":
            yield OrderRejected(at=at, key=key, source=source, order_id=order_id, receiver=receiver, reason=cause)
        else:
            yield OrderHeld(
                at=at, key=key, source=source, order_id=order_id, receiver=receiver, cause=cause, detail=detail
            )
