"""
Encodes the mark of an exported order for Propeller, and parses the response into an outcome (seed 000, step 2).

vendors.md section 1, and section 6 for the readings of its ambiguous places.
"""

from __future__ import annotations

from datetime import UTC
from typing import Any

import msgspec

from connector.ack import Acknowledgement
from connector.errors import EndpointError, readable
from connector.http.endpoint import Answer
from connector.sources.base import AckOutcome, Confirmed, Denied, Refused, Unknown
from connector.sources.parsing import count, whole_number_id

__all__ = ["judge", "mark", "outcome"]

NOT_FOUND = 10008
"""The vendor's code for an order that does not exist, or is not visible (vendors.md 1, error body)."""


class _Marked(msgspec.Struct, rename="camel"):
    id: str | int
    export_status: str | None = None


class _Error(msgspec.Struct):
    code: Any = None


class _Failed(msgspec.Struct):
    error: _Error


_marked = msgspec.json.Decoder(_Marked)
_failed = msgspec.json.Decoder(_Failed)


def mark(ack: Acknowledgement, message: str) -> bytes:
    """Encode the mark of an order; the same acknowledgement always makes the same bytes."""
    body = {
        "exportedAt": ack.at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "exportMessage": readable(message),
        "exportStatus": "exported",
    }
    return msgspec.json.encode(body)


def judge(answer: Answer) -> None:
    """Accept a 404 about one order (10008); any other 404 means that the address is wrong."""
    if answer.status == 404 and _code(answer.body) != NOT_FOUND:
        raise EndpointError(f"{answer.what}: 404")


def outcome(answer: Answer, ack: Acknowledgement) -> AckOutcome:
    """Return the outcome in a judged response; only its id and its status are compared (vendors.md 6, seed 000, #9)."""
    if answer.status == 404:
        return Refused("the order is not there any more (404, or no permission)")
    marked = answer.decode(_marked)
    if whole_number_id(marked.id) != ack.order_id:
        return Unknown(f"{answer.what}: the answer shows another order")
    if (marked.export_status or "").casefold() == "exported":
        return Confirmed()
    return Denied(f"{answer.what}: the answer shows export status {marked.export_status or ''!r}")


def _code(body: bytes) -> int | None:
    try:
        return count(_failed.decode(body).error.code)
    except (ValueError, RecursionError):
        return None
