"""
Orders that lack what a receiver needs, and of which their source may be told that they failed.

The reading of a vendor's orders is in part inferred, and a mapping may be wrong: then every order of a source lacks the
same. So such an order is held first. Once another order of the same source could be mapped for the same receiver, it is
the order that lacks something: it is rejected, and its source is told. It runs inside a transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from connector.journal.engine import bulk
from connector.journal.tables.deliveries import failed_due

__all__ = ["believe", "waiting"]


def waiting(receiver: str, db: sqlite3.Connection) -> list[tuple[int, str]]:
    """Return what is held at `receiver` as unfit: key and source."""
    return db.execute(
        "SELECT d.key, o.source FROM deliveries d JOIN orders o ON o.key = d.key"
        " WHERE d.receiver = ? AND d.unfit = 1 AND d.state = 'held'",
        (receiver,),
    ).fetchall()


def believe(receiver: str, mapped: Sequence[int], now: int, db: sqlite3.Connection) -> list[str]:
    """
    Reject what is held at `receiver` as unfit, of the sources of the orders that were `mapped` now.

    Makes it due to tell their sources, and returns those.
    """
    held = waiting(receiver, db)
    sources = {
        source for (source,) in bulk.select_keys(db, "SELECT source FROM orders WHERE key IN ({})", list(mapped))
    }
    keys = [key for key, source in held if source in sources and key not in mapped]
    for key in keys:
        db.execute("UPDATE deliveries SET state = 'rejected' WHERE key = ? AND receiver = ?", (key, receiver))
        db.execute(
            "INSERT INTO history (key, at, what, detail) SELECT key, ?, 'rejected', ? || cause FROM deliveries"
            " WHERE key = ? AND receiver = ?",
            (now, f"{receiver}: another order could be mapped, so it is this one: ", key, receiver),
        )
        failed_due(db, key, now, receiver)
    return sorted({source for key, source in held if key in keys})
