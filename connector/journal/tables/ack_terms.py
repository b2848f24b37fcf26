"""
The terms under which the sources are acknowledged to. Functions run inside a transaction.

An acknowledgement that waits while the settings change keeps the terms under which it fell due. Nothing is written for
that when it falls due: the first start under other terms writes down the former terms of the waiting ones, so that no
clock decides. An order that its source confirmed and lists again is acknowledged under the current terms, which may be
the reason for the listing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from connector.journal.engine.store import Table

__all__ = ["TERMS", "AckTermsTable", "keep"]

TERMS = (
    "coalesce((SELECT t.terms FROM ack_terms t"
    " WHERE t.key = orders.key AND t.due_at = ack_at AND t.before IS ack_done_at), '')"
)
"""The terms of the acknowledgement in a row of `orders`; empty for the current ones."""

# One for each partial index, in its words.
_OPEN = (
    "INSERT INTO ack_terms (key, due_at, before, terms) SELECT key, ack_at, ack_done_at, ? FROM orders"
    " WHERE source = ? AND ack_state IN ('pending', 'sending', 'in_doubt') ON CONFLICT DO NOTHING"
)
_PARKED = (
    "INSERT INTO ack_terms (key, due_at, before, terms) SELECT key, ack_at, ack_done_at, ? FROM orders"
    " WHERE source = ? AND ack_state = 'parked' ON CONFLICT DO NOTHING"
)


class AckTermsTable(Table):
    """The terms under which the sources are acknowledged to."""

    async def keep(self, terms: Mapping[str, str]) -> dict[str, int]:
        """Note each source's terms from now on; return how many acknowledgements keep the old ones."""
        return await self._store.write(lambda db: keep(terms, db))


def keep(terms: Mapping[str, str], db: sqlite3.Connection) -> dict[str, int]:
    """Note the terms; see `AckTerms.keep`."""
    db.execute(
        "DELETE FROM ack_terms WHERE NOT EXISTS (SELECT 1 FROM orders o WHERE o.key = ack_terms.key"
        " AND o.ack_state <> 'confirmed' AND o.ack_at = due_at AND o.ack_done_at IS before)"
    )
    last = dict(db.execute("SELECT source, terms FROM terms"))
    changed: dict[str, int] = {}
    for source, now in terms.items():
        before = last.get(source, "")
        if now == before:
            continue
        if before:
            waits = db.execute(_OPEN, (before, source)).rowcount
            changed[source] = waits + db.execute(_PARKED, (before, source)).rowcount
        db.execute(
            "INSERT INTO terms (source, terms) VALUES (?, ?) ON CONFLICT (source) DO UPDATE SET terms = excluded.terms",
            (source, now),
        )
    return changed
