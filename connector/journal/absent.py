"""Orders that wait here and are no longer listed by their source. The functions run on the database thread."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

__all__ = ["MOST", "Absent", "vanish", "waiting"]

MOST = 10_000
"""Orders that are looked at after one walk; should more wait, the rest has its turn when those have left."""

_ONLY_WAITS = (
    "o.ack_state = 'none' AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.key = o.key"
    " AND d.state NOT IN ('new', 'ready', 'held', 'rejected'))"
)
"""What is asked of the row `o`: nothing of it is delivered or on its way, and its source is to be told nothing."""


# The union's parts are asked for in the words of the partial indexes, which hold only what waits.
_WAITING = f"""
SELECT o.order_id, o.key FROM (
    SELECT key FROM deliveries WHERE state IN ('new', 'ready', 'intent', 'in_doubt') AND state IN ('new', 'ready')
    UNION
    SELECT key FROM deliveries WHERE state IN ('held', 'rejected')
) w JOIN orders o ON o.key = w.key
WHERE o.source = ? AND o.found_at < ? AND {_ONLY_WAITS} LIMIT ?
"""  # noqa: S608 - our own words
_STILL_WAITS = f"SELECT 1 FROM orders o WHERE o.key = ? AND {_ONLY_WAITS}"  # noqa: S608 - our own words


class Absent(Protocol):
    """The part of a journal that is about it. See `connector.journal.base` for what holds for every write."""

    async def waiting_orders(self, source: str, before: datetime) -> dict[str, int]:
        """
        Return the orders of `source`, by id, with their keys, that were found before a time and only wait.

        Nothing of them was sent, or may have been, that is not held; and the source is to be told nothing of them.
        """

    async def vanish(self, keys: Sequence[int], now: datetime) -> list[int]:
        """Take orders that still only wait for vanished; return which."""


def waiting(source: str, before: int, db: sqlite3.Connection) -> dict[str, int]:
    """See `Absent.waiting_orders`."""
    rows = db.execute(_WAITING, (source, before, MOST))
    return dict(rows.fetchall())


def vanish(keys: Sequence[int], now: int, db: sqlite3.Connection) -> list[int]:
    """See `Absent.vanish`."""
    gone = [key for key in keys if db.execute(_STILL_WAITS, (key,)).fetchone()]
    db.executemany("UPDATE deliveries SET state = 'vanished', next_try_at = 0 WHERE key = ?", [(key,) for key in gone])
    db.executemany(
        "INSERT INTO history (key, at, what, detail) VALUES (?, ?, 'vanished', ?)",
        [(key, now, "the source does not list it any more, and was not told anything about it") for key in gone],
    )
    db.executemany("UPDATE orders SET updated_at = ? WHERE key = ?", [(now, key) for key in gone])
    return gone
