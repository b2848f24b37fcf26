"""Describes the state of an order on each side in a few words."""

from __future__ import annotations

from connector.journal.views.audit import KeptDelivery, OrderSnapshot
from connector.reconcile.evidence import Conflicting, Listed, LookupResult, NoAnswer, SourceEvidence

__all__ = ["of_ack", "of_answer", "of_delivery", "of_source"]


def of_source(evidence: SourceEvidence | None, order_id: str) -> str:
    """Describe an order at its source."""
    if evidence is None:
        return "not read"
    if (listed := evidence.listed.get(order_id)) is not None:
        return _listing("listed", listed)
    if (listed := evidence.exported.get(order_id)) is not None:
        return _listing("exported", listed)
    return "unknown: the poll failed" if evidence.error else "not listed"


def _listing(word: str, listed: Listed) -> str:
    return f"{word}, not to be delivered: {listed.skip_reason}" if listed.skip_reason else word


def of_delivery(delivery: KeptDelivery) -> str:
    """Describe a delivery in the journal."""
    label = delivery.reference or delivery.receipt
    return delivery.state + (f" as {label}" if label else "") + (f": {delivery.cause}" if delivery.cause else "")


def of_ack(order: OrderSnapshot) -> str:
    """Describe the acknowledgement of an order in the journal."""
    if order.ack_state == "none":
        return "delivered, no acknowledgement"
    text = f"{order.ack_outcome} {order.ack_state}"
    return f"{text}: {order.ack_reason}" if order.ack_reason else text


def of_answer(answer: LookupResult) -> str:
    """Describe the result of a look-up."""
    if answer is None:
        return "does not have it"
    if isinstance(answer, Conflicting):
        return answer.reason
    if isinstance(answer, NoAnswer):
        return f"unknown: {answer.reason}"
    return f"has it as {answer.label}" + (f" ({answer.status})" if answer.status else "")
