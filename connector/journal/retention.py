"""
What the journal lets go of in time. Each function runs inside a transaction, on the database thread.

Only the history goes, of orders that are at their end, and what was asked for and answered. An order's own rows stay
for ever: they are how it is known when its source lists it again, years later, and without them it would be created
once more. They weigh some hundred bytes; what an order contained is gone when its source has confirmed.
"""

from __future__ import annotations

import sqlite3

__all__ = ["prune"]


def prune(before: int, limit: int, db: sqlite3.Connection) -> int:
    """Remove up to `limit` lines of history; see `Journal.prune`."""
    removed = db.execute(
        "DELETE FROM history WHERE id IN ("
        " SELECT h.id FROM history h JOIN orders o ON o.key = h.key"
        " WHERE h.at < ? AND o.ack_state = 'confirmed'"
        " AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.key = o.key AND d.state NOT IN ('delivered', 'skipped'))"
        " AND NOT EXISTS (SELECT 1 FROM changes c WHERE c.key = o.key AND c.state <> 'done')"
        " ORDER BY h.id LIMIT ?)",
        (before, limit),
    ).rowcount
    db.execute("DELETE FROM requests WHERE done_at < ?", (before,))
    return removed
