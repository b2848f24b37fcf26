"""
The causes for which orders wait for a person, each text once.

A cause has a text, shared by all orders that wait for the same thing, and a code where the journal depends on it: SQL
compares codes, so that a text can be improved without a change of behaviour.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = [
    "ACK_DENIED",
    "ACK_REFUSED",
    "CANCELLED",
    "IN_DOUBT",
    "LISTED_AGAIN",
    "LOOKED_UP_FIRST",
    "MAPPING_FAILED",
    "MAY_EXIST",
    "NO_ROUTE",
    "OTHER_ACCOUNT",
    "RELISTED",
    "REVOKED",
    "SKIPPED",
    "SKIPPED_BY_PERSON",
    "SKIPPED_IN_DOUBT",
    "UNREADABLE",
    "WITHDRAWN",
    "Cause",
    "conflict",
    "duplicate",
    "in_doubt",
    "internal_error",
    "keeps_failing",
    "may_exist",
    "other_account",
    "rejects_every_order",
]

IN_DOUBT = "in_doubt"
MAY_EXIST = "may_exist"
OTHER_ACCOUNT = "other_account"
SKIPPED = "skipped"
"""A person skipped the delivery."""
SKIPPED_IN_DOUBT = "skipped_in_doubt"
"""A person skipped a delivery whose cause was `IN_DOUBT` or `MAY_EXIST`."""
RELISTED = "listed_again"
ACK_DENIED = "denied"
"""The response to an acknowledgement was a success that calls itself a failure."""
REVOKED = "revoked"

ACK_REFUSED = "acknowledgement refused"
"""The cause of an order whose source refused the acknowledgement."""
LISTED_AGAIN = "confirmed, and listed again"
"""The cause of an order that its source had confirmed, lists all the same, and may not be sent a second time."""
LOOKED_UP_FIRST = "looked up first"
"""The cause of a delivery that a look-up precedes, because the journal may lack an earlier one."""
SKIPPED_BY_PERSON = "skipped by a person"
WITHDRAWN = "cancelled at the source, and listed since as not cancelled"
"""The reason of a cancellation that is not sent, unless the source lists the order as cancelled again."""
NO_ROUTE = "no route"
"""The cause of an order whose source has no route to the receiver any more."""
UNREADABLE = "unreadable order"
"""The cause of an order for which a source's own code raised an exception."""
MAPPING_FAILED = "mapping failed"
"""The cause of an order for which a mapping raised an exception."""
CANCELLED = "cancelled at the source"
"""The cause of an order that was cancelled before its delivery."""


class Cause(NamedTuple):
    """A cause with the code under which the journal stores it."""

    code: str
    text: str


def in_doubt(receiver: str) -> Cause:
    """Return the cause of a delivery that may have been made, at a receiver without a look-up."""
    return Cause(IN_DOUBT, f"in doubt at {receiver}")


def may_exist(receiver: str) -> Cause:
    """Return the cause of a delivery that may have been made before the journal existed, without a look-up."""
    return Cause(MAY_EXIST, f"may already exist at {receiver}")


def other_account(receiver: str) -> Cause:
    """Return the cause of a delivery in doubt at an account that the settings do not name any more."""
    return Cause(OTHER_ACCOUNT, f"{receiver} is another account")


def conflict(receiver: str) -> str:
    """Return the cause of an order that exists at the receiver more than once, or with other content."""
    return f"conflict at {receiver}"


def duplicate(receiver: str) -> str:
    """Return the cause of an order that the receiver rejects as a duplicate, without a look-up to verify it."""
    return f"duplicate at {receiver}"


def rejects_every_order(receiver: str) -> str:
    """Return the cause of rejected orders that no accepted order proves to be at fault."""
    return f"{receiver} rejects every order"


def keeps_failing(endpoint: str) -> str:
    """Return the cause of an item that keeps failing while others succeed at its endpoint."""
    return f"keeps failing at {endpoint}"


def internal_error(error: str, endpoint: str) -> str:
    """Return the cause of an item for which our own code raises the exception `error`."""
    return f"internal error {error} at {endpoint}"
