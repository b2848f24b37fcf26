"""
The states of a delivery and of an acknowledgement, and the only ways between them (faults.md 4.2).

::

    new ──intent──▶ intent ──▶ delivered + acknowledgement pending     (one transaction)
     ▲                │  ├──▶ rejected                                (after a look-up found nothing)
     │                │  ├──▶ ready      provably not sent; due again after a wait
     │ released,      │  └──▶ in_doubt   may have been applied; looked up when it has settled
     │ corrected      ▼                      ├──▶ delivered   the look-up found it
    held ◀── a person has to look ◀──────────┤
                                             └──▶ intent      the look-up found nothing: create again

    none ◀─▶ pending ─▶ sending ─▶ confirmed       back to none: a failure, when the order is tried again
                ▲          ├──▶ pending    provably not applied; due again after a wait
                │          ├──▶ in_doubt   the answer was lost; read back, then pending or confirmed
                └──────────└──▶ parked     the source refused it; a person has to look

    confirmed ─▶ pending    the source lists it all the same; it is told again
    confirmed ◀▶ parked     the same, left to a person; until it is not listed any more, or skipped

A report goes the ways of an acknowledgement that is due, except that nothing leads away from `confirmed`.

The same edges are triggers in the journal (schema/0001.sql), so that not even a wrong build can take another
way; a test compares the two.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Literal, get_args

__all__ = [
    "ACK_EDGES",
    "DELIVERY_EDGES",
    "HELD",
    "OPEN",
    "PARKED",
    "PUBLIC",
    "REPORT_EDGES",
    "SINCE",
    "UNTOLD",
    "AckState",
    "DeliveryState",
    "MayKnow",
    "PublicState",
    "ReportState",
    "allowed",
    "state_of",
]

DeliveryState = Literal[
    "new", "ready", "intent", "in_doubt", "delivered", "rejected", "held", "cancelled", "vanished", "skipped"
]
AckState = Literal["none", "pending", "sending", "in_doubt", "confirmed", "parked"]
ReportState = Literal["pending", "sending", "in_doubt", "confirmed", "parked"]
PublicState = Literal[
    "new",
    "delivering",
    "in_doubt",
    "delivered",
    "acknowledged",
    "held",
    "rejected",
    "cancelled",
    "vanished",
    "skipped",
]
"""An order's state as users see it (design.md, section 8): the least advanced of its deliveries, then its ack."""

OPEN = "('new', 'ready', 'intent', 'in_doubt')"
"""The open deliveries, in the words of the partial index `deliveries_open`; SQLite uses it only for the same ones."""
HELD = "('held', 'rejected')"
"""The deliveries that wait for a person, in the words of the partial index `deliveries_held`."""
UNTOLD = "('pending', 'sending', 'in_doubt')"
"""The open acknowledgements and reports, in the words of the partial indexes `acks_open` and `reports_open`."""
SINCE = "CASE WHEN ack_done_at IS NULL THEN ack_at ELSE updated_at END + ack_moved"
"""The time since when an acknowledgement is due: one that the source confirmed and lists again counts from then on."""
PUBLIC = "CASE WHEN state IN ('intent', 'ready') THEN 'delivering' ELSE state END"
"""A delivery's state as users see it."""
PARKED = "report parked"
"""Stands in the place of a state for orders at their end with a report that their source will not get."""


class MayKnow(IntEnum):
    """
    Who may know of an order from before the journal existed: the values of `deliveries.may_know`.

    `SOURCE_TOO`: a journal that is lost, or newer than this one, may have sent an acknowledgement. So the source is
    queried before it is sent another one, where a second one would have a second effect.
    """

    NOBODY = 0
    RECEIVER = 1
    SOURCE_TOO = 2


DELIVERY_EDGES: dict[DeliveryState, frozenset[DeliveryState]] = {
    # A look-up before a create may find the order there already; one that fails is due again after a wait.
    "new": frozenset(
        {"ready", "intent", "delivered", "held", "rejected", "in_doubt", "cancelled", "vanished", "skipped"}
    ),
    "ready": frozenset(
        {"intent", "delivered", "held", "rejected", "in_doubt", "cancelled", "vanished", "skipped", "new"}
    ),
    "intent": frozenset({"delivered", "rejected", "ready", "in_doubt", "held"}),
    "in_doubt": frozenset({"intent", "delivered", "rejected", "held"}),
    "delivered": frozenset(),
    "rejected": frozenset({"new", "vanished", "skipped", "cancelled"}),
    # An order that lacks something is rejected once another one of its source could be mapped.
    "held": frozenset({"new", "in_doubt", "vanished", "skipped", "cancelled", "rejected"}),
    "cancelled": frozenset({"new"}),
    "vanished": frozenset({"new"}),
    "skipped": frozenset({"new"}),
}

ACK_EDGES: dict[AckState, frozenset[AckState]] = {
    "none": frozenset({"pending"}),
    "pending": frozenset({"sending", "confirmed", "parked", "none"}),
    "sending": frozenset({"confirmed", "pending", "in_doubt", "parked"}),
    "in_doubt": frozenset({"confirmed", "pending", "parked"}),
    # The source lists the order again although it had confirmed; see `relisted`.
    "confirmed": frozenset({"pending", "parked"}),
    "parked": frozenset({"pending", "confirmed"}),
}

REPORT_EDGES: dict[ReportState, frozenset[ReportState]] = {
    "pending": frozenset({"sending"}),
    "sending": frozenset({"confirmed", "pending", "in_doubt", "parked"}),
    "in_doubt": frozenset({"confirmed", "pending", "parked"}),
    "confirmed": frozenset(),
    "parked": frozenset({"pending"}),
}

assert set(DELIVERY_EDGES) == set(get_args(DeliveryState)), "every state has its row"  # noqa: S101 - checked at import
assert set(ACK_EDGES) == set(get_args(AckState)), "every state has its row"  # noqa: S101 - checked at import
assert set(REPORT_EDGES) == set(get_args(ReportState)), "every state has its row"  # noqa: S101 - checked at import


def allowed(before: DeliveryState, after: DeliveryState) -> bool:
    """Return whether a delivery may go from `before` to `after`; to stay is always allowed."""
    return before == after or after in DELIVERY_EDGES[before]


def state_of(order: str) -> str:
    """Return the SQL for the public state of the row `order` of `orders`; the rule is the view `order_states`."""
    return f"(SELECT s.state FROM order_states s WHERE s.key = {order}.key)"  # noqa: S608 - `order` is a word of ours
