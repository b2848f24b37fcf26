"""The causes for which orders wait for a person, each text once."""

from __future__ import annotations

__all__ = ["LISTED_AGAIN", "REFUSED", "may_be_at"]

REFUSED = "acknowledgement refused"
"""The cause of an order whose source refused the acknowledgement."""
LISTED_AGAIN = "confirmed, and listed again"
"""The cause of an order that its source had confirmed, lists all the same, and may not be sent a second time."""


def may_be_at(receiver: str) -> str:
    """Return the cause of a delivery that may have been made before the journal existed, where no look-up can tell."""
    return f"may be at {receiver} already"
