"""
The state of the endpoints: the sources' feeds (table `sources`) and the receivers' breakers (table `receivers`).

Each function runs inside a transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from datetime import datetime

import msgspec

from connector.journal.engine.codec import millis
from connector.journal.engine.store import Table
from connector.journal.records import Shortfall
from connector.journal.tables import lookup_first

__all__ = ["EndpointsTable", "forget_breakers", "polled", "shortfalls"]


class EndpointsTable(Table):
    """The state of the sources' feeds and of the receivers' circuit breakers."""

    async def polled(
        self,
        source: str,
        at: datetime,
        error: str,
        *,
        complete: bool = False,
        shortfall: Shortfall | None = None,
    ) -> None:
        """Note the end of a poll of `source`, and its error, empty if there was none."""
        recorded, now = self._store.recorded(at), millis(at)
        await self._store.write(
            lambda db: polled(source, recorded, now, error, db, complete=complete, shortfall=shortfall)
        )

    async def shortfall(self, source: str) -> Shortfall:
        """Return the shortfall of the last successful poll of `source`."""
        return await self._store.read(lambda db: shortfalls(db).get(source, Shortfall()))

    async def breaker_changed(self, receiver: str, state: str, reason: str, at: datetime) -> None:
        """Note the state of a receiver's circuit breaker, for `status`."""
        since = self._store.recorded(at)
        await self._store.write(lambda db: db.execute(_BREAKER, (receiver, state, reason, since)).close())


_BREAKER = (
    "INSERT INTO receivers (name, breaker, reason, since) VALUES (?, ?, ?, ?) ON CONFLICT (name) DO UPDATE"
    " SET breaker = excluded.breaker, reason = excluded.reason, since = excluded.since"
)


def forget_breakers(db: sqlite3.Connection) -> None:
    """Forget the states of an earlier process: breakers start closed."""
    db.execute("DELETE FROM receivers")


def polled(
    source: str,
    at: int,
    now: int,
    error: str,
    db: sqlite3.Connection,
    *,
    complete: bool,
    shortfall: Shortfall | None = None,
) -> None:
    """Note the end of a walk: `at` is for people, `now` for deadlines. One that failed leaves the last good time."""
    db.execute(
        "INSERT INTO sources (name, last_poll, error) VALUES (?1, CASE WHEN ?3 = '' THEN ?2 END, ?3)"
        " ON CONFLICT (name) DO UPDATE SET last_poll = coalesce(excluded.last_poll, last_poll), error = excluded.error",
        (source, at, error),
    )
    if shortfall is not None:
        _keep(source, shortfall, db)
    if complete:
        lookup_first.walked(source, now, db)


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Shortfall).decode


def _keep(source: str, shortfall: Shortfall, db: sqlite3.Connection) -> None:
    """Store the shortfall of the last poll of `source`, which has a row."""
    text = _encode(shortfall).decode()
    db.execute("UPDATE sources SET shortfall = ?2 WHERE name = ?1 AND shortfall <> ?2", (source, text))


def shortfalls(db: sqlite3.Connection) -> Mapping[str, Shortfall]:
    """Return, by source, what the last poll could not see, where there is something."""
    rows = db.execute("SELECT name, shortfall FROM sources WHERE shortfall <> ''").fetchall()
    return {name: _decode(text) for name, text in rows}
