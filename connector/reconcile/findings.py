"""What a reconciliation finds: the kinds, what was seen where, and what may be done about it."""

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
"""What `--repair` does: all of it in the journal, and nothing that creates an order by itself."""

KINDS: Mapping[Kind, str] = {
    "ghost_delivery": "the journal says delivered, and the receiver does not have it",
    "orphan_ack": "the source takes it for exported, and no receiver has it",
    "conflict": "what the receiver has under its id must not be taken for it",
    "stuck_in_doubt": "whether it was delivered should be known by now",
    "unknown_to_journal": "an end has it, and the journal does not know of that",
    "unacknowledged": "it is delivered, the source lists it, and nothing is due to be told",
    "untold": "it is delivered, and the source has not taken that for long",
    "missing_from_feed": "the journal waits to deliver it, and the feed does not list it",
}
"""The kinds, the most alarming first."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """
    One disagreement about one order; `receiver` is empty where it is between the source and the journal.

    `source_says`, `journal_says` and `receiver_says` are what was seen there. `remedy` is what `--repair` does, and
    `advice` what that means, or what is left to a person. `found` (by receiver), `arrival` and `exported` are what the
    remedy needs: the latter two for an order that the journal does not know, and whether its source has been told.
    """

    kind: Kind
    source: str
    order_id: str
    external_id: str
    receiver: str = ""
    source_says: str
    journal_says: str
    receiver_says: str = "not asked"
    remedy: Remedy = "none"
    advice: str
    key: int = 0
    found: Mapping[str, Receipt] = {}
    arrival: Arrival | None = None
    exported: bool = False

    @property
    def subject(self) -> tuple[str, str, str, str]:
        """What makes two findings the same one."""
        return self.kind, self.source, self.order_id, self.receiver


class Unreached(msgspec.Struct, frozen=True):
    """An endpoint that could not be asked, or not to the end; `orders` is how many answers are missing."""

    endpoint: str
    reason: str
    orders: int = 0


class ReconcileReport(msgspec.Struct, frozen=True, kw_only=True):
    """
    What was found since `since`.

    `agreed` counts deliveries about which all sides agree, by source and receiver; `fresh` orders that the feed lists
    and the next walk takes in. `left_out` is how many delivered orders were too many to be asked about; `blind` names
    receivers that cannot be asked at all.
    """

    since: datetime
    findings: Sequence[Finding]
    agreed: Mapping[str, Mapping[str, int]]
    fresh: Mapping[str, int]
    unreached: Sequence[Unreached]
    later: bool = True
    left_out: int = 0
    blind: Sequence[str] = ()
