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
    """Keep what an order is listed as now; return the version that this is."""
    db.execute("INSERT OR REPLACE INTO payloads (key, raw) VALUES (?, ?)", (key, raw))
    (version,) = db.execute(
        "UPDATE orders SET payload_version = payload_version + 1 WHERE key = ? RETURNING payload_version", (key,)
    ).fetchone()
    return int(version)


def is_current(key: int, version: int, db: sqlite3.Connection) -> bool:
    """Tell whether what is kept of an order is still the `version`."""
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
