"""The orders that the feeds list. Each function runs inside a transaction."""

# ruff: noqa: S608 - the SQL is put together from our own words; every value is a parameter.

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime

import msgspec

from connector.journal.engine import bulk
from connector.journal.engine.codec import millis
from connector.journal.engine.store import Table
from connector.journal.records import Arrival, Ingested, Listing, Place, Relisted, RelistPolicy
from connector.journal.tables import acks, changes, lookup_first, payloads, relisted

__all__ = ["MOST", "OrdersTable", "ingest", "vanish", "waiting"]


class OrdersTable(Table):
    """The orders that the feeds list."""

    async def ingest(self, source: str, arrivals: Sequence[Arrival], listing: Listing, now: datetime) -> list[Ingested]:
        """Record a page of a feed, all or nothing; return the answer to each arrival, in order."""
        listed, at = self._store.clock_steps.listed(listing, now), self._store.recorded(now)
        return await self._store.write(lambda db: ingest(source, arrivals, listed, at, db))

    async def relist(self, source: str, orders: Sequence[Relisted], now: datetime) -> list[Ingested]:
        """Store the current listings of orders that wait for a person, and retry those with a different request."""
        at = self._store.recorded(now)
        return await self._store.write(lambda db: payloads.relist(source, orders, at, db))

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


class _Known(msgspec.Struct):
    """An order that the journal holds already."""

    key: int
    revision: str
    ack_state: str
    ack_outcome: str | None
    ack_done_at: int | None
    ack_next: int
    states: frozenset[str]
    version: int
    raw: bytes | None
    none_of_ours: bool
    sent: bool


RETURNED = frozenset({"cancelled", "vanished"})


def ingest(
    source: str, arrivals: Sequence[Arrival], listing: Listing, now: int, db: sqlite3.Connection
) -> list[Ingested]:
    """Take a page in; see `Journal.ingest`."""
    known = _known(db, source, [arrival.order_id for arrival in arrivals])
    (last,) = db.execute("SELECT coalesce(max(key), 0) FROM orders").fetchone()
    answers: list[Ingested] = []
    fresh: list[tuple[int, Arrival]] = []
    listed: dict[str, int] = {}
    for arrival in arrivals:
        if (twice := listed.get(arrival.order_id)) is not None:
            # A page may list an order twice: the first counts. Should they differ, the next walk shows which holds.
            answers.append(Ingested(twice, "known"))
            continue
        row = known.get(arrival.order_id)
        if row is None:
            last += 1
            fresh.append((last, arrival))
            answers.append(Ingested(last, "new"))
        else:
            answers.append(_again(db, source, row, arrival, listing, now))
        listed[arrival.order_id] = answers[-1].key
    _insert(db, source, fresh, now)
    rejected = {key for key, arrival in fresh if arrival.state == "rejected"}
    answers = [_told(db, each, now) if each.key in rejected else each for each in answers]
    return lookup_first.apply(source, answers, db, replayed=listing.replayed)


def _told(db: sqlite3.Connection, answer: Ingested, now: int) -> Ingested:
    """Make it due to tell the source of an order that failed for good."""
    return Ingested(answer.key, answer.what, acks.failed_due(db, answer.key, now))


def _known(db: sqlite3.Connection, source: str, order_ids: Sequence[str]) -> dict[str, _Known]:
    rows = bulk.select_keys(
        db,
        "SELECT order_id, key, revision, ack_state, ack_outcome, ack_done_at, ack_next,"
        " (SELECT group_concat(DISTINCT state) FROM deliveries d WHERE d.key = o.key), payload_version,"
        " (SELECT raw FROM payloads p WHERE p.key = o.key),"
        " EXISTS (SELECT 1 FROM deliveries d WHERE d.key = o.key AND state = 'skipped'"
        " AND cause <> 'skipped by a person'),"
        " EXISTS (SELECT 1 FROM deliveries d WHERE d.key = o.key"
        " AND (state = 'intent' OR (state = 'in_doubt' AND attempts > 0)))"
        " FROM orders o WHERE source = ? AND order_id IN ({})",
        order_ids,
        source,
    )
    return {
        order_id: _Known(
            key=key,
            revision=revision,
            ack_state=ack_state,
            ack_outcome=outcome,
            ack_done_at=done_at,
            ack_next=told_at,
            states=frozenset((states or "").split(",")),
            version=version,
            raw=raw,
            none_of_ours=bool(skipped),
            sent=bool(sent),
        )
        for order_id, key, revision, ack_state, outcome, done_at, told_at, states, version, raw, skipped, sent in rows
    }


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


def _again(db: sqlite3.Connection, source: str, row: _Known, arrival: Arrival, listing: Listing, now: int) -> Ingested:
    """Decide about an order that the journal holds already and that is listed again."""
    same = row.revision == arrival.revision
    if row.states <= {"delivered"} and arrival.state == "new" and not arrival.cancelled:
        _hold_cancellation(db, row.key, now)
    new = not same or (row.states <= {"delivered"} and _changed_back(db, row.key, arrival.revision))
    if row.states <= {"delivered"} and new and _amend(db, row.key, arrival, listing, now):
        return Ingested(row.key, "amended")
    if row.ack_state == "confirmed" and row.ack_outcome == "exported":
        if not listing.exported and row.ack_done_at is not None:
            told = relisted.Told(row.ack_done_at, row.ack_next)
            if relisted.believed(row.key, told, _asked(listing), listing.again, db):
                return _listed_again(db, row.key, source, listing.again, now)
        return Ingested(row.key, "known")
    if same:
        back = row.states & RETURNED and arrival.state != "cancelled"  # that one may be listed for ever
        return _renew(db, row.key, arrival, now, _TAKE_BACK) if back else _follow(db, row, arrival, now)
    if payloads.telling_failure(row.ack_state, row.ack_outcome):
        # The source is about to hear that the old revision failed; a later walk brings the new one.
        return Ingested(row.key, "known")
    # What is only looked up first was never sent from here: if it is not there, it is sent as it is listed now.
    frozen = row.sent or ("in_doubt" in row.states and arrival.state != "new")
    if row.states & {"delivered"} or frozen:
        # On its way, or delivered to some: what was sent is what counts; the change is for a person to see.
        _note_once(db, row.key, now, "changed after delivery", arrival.revision)
    if row.states <= {"delivered"} or frozen:
        return Ingested(row.key, "known")
    return _renew(db, row.key, arrival, now, _START_AGAIN)


def _follow(db: sqlite3.Connection, row: _Known, arrival: Arrival, now: int) -> Ingested:
    """Keep what an order is listed as now, which may show what its revision does not cover."""
    same, known = row.raw is None or row.raw == arrival.raw, Ingested(row.key, "known")
    if same or "intent" in row.states or payloads.telling_failure(row.ack_state, row.ack_outcome):
        return known
    ours = row.none_of_ours if arrival.state == "new" else not row.states <= {"delivered", arrival.state}
    if ours:  # what it is has changed, and not what is in it: it was none of ours, or is not any more
        return _renew(db, row.key, arrival, now, _START_AGAIN)
    if row.states & payloads.WAITING_FOR_A_PERSON and arrival.state == "new":
        return Ingested(row.key, "known", version=row.version, kept=row.raw)
    payloads.put(row.key, arrival.raw, db)
    return known


def _asked(listing: Listing) -> relisted.Asked:
    if listing.steady is None:
        return relisted.Asked(millis(listing.asked_at))
    asked, began, now = map(millis, listing.steady)
    return relisted.Asked(millis(listing.asked_at), asked, began, now, listing.certain, listing.comparable)


def _changed_back(db: sqlite3.Connection, key: int, revision: str) -> bool:
    """Tell whether an order that is as it was delivered is being brought to another form that it had meanwhile."""
    row = db.execute(
        "SELECT 1 FROM changes WHERE key = ? AND what = 'update' AND state <> 'done' AND revision <> ?", (key, revision)
    ).fetchone()
    return row is not None


REVOKED = "cancelled at the source, and listed since as not cancelled"
"""The reason of a cancellation that nobody may send any more, unless the source lists the order as cancelled again."""


def _hold_cancellation(db: sqlite3.Connection, key: int, now: int) -> None:
    """
    Hold a cancellation that waits, of an order that is listed as not cancelled.

    It is not dropped, because the list may be older than the one that showed the cancellation. One that is on its way
    ends as it will.
    """
    held = db.execute(
        "UPDATE changes SET state = 'held', reason = ?"
        " WHERE key = ? AND what = 'cancel' AND state = 'due' AND sending = 0",
        (REVOKED, key),
    ).rowcount
    if held:
        db.execute("INSERT INTO history (key, at, what, detail) VALUES (?, ?, 'cancel held', ?)", (key, now, REVOKED))


def _amend(db: sqlite3.Connection, key: int, arrival: Arrival, listing: Listing, now: int) -> bool:
    """Make due what is to be done about a delivered order that is different now; tell whether anything is, for once."""
    what = "cancel" if arrival.state == "cancelled" or arrival.cancelled else "update"
    policy = listing.on_cancel if what == "cancel" else listing.on_change
    seen = db.execute(
        "SELECT 1 FROM changes WHERE key = ? AND what = ? AND revision = ?", (key, what, arrival.revision)
    ).fetchone()
    if seen:
        revived = db.execute(
            "UPDATE changes SET state = 'due', reason = NULL"
            " WHERE key = ? AND what = 'cancel' AND what = ? AND state = 'held' AND reason = ?",
            (key, what, REVOKED),
        ).rowcount
        return revived > 0
    said = "cancelled after delivery" if what == "cancel" else "changed after delivery"
    _note_once(db, key, now, said, arrival.revision)
    if policy == "ignore":
        return False
    payloads.put(key, arrival.raw, db)
    why = arrival.cause or (f"{said}, and on_{'cancel' if what == 'cancel' else 'change'} is hold")
    for (receiver,) in db.execute("SELECT receiver FROM deliveries WHERE key = ?", (key,)).fetchall():
        changes.put(key, receiver, what, arrival.revision, db)
        if policy == "hold" or arrival.state not in ("new", "cancelled"):
            db.execute(
                "UPDATE changes SET state = 'held', reason = ? WHERE key = ? AND receiver = ? AND what = ?",
                (why, key, receiver, what),
            )
    return True


_TAKE_BACK = (
    "UPDATE deliveries SET state = 'new', cause = NULL, detail = NULL, next_try_at = 0"
    " WHERE key = ? AND state IN ('cancelled', 'vanished')"
)
_START_AGAIN = (
    # What was tried before and left to a person may be there: only a look-up may let it be created again.
    "UPDATE deliveries SET state = CASE WHEN state = 'held' AND attempts > 0 THEN 'in_doubt' ELSE 'new' END,"
    " cause = NULL, detail = NULL, next_try_at = 0"
    " WHERE key = ? AND state IN ('new', 'ready', 'held', 'rejected', 'skipped', 'cancelled', 'vanished')"
    # What may be at an account that the settings do not name any more stays with the person who has it.
    " AND NOT (state = 'held' AND cause = receiver || ' is another account')"
)


_LEAVE_DOUBTS = (
    # What is not to be delivered any more and may be there stays with the person who has it.
    "UPDATE deliveries SET state = 'new', cause = NULL, detail = NULL, next_try_at = 0"
    " WHERE key = ? AND (state IN ('new', 'ready', 'rejected', 'skipped', 'cancelled', 'vanished')"
    " OR (state = 'held' AND attempts = 0))"
)


def _renew(db: sqlite3.Connection, key: int, arrival: Arrival, now: int, step: str) -> Ingested:
    """Put a new revision in the place of one that was not delivered; what was delivered elsewhere stays so."""
    db.execute("UPDATE orders SET revision = ?, updated_at = ? WHERE key = ?", (arrival.revision, now, key))
    version = payloads.put(key, arrival.raw, db)
    db.execute(_LEAVE_DOUBTS if step is _START_AGAIN and arrival.state != "new" else step, (key,))
    if arrival.state != "new":
        db.execute(
            "UPDATE deliveries SET state = ?, cause = ?, detail = ?, unfit = ? WHERE key = ? AND state = 'new'",
            (arrival.state, arrival.cause, arrival.detail, arrival.unfit, key),
        )
    acks.withdraw_failures([key], now, db)
    db.execute(
        "INSERT INTO history (key, at, what, detail) VALUES (?, ?, 'changed at the source', ?)",
        (key, now, arrival.revision),
    )
    told = acks.failed_due(db, key, now) if arrival.state == "rejected" else None
    return Ingested(key, "changed", told, version=version)


def _listed_again(db: sqlite3.Connection, key: int, source: str, again: RelistPolicy, now: int) -> Ingested:
    """Make it due to tell the source again of an order that it had confirmed, or leave it to a person."""
    why = relisted.note(key, source, again, now, db)
    if why:
        db.execute(
            "UPDATE orders SET ack_state = 'parked', ack_reason = ?, updated_at = ? WHERE key = ?", (why, now, key)
        )
        said = why
    else:
        db.execute(
            # Its attempts go on counting: the source may answer that all is well, and do nothing, for ever.
            "UPDATE orders SET ack_state = 'pending', ack_next = 0, ack_moved = 0, updated_at = ? WHERE key = ?",
            (now, key),
        )
        said = "the source had confirmed it; it is told again"
    db.execute("INSERT INTO history (key, at, what, detail) VALUES (?, ?, 'listed again', ?)", (key, now, said))
    return Ingested(key, "left" if why else "reacknowledge")


def _note_once(db: sqlite3.Connection, key: int, now: int, what: str, detail: str) -> None:
    db.execute(
        "INSERT INTO history (key, at, what, detail) SELECT ?1, ?2, ?3, ?4"
        " WHERE NOT EXISTS (SELECT 1 FROM history WHERE key = ?1 AND what = ?3 AND detail = ?4)",
        (key, now, what, detail),
    )


MOST = 10_000
"""Deliveries that one look goes through: it must not keep the database from its writes for long."""

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
