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
    "IN_DOUBT",
    "LISTED_AGAIN",
    "LOOKED_UP_FIRST",
    "MAY_EXIST",
    "OTHER_ACCOUNT",
    "RELISTED",
    "REVOKED",
    "SKIPPED",
    "SKIPPED_BY_PERSON",
    "SKIPPED_IN_DOUBT",
    "WITHDRAWN",
    "Cause",
    "in_doubt",
    "may_exist",
    "other_account",
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


class Cause(NamedTuple):
    """A cause with the code under which the journal stores it."""

    code: str
    text: str


def in_doubt(receiver: str) -> Cause:
    """Return the cause of a delivery that may have been made, at a receiver without a look-up."""
    return Cause(IN_DOUBT, f"in doubt at {receiver}")


def may_exist(receiver: str) -> Cause:
    """Return the cause of a delivery that may have been made before the journal existed, without a look-up."""
    return Cause(MAY_EXIST, f"may be at {receiver} already")


def other_account(receiver: str) -> Cause:
    """Return the cause of a delivery in doubt at an account that the settings do not name any more."""
    return Cause(OTHER_ACCOUNT, f"{receiver} is another account")
