"""The comparison: three evidence in, findings out. Nothing here makes a call or writes."""

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

LOOK_THERE = "nobody can say from here which of the two is right: look there; nothing is created again by itself"
NOT_LOOKED_UP = NoAnswer("no look-up was made")


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """
    How old a thing may be before it is a disagreement; all in seconds.

    `settle` and `timeout` are the receivers', `poll` the sources' intervals; `receivers` are those of each source, in
    the order of its route. `untold` is how long the source may take to be told, `believed` how long each source's list
    may be behind what it confirmed; `once` are the sources that must not be told twice.
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
    """What came of it; deliveries that agree, and orders that only wait for the next walk, are counted."""

    findings: Sequence[Finding]
    agreed: Mapping[str, Mapping[str, int]]
    fresh: Mapping[str, int]


def compare(
    sources: Mapping[str, SourceEvidence],
    journal: JournalEvidence,
    receivers: Mapping[str, ReceiverEvidence],
    rules: Rules,
) -> Compared:
    """Return where the evidence disagree, order by order, those that the journal knows first."""
    findings: list[Finding] = []
    agreed: dict[str, Counter[str]] = {}
    for kept in journal.orders.values():
        evidence = sources.get(kept.source)
        between = _OrderComparison(kept, evidence, receivers, rules)
        found = list(between.findings())
        odd = {each.receiver for each in found}
        findings += found
        for delivery in kept.deliveries:
            answer = between.answer(delivery.receiver)
            if not isinstance(answer, NoAnswer) and not odd & {delivery.receiver, ""}:
                agreed.setdefault(kept.source, Counter())[delivery.receiver] += 1
    fresh: Counter[str] = Counter()
    for name, evidence in sources.items():
        own = rules.receivers.get(name, ())
        polled = journal.polled.get(name)
        walking = polled is not None and rules.now - polled <= timedelta(seconds=2 * rules.poll[name])
        known = {order_id for source, order_id in journal.orders if source == name}
        fresh[name], found = unknown_orders(name, evidence, known, receivers, own, walking=walking)
        findings += found
    return Compared(findings, agreed, {name: count for name, count in fresh.items() if count})


class _OrderComparison:
    """One order that the journal knows, between its source and its receivers."""

    def __init__(
        self,
        kept: OrderSnapshot,
        evidence: SourceEvidence | None,
        receivers: Mapping[str, ReceiverEvidence],
        rules: Rules,
    ) -> None:
        self._kept = kept
        self._evidence = evidence
        self._receivers = receivers
        self._rules = rules

    def answer(self, receiver: str) -> LookupResult:
        """Return what a receiver said about the order."""
        evidence = self._receivers.get(receiver)
        return NOT_LOOKED_UP if evidence is None else evidence.answers.get(self._kept.external_id, NOT_LOOKED_UP)

    def findings(self) -> Iterator[Finding]:
        """Yield what is wrong: delivery by delivery, then between the source and the journal."""
        for delivery in self._kept.deliveries:
            yield from self._about(delivery, self.answer(delivery.receiver))
        yield from self._about_telling() if self._done else self._about_waiting()

    @property
    def _done(self) -> bool:
        required = [each for each in self._kept.deliveries if each.required]
        return bool(required) and all(each.state == "delivered" for each in required)

    def _about(self, delivery: KeptDelivery, answer: LookupResult) -> Iterator[Finding]:
        state = delivery.state
        if isinstance(answer, Conflicting):
            if not delivery.withdrawn and state != "skipped":
                yield self._finding("conflict", delivery, LOOK_THERE)
        elif state == "delivered":
            yield from self._about_delivered(delivery, answer)
        elif state in ("in_doubt", "intent"):
            if self._overdue(delivery):
                yield self._stuck(delivery, answer)
        elif isinstance(answer, Receipt):
            if state in ("new", "ready", "held"):
                yield self._adoptable("unknown_to_journal", delivery, answer)
            elif state == "rejected":
                advice = "look there; `connector retry` looks it up and takes it for delivered"
                yield self._finding("conflict", delivery, advice)
            elif state != "skipped":
                yield self._finding("conflict", delivery, f"it is {state}, and there: somebody has to stop it there")

    def _about_delivered(self, delivery: KeptDelivery, answer: LookupResult) -> Iterator[Finding]:
        if answer is None and not delivery.withdrawn and self._settled(delivery):
            yield self._finding("ghost_delivery", delivery, "ask the receiver's people; nothing is created by itself")
        elif isinstance(answer, Receipt) and delivery.receipt not in (answer.id, self._kept.external_id):
            yield self._finding("conflict", delivery, LOOK_THERE)

    def _settled(self, delivery: KeptDelivery) -> bool:
        """Whether its look-up could be believed when it was made (A2)."""
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
            advice = "make its look-up due now; the connector creates it if that finds nothing"
            return self._finding("stuck_in_doubt", delivery, advice, "look_again")
        return self._finding("stuck_in_doubt", delivery, "the connector looks it up at its next start")

    def _about_telling(self) -> Iterator[Finding]:
        """The receivers have it: does the source know?"""
        kept, evidence = self._kept, self._evidence
        listed = evidence.listed.get(kept.order_id) if evidence is not None and evidence.shrinks else None
        if kept.ack_state in ("none", "confirmed"):
            settle = timedelta(seconds=self._rules.believed.get(kept.source, 0))
            before = kept.ack_done_at is None or (listed is not None and kept.ack_done_at + settle < listed.asked_at)
            if listed is not None and not listed.aside and before:
                tell = kept.ack_state == "confirmed" and kept.ack_outcome == "exported"
                advice = "tell the source again" if tell else "nothing is known that could be told: look at `show`"
                yield self._told_again("unacknowledged", advice) if tell else self._order("unacknowledged", advice)
        elif kept.ack_outcome != "exported":
            pass
        elif kept.ack_state == "parked":
            yield self._told_again("untold", "tell the source once more; should it refuse again, look there")
        elif kept.ack_at is not None and self._rules.now - kept.ack_at > timedelta(seconds=self._rules.untold):
            if kept.ack_state == "sending":
                yield self._order("untold", "the connector asks the source about it at its next start")
            else:
                yield self._order("untold", "make it due now", "tell_again")

    def _told_again(self, kind: Kind, advice: str) -> Finding:
        """Tell the source again of what it may know, unless that could do something twice there."""
        if self._kept.source in self._rules.once:
            return self._order(kind, "telling it again may do something twice there: look, then retry or skip")
        return self._order(kind, advice, "tell_again")

    def _about_waiting(self) -> Iterator[Finding]:
        """A receiver does not have it yet: does the source still want that?"""
        kept, evidence = self._kept, self._evidence
        if evidence is None or kept.order_id in evidence.listed or kept.found_at >= evidence.asked_at:
            return
        if (exported := evidence.exported.get(kept.order_id)) is not None:
            answers = [self.answer(each.receiver) for each in kept.deliveries]
            if not exported.aside and all(answer is None for answer in answers):
                yield self._order("orphan_ack", "see who exported it there, and whether anybody has the goods")
        elif not evidence.error and any(each.state in ("new", "ready", "held") for each in kept.deliveries):
            advice = "see what became of it at the source; `connector skip` if it is not wanted any more"
            yield self._order("missing_from_feed", advice)

    def _adoptable(self, kind: Kind, delivery: KeptDelivery, answer: Receipt) -> Finding:
        finding = self._finding(kind, delivery, "note in the journal that it is delivered", "adopt")
        return msgspec.structs.replace(finding, found={delivery.receiver: answer})

    def _finding(self, kind: Kind, delivery: KeptDelivery, advice: str, remedy: Remedy = "none") -> Finding:
        finding = self._order(kind, advice, remedy)
        return msgspec.structs.replace(
            finding,
            receiver=delivery.receiver,
            journal_says=wording.of_delivery(delivery),
            receiver_says=wording.of_answer(self.answer(delivery.receiver)),
        )

    def _order(self, kind: Kind, advice: str, remedy: Remedy = "none") -> Finding:
        kept = self._kept
        says = wording.of_ack(kept) if self._done else ", ".join(map(wording.of_delivery, kept.deliveries))
        heard = {each.receiver: wording.of_answer(self.answer(each.receiver)) for each in kept.deliveries}
        return Finding(
            kind=kind,
            source=kept.source,
            order_id=kept.order_id,
            external_id=kept.external_id,
            source_says=wording.of_source(self._evidence, kept.order_id),
            journal_says=says,
            receiver_says="; ".join(f"{name} {said}" for name, said in heard.items()),
            remedy=remedy,
            advice=advice,
            key=kept.key,
        )
