"""Compares orders that a source lists but the journal does not know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set

from connector.order import external_id
from connector.receivers.base import Receipt
from connector.reconcile import wording
from connector.reconcile.evidence import Conflicting, Listed, LookupResult, NoAnswer, ReceiverEvidence, SourceEvidence
from connector.reconcile.findings import Finding, Kind

__all__ = ["unknown_orders"]

NOT_LOOKED_UP = NoAnswer("no look-up was made")


def unknown_orders(
    source: str,
    evidence: SourceEvidence,
    known: Set[str],
    receivers: Mapping[str, ReceiverEvidence],
    route: Sequence[tuple[str, bool]],
    *,
    polling: bool,
) -> tuple[int, list[Finding]]:
    """
    Return the number of new orders that only wait for the next poll, and the findings about the others.

    - `route`: the names of the source's receivers, each with whether it is required.
    - `polling`: the feed has been polled lately, so an unknown order is a new one.
    """
    fresh, findings = 0, list[Finding]()
    for order_id, listed in {**evidence.exported, **evidence.listed}.items():
        if listed.arrival is None or order_id in known or listed.skip_reason:
            continue
        unknown = _UnknownOrder(source, order_id, listed, exported=order_id not in evidence.listed)
        unknown.read_answers(receivers, route)
        found = list(unknown.findings(wording.of_source(evidence, order_id), polling=polling))
        fresh += not found and not unknown.exported
        findings += found
    return fresh, findings


class _UnknownOrder:
    def __init__(self, source: str, order_id: str, listed: Listed, *, exported: bool) -> None:
        self.source = source
        self.order_id = order_id
        self.exported = exported
        self._listed = listed
        self._external_id = external_id(source, order_id)
        self._answers: dict[str, LookupResult] = {}
        self._required: Set[str] = frozenset()

    def read_answers(self, receivers: Mapping[str, ReceiverEvidence], route: Sequence[tuple[str, bool]]) -> None:
        """Store the look-up result of each receiver of the route."""
        self._required = {name for name, required in route if required}
        for name, _ in route:
            evidence = receivers.get(name)
            self._answers[name] = (
                NOT_LOOKED_UP if evidence is None else evidence.answers.get(self._external_id, NOT_LOOKED_UP)
            )

    def findings(self, source_says: str, *, polling: bool) -> Iterator[Finding]:
        """Yield at most one finding, or one for each receiver with a conflicting record under the id."""
        conflicting = [name for name, answer in self._answers.items() if isinstance(answer, Conflicting)]
        found = {name: answer for name, answer in self._answers.items() if isinstance(answer, Receipt)}
        for name in conflicting:
            advice = "check it there before the next poll, which will hold the order"
            yield self._finding("conflict", name, source_says, advice)
        if conflicting:
            return
        if self.exported:
            yield from self._compare_exported(found, source_says)
        elif found:
            advice = "record it in the journal as delivered, before a poll finds it as a new order"
            yield self._finding("unknown_to_journal", ", ".join(found), source_says, advice, found)
        elif not polling:
            advice = "the next poll finds it: start the connector, or find out why its polls fail"
            yield self._finding("unknown_to_journal", "", source_says, advice)

    def _compare_exported(self, found: Mapping[str, Receipt], source_says: str) -> Iterator[Finding]:
        if found and self._required <= found.keys():
            advice = "record it in the journal as delivered and acknowledged"
            yield self._finding("unknown_to_journal", ", ".join(found), source_says, advice, found)
        elif not any(isinstance(answer, NoAnswer) for answer in self._answers.values()):
            advice = "find out who exported it there, and whether it was fulfilled"
            yield self._finding("orphan_ack", ", ".join(sorted(self._required - found.keys())), source_says, advice)

    def _finding(
        self, kind: Kind, receiver: str, source_says: str, advice: str, found: Mapping[str, Receipt] | None = None
    ) -> Finding:
        return Finding(
            kind=kind,
            source=self.source,
            order_id=self.order_id,
            external_id=self._external_id,
            receiver=receiver,
            source_says=source_says,
            journal_says="unknown",
            receiver_says="; ".join(f"{name} {wording.of_answer(each)}" for name, each in self._answers.items()),
            remedy="adopt" if found else "none",
            advice=advice,
            found=found or {},
            arrival=self._listed.arrival,
            exported=self.exported,
        )
