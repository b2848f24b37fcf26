"""
The evidence of a receiver's newest records: one that the journal never sent shows that the journal is an older copy.

A record is reported once. It stays at the receiver, and an order that was delivered by a lost journal may never be
listed again; so the reported records are noted in the journal, in the transaction that marks it as in doubt.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence

from connector.journal.records import OrderAt

__all__ = ["compare", "distrust"]

_NOTED = "INSERT INTO identity (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
_SENT = (
    "SELECT 1 FROM orders o JOIN deliveries d ON d.key = o.key AND d.receiver = ?"
    " WHERE o.source = ? AND o.order_id = ? AND (d.intent_at IS NOT NULL OR d.state = 'delivered')"
)


def compare(receiver: str, newest: Sequence[OrderAt], db: sqlite3.Connection) -> list[OrderAt]:
    """
    Mark the journal as in doubt if a receiver has an order that it never sent there.

    See `LookupFirst.compare_newest`.
    """
    unsent = [each for each in newest if db.execute(_SENT, (receiver, each.source, each.order_id)).fetchone() is None]
    name = f"not sent to {receiver}"
    row = db.execute("SELECT value FROM identity WHERE name = ?", (name,)).fetchone()
    noted = set(json.loads(row[0])) if row is not None else set()
    ids = [each.record for each in unsent]
    if noted != set(ids):
        db.execute(_NOTED, (name, json.dumps(ids)))
    found = [each for each in unsent if each.record not in noted]
    if found:
        distrust(db)
    return found


def distrust(db: sqlite3.Connection) -> bool:
    """Mark the journal as in doubt, unless it is already; see `LookupFirst.distrust`."""
    if db.execute("SELECT 1 FROM identity WHERE name = 'doubt'").fetchone() is not None:
        return False
    some = db.execute("SELECT 1 FROM orders LIMIT 1").fetchone()
    doubt = "restored" if some is not None else "lost"
    db.execute("INSERT INTO identity (name, value) VALUES ('doubt', ?)", (doubt,))
    return True
