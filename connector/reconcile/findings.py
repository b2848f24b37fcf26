"""Findings of a reconciliation: their kinds, the state on each side, and the remedy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal

import msgspec

from connector.journal.records import Arrival
from connector.receivers.base import Receipt

__all__ = ["KINDS", "Finding", "Kind", "ReconcileReport", "Remedy", "Unreached"]

Kind = Literal[
    "ghost_delivery",
    "orphan_ack",
    "conflict",
    "stuck_in_doubt",
    "unknown_to_journal",
    "unacknowledged",
    "untold",
    "missing_from_feed",
]
Remedy = Literal["adopt", "look_again", "tell_again", "none"]
"""The action of `--repair`. All actions change only the journal, and none creates an order."""

KINDS: Mapping[Kind, str] = {
    "ghost_delivery": "delivered in the journal, but the receiver does not have it",
    "orphan_ack": "exported at the source, but no receiver has it",
    "conflict": "the receiver's record under this id does not match the order",
    "stuck_in_doubt": "in doubt for longer than a look-up should take",
    "unknown_to_journal": "a source or receiver has it, but the journal does not",
    "unacknowledged": "delivered, but the source still lists it and no acknowledgement is due",
    "untold": "delivered, but the acknowledgement has been pending for too long",
    "missing_from_feed": "waiting for delivery in the journal, but the feed does not list it",
}
"""The kinds with an explanation, the most alarming first."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """
    One disagreement about one order; `receiver` is empty for one between the source and the journal.

    - `source_says`, `journal_says`, `receiver_says`: the state of the order on each side, as a text.
    - `remedy`: the action of `--repair`.
    - `advice`: an explanation of the remedy, or the task that is left to an operator.
    - `found`: the receipts by receiver, for the remedy.
    - `arrival`, `exported`: for the remedy of an order that the journal does not know, the order and whether the source
      has it as exported.
    """

    kind: Kind
    source: str
    order_id: str
    external_id: str
    receiver: str = ""
    source_says: str
    journal_says: str
    receiver_says: str = "not looked up"
    remedy: Remedy = "none"
    advice: str
    key: int = 0
    found: Mapping[str, Receipt] = {}
    arrival: Arrival | None = None
    exported: bool = False

    @property
    def subject(self) -> tuple[str, str, str, str]:
        """The key by which two findings are the same."""
        return self.kind, self.source, self.order_id, self.receiver


class Unreached(msgspec.Struct, frozen=True):
    """An endpoint that could not be read, or not completely; `orders` is the number of missing look-ups."""

    endpoint: str
    reason: str
    orders: int = 0


class ReconcileReport(msgspec.Struct, frozen=True, kw_only=True):
    """
    The result of a reconciliation of orders since `since`.

    - `agreed`: the number of deliveries on which all sides agree, by source and receiver.
    - `fresh`: the number of new orders in each feed, for the next poll.
    - `unreached`, `later`: endpoints that could not be read, and whether a later attempt may succeed at all of them.
    - `left_out`: the number of orders that were not looked up because of the limit.
    - `blind`: the names of receivers without a look-up.
    """

    since: datetime
    findings: Sequence[Finding]
    agreed: Mapping[str, Mapping[str, int]]
    fresh: Mapping[str, int]
    unreached: Sequence[Unreached]
    later: bool = True
    left_out: int = 0
    blind: Sequence[str] = ()
