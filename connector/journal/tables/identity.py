"""
A receiver's newest records as evidence: one that the journal never sent shows that the journal is an older copy.

A record is reported once. It stays at the receiver, and an order that was delivered by a journal which is gone may
never be listed again; so those that were found are noted in the journal, in the transaction that doubts it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence

from connector.journal.records import OrderAt

__all__ = ["compare", "distrust"]

_SENT = (
    "SELECT 1 FROM orders o JOIN deliveries d ON d.key = o.key AND d.receiver = ?"
    " WHERE o.source = ? AND o.order_id = ? AND (d.intent_at IS NOT NULL OR d.state = 'delivered')"
)


def compare(receiver: str, newest: Sequence[OrderAt], db: sqlite3.Connection) -> list[OrderAt]:
    """
    Doubt the journal if one of its orders is at a receiver, and it never sent it; see
    `LookupFirst.compare_newest`.
    """
    unsent = [each for each in newest if db.execute(_SENT, (receiver, each.source, each.order_id)).fetchone() is None]
    name = f"not sent to {receiver}"
    row = db.execute("SELECT value FROM identity WHERE name = ?", (name,)).fetchone()
    noted = set(json.loads(row[0])) if row is not None else set()
    ids = [each.record for each in unsent]
    if noted != set(ids):
        db.execute("INSERT OR REPLACE INTO identity (name, value) VALUES (?, ?)", (name, json.dumps(ids)))
    found = [each for each in unsent if each.record not in noted]
    if found:
        distrust(db)
    return found


def distrust(db: sqlite3.Connection) -> bool:
    """Doubt the journal, unless it is in doubt already; see `LookupFirst.distrust`."""
    if db.execute("SELECT 1 FROM identity WHERE name = 'doubt'").fetchone() is not None:
        return False
    some = db.execute("SELECT 1 FROM orders LIMIT 1").fetchone()
    doubt = "restored" if some is not None else "lost"
    db.execute("INSERT INTO identity (name, value) VALUES ('doubt', ?)", (doubt,))
    return True
