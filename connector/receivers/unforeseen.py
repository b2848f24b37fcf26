"""Orders at which a receiver's own code fails in a way that nobody foresaw: a few tries each, then a person."""

from __future__ import annotations

import logging
from collections import Counter

from connector.journal.base import Held

__all__ = ["MOST", "Unforeseen"]

logger = logging.getLogger(__name__)

MOST = 3
"""Such failures of one order after which it is held: what passes by itself has passed by then."""


class Unforeseen:
    """
    How often each order has met a fault of ours at one receiver. In memory: a new start tries again.

    The cause is shared by all orders that meet the same fault, so that one `retry` releases them when it is mended.
    """

    def __init__(self, receiver: str) -> None:
        self._receiver = receiver
        self._count: Counter[str] = Counter()
        self._why: dict[str, tuple[str, str]] = {}

    def __bool__(self) -> bool:
        """Whether any order has met one and is not at an end."""
        return bool(self._count)

    def note(self, external_id: str, exc: Exception, doing: str) -> str:
        """Count a failure while `doing` something to an order; log it, the first time whole; return it in words."""
        self._count[external_id] += 1
        name = type(exc).__name__
        self._why[external_id] = name, doing
        count = self._count[external_id]
        logger.error(
            "%s: %s while %s %s, which nobody foresaw (%d of %d times)",
            self._receiver,
            name,
            doing,
            external_id,
            count,
            MOST,
            exc_info=exc if count == 1 else None,
        )
        return f"{name} while {doing} it"

    def given_up(self, external_id: str, *, looked_up: bool) -> Held | None:
        """Return the hold of an order that has met too many, and forget it; None for one that may be tried."""
        if self._count.get(external_id, 0) < MOST:
            return None
        name, doing = self._why[external_id]
        self.forget(external_id)
        where = "it is not there" if looked_up else "it may be there: look"
        detail = f"{MOST} times while {doing} it; {where}. The log has the traceback; mend it, then retry"
        return Held(f"unforeseen {name} at {self._receiver}", detail)

    def forget(self, external_id: str) -> None:
        """The order has come to another end."""
        self._count.pop(external_id, None)
        self._why.pop(external_id, None)
