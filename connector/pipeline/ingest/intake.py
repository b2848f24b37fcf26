"""Turns an item of a feed into the journal's arrival, and into the events of an order that is not delivered."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import Any, Literal

from connector.causes import CANCELLED, UNREADABLE
from connector.errors import Unmappable
from connector.events import Event, OrderHeld, OrderRejected, OrderSkipped
from connector.journal.records import Arrival
from connector.order import Order, external_id, revision
from connector.settings.model import RouteSettings
from connector.sources.base import FeedItem, Source
from connector.sources.reading import order_of

__all__ = ["arrival_of", "events_for", "takes_cancelled"]

logger = logging.getLogger(__name__)

REMEMBERED = 10_000
"""Orders whose internal errors are not logged again; the set is cleared when it is full."""


def arrival_of(
    source: Source,
    item: FeedItem,
    receivers: Sequence[tuple[str, bool]],
    logged: set[tuple[str, str]] | None = None,
    *,
    cancelled: bool = False,
) -> tuple[Arrival, Order | None]:
    """
    Return the arrival to record, and the order if it is to be delivered.

    `cancelled`: orders that are listed as cancelled go on to their receivers, see `takes_cancelled`. `logged` holds
    the orders, with their revisions, whose internal error was logged already.
    """
    order: Order | None = None
    state: Literal["new", "held", "skipped", "rejected", "cancelled"] = "new"
    cause = detail = ""
    unfit = False
    try:
        order = order_of(source, item.order_id, item.raw)
        mark = revision(order)
    except Unmappable as exc:
        # An error in the order itself is reported to its source in the end, if the source accepts failures.
        state, unfit = "held", source.traits.accepts_failures and not exc.ours
        cause, detail = exc.cause, exc.detail
        # The error identifies the revision: a change that leaves it as it is must not be reported as another failure.
        mark = blake2b(f"{cause}: {detail}".encode("utf-8", "backslashreplace"), digest_size=16).hexdigest()
    except Exception as exc:
        # An error in a vendor module. The one order that it concerns must not block the feed of all the others.
        mark = blake2b(item.raw, digest_size=16).hexdigest()
        if logged is None or (item.order_id, mark) not in logged:
            logger.exception("source %s: internal error while reading order %s", source.name, item.order_id)
            if logged is not None:
                _remember(logged, item.order_id, mark)
        state, cause, detail, order = "held", UNREADABLE, f"{type(exc).__name__} while reading it", None
    if item.skip:
        state, cause, detail, order, unfit = "skipped", item.skip, "", None, False
    elif order is not None and order.cancelled and not cancelled:
        state, cause, detail, order = "cancelled", CANCELLED, "", None
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
    """Return whether an order that `source` lists as cancelled goes to the receivers of `route`."""
    if route.cancelled is None:
        return source.traits.exports_cancelled
    return route.cancelled != "leave"


def events_for(arrival: Arrival, key: int, source: str) -> Iterator[Event]:
    """Yield the events of an order that is not to be delivered as it is."""
    order: dict[str, Any] = {"key": key, "source": source, "order_id": arrival.order_id}
    if arrival.state in ("skipped", "cancelled"):
        yield OrderSkipped(**order, cause=arrival.cause)
        return
    for receiver, _ in arrival.receivers:
        if arrival.state == "rejected":
            yield OrderRejected(**order, receiver=receiver, reason=arrival.cause)
        else:
            yield OrderHeld(**order, receiver=receiver, cause=arrival.cause, detail=arrival.detail)


def _remember(logged: set[tuple[str, str]], order_id: str, mark: str) -> None:
    if len(logged) >= REMEMBERED:
        logged.clear()
    logged.add((order_id, mark))
