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

The same edges are triggers in the journal (schema/0013.sql, 0014.sql), so that not even a wrong build can take another
way; a test compares the two.
"""

from __future__ import annotations

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
    """Tell whether a delivery may go from `before` to `after`; staying is no move, and always allowed."""
    return before == after or after in DELIVERY_EDGES[before]


def state_of(order: str) -> str:
    """
    Return the SQL for the state of the row `order` of `orders`: the rules of the view `order_states`.

    Only written so that SQLite looks at one order's deliveries at a time; the view makes it go through all of them.
    """
    return f"""(
        SELECT CASE
            WHEN max(d.state = 'held') THEN 'held'
            WHEN {order}.ack_state = 'parked' THEN 'held'
            WHEN EXISTS (SELECT 1 FROM changes c WHERE c.key = {order}.key AND c.state = 'held') THEN 'held'
            WHEN EXISTS (SELECT 1 FROM changes c WHERE c.key = {order}.key AND c.what = 'cancel' AND c.state = 'done')
                THEN 'cancelled'
            WHEN max(d.state = 'rejected') THEN 'rejected'
            WHEN {order}.ack_state = 'confirmed' AND {order}.ack_outcome = 'exported' THEN 'acknowledged'
            WHEN max(d.state = 'in_doubt') THEN 'in_doubt'
            WHEN max(d.state IN ('intent', 'ready')) THEN 'delivering'
            WHEN max(d.state = 'new') THEN 'new'
            WHEN max(d.state = 'skipped') THEN 'skipped'
            WHEN max(d.state = 'cancelled') THEN 'cancelled'
            WHEN max(d.state = 'vanished') THEN 'vanished'
            ELSE 'delivered'
        END
        FROM deliveries d WHERE d.key = {order}.key
    )"""  # noqa: S608 - `order` is a word of ours
