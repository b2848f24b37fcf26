"""The timeline of one order: ordinary events from the columns of its rows, the others from its history."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from datetime import datetime

import msgspec

from connector.journal.engine.codec import moment
from connector.journal.views.orders import DeliveryRow, OrderRow

__all__ = ["Moment", "timeline"]


class Moment(msgspec.Struct, frozen=True):
    """One event of an order; `detail` begins with the receiver's name where it is about one."""

    at: datetime
    what: str
    detail: str


FOUND, CHANGED, ASIDE, INTENT, NOTED, DELIVERED, DUE, ANSWERED, CONFIRMED = range(9)
"""The order of events with the same time."""

RANKS = {
    "changed at the source": CHANGED,
    "acknowledgement not taken": ANSWERED,
    "acknowledgement in doubt": ANSWERED,
    "acknowledgement refused": ANSWERED,
}


def timeline(db: sqlite3.Connection, order: OrderRow) -> list[Moment]:
    """
    Return the events of `order`, the earliest first.

    Of repeated events (an intent, a confirmation) the columns hold the last; each failure between is in the history.
    """
    notes = db.execute("SELECT at, what, detail FROM history WHERE key = ? ORDER BY id", (order.key,)).fetchall()
    noted = [(moment(at), RANKS.get(what, NOTED), Moment(moment(at), what, detail)) for at, what, detail in notes]
    events = [*_columns(order), *_aside(order, [event for _, _, event in noted]), *noted]
    return [event for _, _, event in sorted(events, key=lambda each: each[:2])]


def _columns(order: OrderRow) -> Iterator[tuple[datetime, int, Moment]]:
    yield order.found_at, FOUND, Moment(order.found_at, "found", f"listed by {order.source}")
    for each in order.deliveries.values():
        if each.intent_at is not None:
            text = f"{each.receiver}: to be created, attempt {each.attempts}"
            yield each.intent_at, INTENT, Moment(each.intent_at, "intent", text)
        if each.delivered_at is not None:
            yield each.delivered_at, DELIVERED, Moment(each.delivered_at, "delivered", _receipt(each))
    if order.ack_at is not None:
        text = f"{order.source} is to be told: {order.ack_outcome}, {order.ack_message}"
        yield order.ack_at, DUE, Moment(order.ack_at, "acknowledgement due", text)
    if order.acknowledged_at is not None:
        text = f"{order.source} confirmed: {order.ack_outcome}"
        yield order.acknowledged_at, CONFIRMED, Moment(order.acknowledged_at, "acknowledged", text)


def _receipt(delivery: DeliveryRow) -> str:
    known = f", known there as {delivery.reference}" if delivery.reference else ""
    return f"{delivery.receiver}: receipt {delivery.receipt}{known}"


def _aside(order: OrderRow, notes: Sequence[Moment]) -> Iterator[tuple[datetime, int, Moment]]:
    """Yield deliveries that were held or left out when the order was listed, for which the history has no line."""
    listed = max([order.found_at, *(note.at for note in notes if RANKS.get(note.what) == CHANGED)])
    said = {(note.what, note.detail.partition(":")[0]) for note in notes if note.at >= listed}
    for each in order.deliveries.values():
        if each.cause and each.state in ("held", "skipped") and (each.state, each.receiver) not in said:
            text = f"{each.receiver}: " + ": ".join(part for part in (each.cause, each.detail) if part)
            yield listed, ASIDE, Moment(listed, each.state, text)
