"""The acknowledgement of an order to its source, and its four outcomes."""

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
"""The beginning of the reason for which an acknowledgement with such a response is in doubt."""


class Acknowledgement(msgspec.Struct, frozen=True, kw_only=True):
    """
    The acknowledgement of one order to its source.

    All of it was fixed when the order was delivered, so that a repeated call repeats the same bytes.

    - `key`: the order's row in the journal; `at`: the time of delivery (UTC).
    - `message`: the receiver's reference, or the reason of a failure.
    - `failures`: of a failure, the number of earlier failures of the order that the source has confirmed, if known.
    - `terms`: the settings under which it is sent, if they differ from the present ones (`SupportsAckTerms`).
    - `denied`: its last response was a success that calls itself a failure.
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
    """The source has applied it."""


class NotApplied(msgspec.Struct, frozen=True):
    """The source has not applied it, and it had no effect there; send it again."""

    reason: str
    retry_after: float | None = None


class Refused(msgspec.Struct, frozen=True):
    """The source refuses this acknowledgement as it is; an operator has to look."""

    reason: str


class Unknown(msgspec.Struct, frozen=True):
    """The source may have applied it; read it back before sending it again."""

    reason: str


class Denied(Unknown, frozen=True):
    """A success whose body calls itself a failure. If it was not applied, a repeat may have an effect of its own."""


AckOutcome = Confirmed | NotApplied | Refused | Unknown


def calls(acks: Sequence[Acknowledgement], limit: int) -> Iterator[list[Acknowledgement]]:
    """Yield the acknowledgements of one call each: at most `limit`, and all of the same terms; otherwise in order."""
    under: dict[str, list[Acknowledgement]] = {}
    for ack in acks:
        under.setdefault(ack.terms, []).append(ack)
    for alike in under.values():
        for start in range(0, len(alike), limit):
            yield alike[start : start + limit]
