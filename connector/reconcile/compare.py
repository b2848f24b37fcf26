"""Compares the evidence of the three sides and returns findings. Pure functions: no calls and no writes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from connector.journal.views.audit import KeptDelivery, OrderSnapshot
from connector.receivers.base import Receipt
from connector.reconcile import wording
from connector.reconcile.evidence import (
    Conflicting,
    JournalEvidence,
    LookupResult,
    NoAnswer,
    ReceiverEvidence,
    SourceEvidence,
)
from connector.reconcile.findings import Finding, Kind, Remedy
from connector.reconcile.unknown_orders import unknown_orders

__all__ = ["Compared", "Rules", "compare"]

LOOK_THERE = "check at the receiver which of the two records is right; no order is created automatically"
NOT_LOOKED_UP = NoAnswer("no look-up was made")


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """
    The ages, in seconds, from which a difference is a finding, and the routes.

    - `settle`, `timeout`: settings of the receivers.
    - `poll`: poll intervals of the sources.
    - `receivers`: the receivers of each source in the order of its route, each with whether it is required.
    - `untold`: the longest time for an acknowledgement.
    - `believed`: the time by which the list of each source may lag behind its confirmations.
    - `once`: the sources that must not be acknowledged twice.
    """

    now: datetime
    settle: Mapping[str, float]
    timeout: Mapping[str, float]
    poll: Mapping[str, float]
    receivers: Mapping[str, Sequence[tuple[str, bool]]]
    untold: float = 900.0
    believed: Mapping[str, float] = {}
    once: Collection[str] = ()


class Compared(msgspec.Struct, frozen=True):
    """The findings, the number of deliveries that agree, and the number of new orders that wait for the next poll."""

    findings: Sequence[Finding]
    agreed: Mapping[str, Mapping[str, int]]
    fresh: Mapping[str, int]


def compare(
    sources: Mapping[str, SourceEvidence],
    journal: JournalEvidence,
    receivers: Mapping[str, ReceiverEvidence],
    rules: Rules,
) -> Compared:
    """Return the findings order by order: first the orders that the journal knows, then the others."""
    findings: list[Finding] = []
    agreed: dict[str, Counter[str]] = {}
    for order in journal.orders.values():
        evidence = sources.get(order.source)
        comparison = _OrderComparison(order, evidence, receivers, rules)
        found = list(comparison.findings())
        disagreeing = {each.receiver for each in found}
        findings += found
        for delivery in order.deliveries:
            answer = comparison.answer(delivery.receiver)
            if not isinstance(answer, NoAnswer) and not disagreeing & {delivery.receiver, ""}:
                agreed.setdefault(order.source, Counter())[delivery.receiver] += 1
    fresh: Counter[str] = Counter()
    for name, evidence in sources.items():
        own = rules.receivers.get(name, ())
        polled = journal.polled.get(name)
        polling = polled is not None and rules.now - polled <= timedelta(seconds=2 * rules.poll[name])
        known = {order_id for source, order_id in journal.orders if source == name}
        fresh[name], found = unknown_orders(name, evidence, known, receivers, own, polling=polling)
        findings += found
    return Compared(findings, agreed, {name: count for name, count in fresh.items() if count})


class _OrderComparison:
    """Compares one order of the journal with its source and its receivers."""

    def __init__(
        self,
        order: OrderSnapshot,
        evidence: SourceEvidence | None,
        receivers: Mapping[str, ReceiverEvidence],
        rules: Rules,
    ) -> None:
        self._order = order
        self._evidence = evidence
        self._receivers = receivers
        self._rules = rules

    def answer(self, receiver: str) -> LookupResult:
        """Return the result of the order's look-up at a receiver."""
        evidence = self._receivers.get(receiver)
        return NOT_LOOKED_UP if evidence is None else evidence.answers.get(self._order.external_id, NOT_LOOKED_UP)

    def findings(self) -> Iterator[Finding]:
        """Yield the findings for each delivery, then those between the source and the journal."""
        for delivery in self._order.deliveries:
            yield from self._compare_delivery(delivery, self.answer(delivery.receiver))
        yield from self._compare_acknowledgement() if self._done else self._compare_unfinished()

    @property
    def _done(self) -> bool:
        required = [each for each in self._order.deliveries if each.required]
        return bool(required) and all(each.state == "delivered" for each in required)

    def _compare_delivery(self, delivery: KeptDelivery, answer: LookupResult) -> Iterator[Finding]:
        state = delivery.state
        if isinstance(answer, Conflicting):
            if not delivery.withdrawn and state != "skipped":
                yield self._delivery_finding("conflict", delivery, LOOK_THERE)
        elif state == "delivered":
            yield from self._compare_delivered(delivery, answer)
        elif state in ("in_doubt", "intent"):
            if self._overdue(delivery):
                yield self._stuck(delivery, answer)
        elif isinstance(answer, Receipt):
            if state in ("new", "ready", "held"):
                yield self._adoptable("unknown_to_journal", delivery, answer)
            elif state == "rejected":
                advice = "check it there; `connector retry` looks it up and records it as delivered"
                yield self._delivery_finding("conflict", delivery, advice)
            elif state != "skipped":
                advice = f"the order is {state}, but the receiver has it: stop it there"
                yield self._delivery_finding("conflict", delivery, advice)

    def _compare_delivered(self, delivery: KeptDelivery, answer: LookupResult) -> Iterator[Finding]:
        if answer is None and not delivery.withdrawn and self._settled(delivery):
            advice = "ask the operators of the receiver; no order is created automatically"
            yield self._delivery_finding("ghost_delivery", delivery, advice)
        elif isinstance(answer, Receipt) and delivery.receipt not in (answer.id, self._order.external_id):
            yield self._delivery_finding("conflict", delivery, LOOK_THERE)

    def _settled(self, delivery: KeptDelivery) -> bool:
        """Return whether the look-up was made after the settle time of the delivery, so that it is reliable (A2)."""
        at, asked = delivery.delivered_at, self._receivers[delivery.receiver].asked_at
        return at is None or asked - at >= timedelta(seconds=self._rules.settle.get(delivery.receiver, 0))

    def _overdue(self, delivery: KeptDelivery) -> bool:
        settle = self._rules.settle.get(delivery.receiver, 0)
        if delivery.state == "intent":
            since, grace = delivery.intent_at, self._rules.timeout.get(delivery.receiver, 0) + 2 * settle
        else:
            since, grace = delivery.next_try_at, settle
        return since is None or self._rules.now - since > timedelta(seconds=grace)

    def _stuck(self, delivery: KeptDelivery, answer: LookupResult) -> Finding:
        if isinstance(answer, Receipt):
            return self._adoptable("stuck_in_doubt", delivery, answer)
        if answer is None and delivery.state == "in_doubt":
            advice = "make the look-up due now; if it finds nothing, the connector creates the order"
            return self._delivery_finding("stuck_in_doubt", delivery, advice, "look_again")
        return self._delivery_finding("stuck_in_doubt", delivery, "the connector looks the order up at its next start")

    def _compare_acknowledgement(self) -> Iterator[Finding]:
        """Yield a finding if the source does not have a delivered order as exported."""
        order, evidence = self._order, self._evidence
        listed = evidence.listed.get(order.order_id) if evidence is not None and evidence.shrinks else None
        if order.ack_state in ("none", "confirmed"):
            settle = timedelta(seconds=self._rules.believed.get(order.source, 0))
            before = order.ack_done_at is None or (listed is not None and order.ack_done_at + settle < listed.asked_at)
            if listed is not None and not listed.skip_reason and before:
                if order.ack_state == "confirmed" and order.ack_outcome == "exported":
                    yield self._repeatable("unacknowledged", "acknowledge it again")
                else:
                    yield self._order_finding("unacknowledged", "there is nothing to acknowledge: see `connector show`")
        elif order.ack_outcome != "exported":
            pass
        elif order.ack_state == "parked":
            yield self._repeatable("untold", "acknowledge it once more; if the source refuses again, check it there")
        elif order.ack_at is not None and self._rules.now - order.ack_at > timedelta(seconds=self._rules.untold):
            if order.ack_state == "sending":
                yield self._order_finding("untold", "the connector reads the order at the source at its next start")
            else:
                yield self._order_finding("untold", "make the acknowledgement due now", "tell_again")

    def _repeatable(self, kind: Kind, advice: str) -> Finding:
        """Return a finding whose remedy repeats an acknowledgement, unless a repeat may have an effect twice."""
        if self._order.source in self._rules.once:
            advice = "a repeated acknowledgement may have its effect twice: check the source, then retry or skip"
            return self._order_finding(kind, advice)
        return self._order_finding(kind, advice, "tell_again")

    def _compare_unfinished(self) -> Iterator[Finding]:
        """Yield a finding if the source does not list an order any more that is not delivered yet."""
        order, evidence = self._order, self._evidence
        if evidence is None or order.order_id in evidence.listed or order.found_at >= evidence.asked_at:
            return
        if (exported := evidence.exported.get(order.order_id)) is not None:
            answers = [self.answer(each.receiver) for each in order.deliveries]
            if not exported.skip_reason and all(answer is None for answer in answers):
                yield self._order_finding("orphan_ack", "find out who exported it there, and whether it was fulfilled")
        elif not evidence.error and any(each.state in ("new", "ready", "held") for each in order.deliveries):
            advice = "check the order at the source; use `connector skip` if it is no longer wanted"
            yield self._order_finding("missing_from_feed", advice)

    def _adoptable(self, kind: Kind, delivery: KeptDelivery, answer: Receipt) -> Finding:
        finding = self._delivery_finding(kind, delivery, "record it in the journal as delivered", "adopt")
        return msgspec.structs.replace(finding, found={delivery.receiver: answer})

    def _delivery_finding(self, kind: Kind, delivery: KeptDelivery, advice: str, remedy: Remedy = "none") -> Finding:
        finding = self._order_finding(kind, advice, remedy)
        return msgspec.structs.replace(
            finding,
            receiver=delivery.receiver,
            journal_says=wording.of_delivery(delivery),
            receiver_says=wording.of_answer(self.answer(delivery.receiver)),
        )

    def _order_finding(self, kind: Kind, advice: str, remedy: Remedy = "none") -> Finding:
        order = self._order
        journal_says = wording.of_ack(order) if self._done else ", ".join(map(wording.of_delivery, order.deliveries))
        answers = {each.receiver: wording.of_answer(self.answer(each.receiver)) for each in order.deliveries}
        return Finding(
            kind=kind,
            source=order.source,
            order_id=order.order_id,
            external_id=order.external_id,
            source_says=wording.of_source(self._evidence, order.order_id),
            journal_says=journal_says,
            receiver_says="; ".join(f"{name} {answer}" for name, answer in answers.items()),
            remedy=remedy,
            advice=advice,
            key=order.key,
        )
