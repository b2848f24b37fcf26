"""The orders that the feeds list. Each function runs inside a transaction."""

# ruff: noqa: S608 - the SQL is put together from our own words; every value is a parameter.

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime

from connector.journal.engine import bulk
from connector.journal.engine.store import Table
from connector.journal.records import Arrival, Ingested, Listing, Place, Relisted
from connector.journal.tables import acks, history, lookup_first
from connector.journal.tables import orders_listed as listed

__all__ = ["MOST", "OrdersTable", "ingest", "vanish", "waiting"]


class OrdersTable(Table):
    """The orders that the feeds list."""

    async def ingest(self, source: str, arrivals: Sequence[Arrival], listing: Listing, now: datetime) -> list[Ingested]:
        """Record a page of a feed, all or nothing; return the answer to each arrival, in order."""
        page, at = self._store.clock_steps.listed(listing, now), self._store.recorded(now)
        return await self._store.write(lambda db: ingest(source, arrivals, page, at, db))

    async def relist(self, source: str, orders: Sequence[Relisted], now: datetime) -> list[Ingested]:
        """Store the current listings of orders that wait for a person, and retry those with a different request."""
        at = self._store.recorded(now)
        return await self._store.write(lambda db: listed.relist(source, orders, at, db))

    async def waiting(
        self, source: str, before: datetime, after: Place | None = None
    ) -> tuple[dict[str, int], Place | None]:
        """Return orders of `source` that were found before a time and only wait, and where the search continues."""
        at = self._store.recorded(before)
        return await self._store.read(lambda db: waiting(source, at, after, db))

    async def vanish(self, keys: Sequence[int], now: datetime) -> list[int]:
        """Mark those of the orders as vanished that still only wait; return their keys."""
        at = self._store.recorded(now)
        return await self._store.write(lambda db: vanish(keys, at, db))


def ingest(
    source: str, arrivals: Sequence[Arrival], listing: Listing, now: int, db: sqlite3.Connection
) -> list[Ingested]:
    """Record a page; see `Orders.ingest`."""
    known = listed.known(db, source, [arrival.order_id for arrival in arrivals])
    (last,) = db.execute("SELECT coalesce(max(key), 0) FROM orders").fetchone()
    answers: list[Ingested] = []
    fresh: list[tuple[int, Arrival]] = []
    keys: dict[str, int] = {}
    for arrival in arrivals:
        if (twice := keys.get(arrival.order_id)) is not None:
            # A page may list an order twice: the first counts. If the two differ, the next poll shows the current one.
            answers.append(Ingested(twice, "known"))
            continue
        row = known.get(arrival.order_id)
        if row is None:
            last += 1
            fresh.append((last, arrival))
            answers.append(Ingested(last, "new"))
        else:
            answers.append(listed.again(db, source, row, arrival, listing, now))
        keys[arrival.order_id] = answers[-1].key
    _insert(db, source, fresh, now)
    rejected = {key for key, arrival in fresh if arrival.state == "rejected"}
    answers = [_told(db, each, now) if each.key in rejected else each for each in answers]
    return lookup_first.apply(source, answers, db, replayed=listing.replayed)


def _told(db: sqlite3.Connection, answer: Ingested, now: int) -> Ingested:
    """Make the acknowledgement of an order that failed for good due."""
    return Ingested(answer.key, answer.what, acks.failed_due(db, answer.key, now))


def _insert(db: sqlite3.Connection, source: str, fresh: Sequence[tuple[int, Arrival]], now: int) -> None:
    bulk.execute_values(
        db,
        "INSERT INTO orders (key, source, order_id, external_id, revision, found_at, updated_at)"
        " SELECT * FROM (VALUES {}) WHERE column1 IS NOT NULL",
        [(key, source, a.order_id, a.external_id, a.revision, now, now) for key, a in fresh],
    )
    bulk.execute_values(
        db,
        "INSERT INTO payloads (key, raw) SELECT * FROM (VALUES {}) WHERE column1 IS NOT NULL",
        [(key, a.raw) for key, a in fresh],
    )
    bulk.execute_values(
        db,
        "INSERT INTO deliveries (key, receiver, state, required, cause, detail, unfit)"
        " SELECT * FROM (VALUES {}) WHERE column1 IS NOT NULL",
        [
            (key, receiver, a.state, required, a.cause or None, a.detail or None, a.unfit)
            for key, a in fresh
            for receiver, required in a.receivers
        ],
    )


MOST = 10_000
"""Deliveries scanned at once: a scan must not delay the writes for long."""

_ONLY_WAITS = (
    "o.ack_state = 'none' AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.key = o.key"
    " AND d.state NOT IN ('new', 'ready', 'held', 'rejected'))"
)
"""The condition on the row `o`: none of its deliveries is made or under way, and its source is owed nothing."""

# Each partial index is scanned in its own order, in its own words: they hold only waiting deliveries.
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


def waiting(
    source: str, before: int, after: Place | None, db: sqlite3.Connection
) -> tuple[dict[str, int], Place | None]:
    """Return orders that only wait; see `Orders.waiting`."""
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
    """Mark orders as vanished; see `Orders.vanish`."""
    gone = [key for key in keys if db.execute(_STILL_WAITS, (key,)).fetchone()]
    db.executemany(
        # A delivery that was tried may exist; that is kept for the case that the order is listed again.
        "UPDATE deliveries SET may_know = CASE WHEN state = 'held' AND attempts > 0 THEN 1 ELSE may_know END,"
        " state = 'vanished', next_try_at = 0 WHERE key = ?",
        [(key,) for key in gone],
    )
    said = "the source does not list it any more, and was not told anything about it"
    history.note_all([(key, now, "vanished", said) for key in gone], db)
    db.executemany("UPDATE orders SET updated_at = ? WHERE key = ?", [(now, key) for key in gone])
    return gone
