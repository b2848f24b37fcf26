"""What was seen of an order on each side, in a few words."""

from __future__ import annotations

from connector.journal.views.audit import KeptDelivery, OrderSnapshot
from connector.reconcile.evidence import Conflicting, Listed, LookupResult, NoAnswer, SourceEvidence

__all__ = ["of_ack", "of_answer", "of_delivery", "of_source"]


def of_source(evidence: SourceEvidence | None, order_id: str) -> str:
    """Say what the source shows of an order."""
    if evidence is None:
        return "not asked"
    if (listed := evidence.listed.get(order_id)) is not None:
        return _listing("listed", listed)
    if (listed := evidence.exported.get(order_id)) is not None:
        return _listing("exported", listed)
    return "not seen: the walk did not come to its end" if evidence.error else "not listed"


def _listing(word: str, listed: Listed) -> str:
    return f"{word}, none of ours: {listed.aside}" if listed.aside else word


def of_delivery(delivery: KeptDelivery) -> str:
    """Say what the journal has of a delivery."""
    label = delivery.reference or delivery.receipt
    return delivery.state + (f" as {label}" if label else "") + (f": {delivery.cause}" if delivery.cause else "")


def of_ack(kept: OrderSnapshot) -> str:
    """Say how far the journal is with telling the source."""
    if kept.ack_state == "none":
        return "delivered, nothing to tell"
    said = f"{kept.ack_outcome} {kept.ack_state}"
    return f"{said}: {kept.ack_reason}" if kept.ack_reason else said


def of_answer(answer: LookupResult) -> str:
    """Say what the receiver answered."""
    if answer is None:
        return "does not have it"
    if isinstance(answer, Conflicting):
        return answer.reason
    if isinstance(answer, NoAnswer):
        return f"not asked: {answer.reason}"
    return f"has it as {answer.label}" + (f" ({answer.status})" if answer.status else "")
