"""Orders that wait here and are no longer listed by their source. The functions run on the database thread."""

# ruff: noqa: S608 - the SQL is put together from our own words; every value is a parameter.

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

__all__ = ["MOST", "Place", "Vanished", "vanish", "waiting"]

MOST = 10_000
"""Deliveries that one look goes through: it must not keep the database from its writes for long."""

Place = tuple[str, tuple[str | int, ...]]
"""Where a look goes on: the partial index, and the last entry of it that was looked at."""

_ONLY_WAITS = (
    "o.ack_state = 'none' AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.key = o.key"
    " AND d.state NOT IN ('new', 'ready', 'held', 'rejected'))"
)
"""What is asked of the row `o`: nothing of it is delivered or on its way, and its source is to be told nothing."""

# Each is gone through in its own order and asked for in its own words: they hold only what waits.
_PARTS = {
    "open": ("receiver, state, next_try_at, key", "state IN ('new', 'ready', 'intent', 'in_doubt')"),
    "held": ("cause, key, receiver", "state IN ('held', 'rejected')"),
}
_FROM: dict[str, Place] = {"open": ("open", ("", "", -1, 0)), "held": ("held", ("", 0, ""))}


def _window(part: str) -> str:
    columns, words = _PARTS[part]
    marks = ", ".join("?" * len(_FROM[part][1]))
    return f"SELECT {columns} FROM deliveries WHERE {words} AND ({columns}) > ({marks}) ORDER BY {columns} LIMIT ?"


_WAITING = {
    part: f"SELECT o.order_id, o.key FROM ({_window(part)}) w JOIN orders o ON o.key = w.key"
    f" WHERE o.source = ? AND o.found_at < ? AND {_ONLY_WAITS}"
    for part in _PARTS
}
_LAST = {part: f"SELECT * FROM ({_window(part)}) LIMIT 1 OFFSET ?" for part in _PARTS}
_LOOKED = {part: f"SELECT count(*) FROM ({_window(part)})" for part in _PARTS}
_STILL_WAITS = f"SELECT 1 FROM orders o WHERE o.key = ? AND {_ONLY_WAITS}"


class Vanished(Protocol):
    """The part of a journal that is about it. See `connector.journal.base` for what holds for every write."""

    async def waiting_orders(
        self, source: str, before: datetime, after: Place | None = None
    ) -> tuple[dict[str, int], Place | None]:
        """
        Return orders of `source`, by id, with their keys, that were found before a time and only wait.

        Nothing of them was sent, or may have been, that is not held; and the source is to be told nothing of them. They
        are those among the first `MOST` deliveries that wait, or among so many `after` a place; the place that is
        returned is where the next look goes on, None at the end.
        """

    async def vanish(self, keys: Sequence[int], now: datetime) -> list[int]:
        """Take orders that still only wait for vanished; return which."""


def waiting(
    source: str, before: int, after: Place | None, db: sqlite3.Connection
) -> tuple[dict[str, int], Place | None]:
    """See `Vanished.waiting_orders`."""
    part, place = after or _FROM["open"]
    found: dict[str, int] = {}
    room = MOST
    while True:
        found |= dict(db.execute(_WAITING[part], (*place, room, source, before)).fetchall())
        last = db.execute(_LAST[part], (*place, room, room - 1)).fetchone()
        if last is not None:
            return found, (part, last)
        if part == "held":
            return found, None
        (looked,) = db.execute(_LOOKED[part], (*place, room)).fetchone()
        room -= looked
        part, place = _FROM["held"]


def vanish(keys: Sequence[int], now: int, db: sqlite3.Connection) -> list[int]:
    """See `Vanished.vanish`."""
    gone = [key for key in keys if db.execute(_STILL_WAITS, (key,)).fetchone()]
    db.executemany(
        # What was tried before may be there; should the order be listed again, that is not forgotten.
        "UPDATE deliveries SET ask = CASE WHEN state = 'held' AND attempts > 0 THEN 1 ELSE ask END,"
        " state = 'vanished', next_try_at = 0 WHERE key = ?",
        [(key,) for key in gone],
    )
    db.executemany(
        "INSERT INTO history (key, at, what, detail) VALUES (?, ?, 'vanished', ?)",
        [(key, now, "the source does not list it any more, and was not told anything about it") for key in gone],
    )
    db.executemany("UPDATE orders SET updated_at = ? WHERE key = ?", [(now, key) for key in gone])
    return gone
