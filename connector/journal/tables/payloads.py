"""
The orders as their sources sent them. Until an order is delivered, the stored payload follows the feed.

The payload holds people's addresses, so it is removed when nothing needs it any more: the source has confirmed, and no
delivery or change waits. Each function runs inside a transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from connector.journal.engine import bulk

__all__ = ["forget", "is_current", "put"]


def put(key: int, raw: bytes, db: sqlite3.Connection) -> int:
    """Store the current listing of an order; return its version."""
    db.execute(
        "INSERT INTO payloads (key, raw) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET raw = excluded.raw", (key, raw)
    )
    (version,) = db.execute(
        "UPDATE orders SET payload_version = payload_version + 1 WHERE key = ? RETURNING payload_version", (key,)
    ).fetchone()
    return int(version)


def is_current(key: int, version: int, db: sqlite3.Connection) -> bool:
    """Return whether the stored payload of an order has this `version`."""
    found = db.execute("SELECT 1 FROM orders WHERE key = ? AND payload_version = ?", (key, version)).fetchone()
    return found is not None


def forget(keys: Sequence[int], db: sqlite3.Connection) -> None:
    """Remove the payloads of those orders that are confirmed by their source and have no open delivery or change."""
    bulk.update_keys(
        db,
        "DELETE FROM payloads WHERE"
        " EXISTS (SELECT 1 FROM orders o WHERE o.key = payloads.key AND o.ack_state = 'confirmed')"
        " AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.key = payloads.key AND d.state <> 'delivered')"
        " AND NOT EXISTS (SELECT 1 FROM changes c WHERE c.key = payloads.key AND c.state <> 'done')"
        " AND key IN ({})",
        keys,
    )
