"""What a source is told about an order, and the four ways in which that can end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Literal

import msgspec

__all__ = [
    "DENIED",
    "AckOutcome",
    "Acknowledgement",
    "Confirmed",
    "Denied",
    "NotApplied",
    "Refused",
    "Unknown",
    "calls",
]


DENIED = "the answer was a success that calls itself a failure"
"""The beginning of the reason for which such an acknowledgement is in doubt."""


class Acknowledgement(msgspec.Struct, frozen=True, kw_only=True):
    """
    What a source is to be told about one order.

    Everything in it was fixed when the order was delivered, so that a repeated call repeats the same bytes.
    `key` is the order's row in the journal; `at` is the time of delivery (UTC); `message` names the receiver's
    reference, or the reason of a failure. `failures`, of a failure, is how many others of the order the
    source has confirmed before, where that is known. `terms` are the ones under which the source is told, if it is not
    as its settings are now (`SupportsAckTerms`). `denied`: its last answer was a success that calls itself a failure.
    """

    key: int
    order_id: str
    outcome: Literal["exported", "failed"]
    at: datetime
    message: str
    attempts: int = 0
    failures: int | None = None
    terms: str = ""
    denied: bool = False


class Confirmed(msgspec.Struct, frozen=True):
    """The source knows now."""


class NotApplied(msgspec.Struct, frozen=True):
    """The source does not know, and nothing was done there; try again."""

    reason: str
    retry_after: float | None = None


class Refused(msgspec.Struct, frozen=True):
    """The source will not take this acknowledgement as it is; a person has to look."""

    reason: str


class Unknown(msgspec.Struct, frozen=True):
    """The source may know or not; read it back before repeating."""

    reason: str


class Denied(Unknown, frozen=True):
    """A success whose body calls itself a failure. Whoever must not tell twice leaves it to a person if it was not."""


AckOutcome = Confirmed | NotApplied | Refused | Unknown


def calls(acks: Sequence[Acknowledgement], limit: int) -> Iterator[list[Acknowledgement]]:
    """Yield what goes into one call each: at most `limit`, and never two terms; otherwise in order."""
    under: dict[str, list[Acknowledgement]] = {}
    for ack in acks:
        under.setdefault(ack.terms, []).append(ack)
    for alike in under.values():
        for start in range(0, len(alike), limit):
            yield alike[start : start + limit]
