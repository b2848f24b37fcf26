"""
Failures that their source has not heard of, of orders that are tried again. It runs inside a transaction.

"Failed" is what a source is told of an order that no receiver will get. Between that and the telling, the order may be
taken up again: a person mended something at the receiver, or a journal was restored and nobody knows any more. Then it
may yet be delivered, and its source must not hear that it failed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

__all__ = ["withdraw_failures"]


def withdraw_failures(keys: Sequence[int], now: int, db: sqlite3.Connection) -> None:
    """
    Take back the failures of the orders of `keys`, of those that are not at an end with their receivers any more.

    Only what is certainly not told can be taken back. What is being told, or may have been, is settled first.
    """
    for key in keys:
        if db.execute(_WITHDRAW, (now, key)).rowcount:
            db.execute(_NOTE, (key, now))


_WITHDRAW = (
    "UPDATE orders SET ack_state = 'none', ack_outcome = NULL, ack_message = NULL, ack_at = NULL, ack_next = 0,"
    " ack_attempts = 0, ack_reason = NULL, updated_at = ?"
    " WHERE key = ? AND ack_state = 'pending' AND ack_outcome = 'failed'"
    " AND EXISTS (SELECT 1 FROM deliveries d WHERE d.key = orders.key AND d.required"
    " AND d.state NOT IN ('rejected', 'cancelled', 'vanished', 'skipped'))"
)
_NOTE = (
    "INSERT INTO history (key, at, what, detail)"
    " VALUES (?, ?, 'failure withdrawn', 'the source was not told yet, and the order is tried again')"
)
