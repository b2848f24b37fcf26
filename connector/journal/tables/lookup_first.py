"""
The routes on which orders are looked up before their first create. Each function runs inside a transaction.

The kind of a row is the reason: the journal is new (`first`), replaces a lost one (`lost`), was restored from a backup
(`restored`), or the settings require it (`always`). With `replay` only the orders of a replay are looked up: all others
were made after the first complete poll.
"""

# ruff: noqa: S608 - the SQL is put together from our own words; every value is a parameter.

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime

import msgspec

from connector.causes import LOOKED_UP_FIRST, RELISTED, other_account
from connector.journal.engine import clock_steps
from connector.journal.engine.codec import millis
from connector.journal.engine.store import Table
from connector.journal.records import Ingested, LookupRule, OrderAt
from connector.journal.states import OPEN, MayKnow
from connector.journal.tables import acks, history, identity

__all__ = ["LookupFirstTable", "apply", "begin", "due", "walked"]

WHY = {
    "first": "the journal is new",
    "lost": "the journal is new in the place of a lost one",
    "restored": "the journal was restored from a backup",
    "always": "the settings want it (look_up_first)",
    "replay": "it was listed by a replay, and the journal does not know it",
}


class LookupFirstTable(Table):
    """The look-ups that keep gaps in the journal from doubling orders."""

    async def compare_newest(self, receiver: str, orders: Sequence[OrderAt]) -> list[OrderAt]:
        """Compare the journal with the newest orders of ours at a receiver; return those that it never sent there."""
        return await self._store.write(lambda db: identity.compare(receiver, orders, db))

    async def distrust(self) -> bool:
        """Let `begin` treat the journal as a restored one; return False if it is in doubt already."""
        return await self._store.write(identity.distrust)

    async def begin(self, ways: Sequence[LookupRule], now: datetime) -> None:
        """Decide, at a start, which orders are looked up before their first create."""
        comparable = await self._store.write(lambda db: begin(ways, millis(now), db))
        self._store.clock_steps.comparable_from(comparable)

    async def due(self, receiver: str, now: datetime, limit: int) -> list[str]:
        """Return the external ids of up to `limit` deliveries whose look-up is due, the longest waiting first."""
        return await self._store.read(lambda db: due(receiver, millis(now), limit, db))


def begin(ways: Sequence[LookupRule], now: int, db: sqlite3.Connection) -> int:
    """Decide on look-ups at a start; see `LookupFirst.begin`. Returns `clock_steps.comparable`."""
    identity = dict(db.execute("SELECT name, value FROM identity"))
    doubt = identity.get("doubt", "")
    for way in ways:
        _set(way, doubt, now, db, fresh="journal" in identity)
        if doubt == "restored" and way.look_up_first != "never":
            _doubt_what_waits(way, now, db)
    if doubt == "restored":
        clock_steps.comparable_from(now, db)
        # In doubt, as if they had been under way when the process ended: `recover` continues from there.
        once = sorted({way.source for way in ways if not way.ack_idempotent})
        db.executemany(  # An acknowledgement that its source refused may have been accepted since.
            # One that was confirmed and listed again stays with the person: read back, it would look unsent.
            "UPDATE orders SET ack_state = 'pending', ack_attempts = 0 WHERE source = ? AND ack_state = 'parked'"
            " AND coalesce(ack_code, '') <> ?",
            [(source, RELISTED) for source in once],
        )
        db.executemany(
            "UPDATE orders SET ack_state = 'sending'"
            " WHERE source = ? AND ack_state IN ('pending', 'sending', 'in_doubt') AND ack_state = 'pending'",
            [(source,) for source in once],
        )
        db.execute(  # Those under former terms may have had a second effect; the others are sent again at once.
            "UPDATE orders SET ack_state = 'sending' WHERE ack_state = 'pending' AND key IN (SELECT key FROM ack_terms)"
        )
        db.execute("UPDATE reports SET state = 'sending' WHERE state = 'pending'")
    db.execute("DELETE FROM identity WHERE name = 'doubt'")
    for receiver, account in sorted({(way.receiver, way.account) for way in ways if way.account}):
        _account(receiver, account, now, db)
    return clock_steps.comparable(db)


def _set(way: LookupRule, doubt: str, now: int, db: sqlite3.Connection, *, fresh: bool) -> None:
    """Write the row of one route. `fresh`: a source without orders in the journal is new to it."""
    row = db.execute(
        "SELECT kind, until FROM lookup_first WHERE source = ? AND receiver = ?", (way.source, way.receiver)
    ).fetchone()
    settled = now + round(way.settle * 1000)
    if doubt:
        kind, until = doubt, settled
    elif row is not None:
        kind, until = row[0], min(row[1], settled)
    else:
        known = db.execute("SELECT 1 FROM orders WHERE source = ? LIMIT 1", (way.source,)).fetchone()
        kind, until = "first" if fresh and not known else "replay", 0
    if way.look_up_first == "always" and way.can_find:
        kind = "always"
    elif kind == "always":
        kind = "replay"
    # A receiver that recognises a repeat needs no look-up; the source may still have to be queried.
    unasked = kind in ("lost", "restored") or (kind == "replay" and way.idempotent)
    wanted = way.look_up_first != "never" and (way.can_find or unasked)
    if wanted:
        db.execute(
            "INSERT INTO lookup_first (source, receiver, kind, until) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (source, receiver) DO UPDATE SET kind = excluded.kind, until = excluded.until",
            (way.source, way.receiver, kind, until),
        )
    else:
        db.execute("DELETE FROM lookup_first WHERE source = ? AND receiver = ?", (way.source, way.receiver))


def _doubt_what_waits(way: LookupRule, now: int, db: sqlite3.Connection) -> None:
    """Mark the undelivered orders of a restored journal as possibly delivered."""
    settled = now + round(way.settle * 1000)
    values = (settled, WHY["restored"], way.receiver, way.source)
    db.execute(
        f"UPDATE deliveries SET state = 'in_doubt', next_try_at = ?, cause = '{LOOKED_UP_FIRST}', cause_code ="
        " NULL, detail = ?"
        f" WHERE receiver = ? AND state IN {OPEN} AND state IN ('new', 'ready')"
        " AND (SELECT source FROM orders o WHERE o.key = deliveries.key) = ?",
        values,
    )
    # A delivery that is in doubt here may have been tried again since.
    db.execute(
        "UPDATE deliveries SET next_try_at = max(next_try_at, ?)"
        f" WHERE receiver = ? AND state IN {OPEN} AND state = 'in_doubt'"
        " AND (SELECT source FROM orders o WHERE o.key = deliveries.key) = ?",
        (settled, *values[2:]),
    )
    db.execute(
        "UPDATE deliveries SET may_know = ? WHERE receiver = ? AND state <> 'delivered'"
        " AND (SELECT source FROM orders o WHERE o.key = deliveries.key) = ?",
        (MayKnow.SOURCE_TOO, *values[2:]),
    )
    db.execute(  # A due change may have been made since.
        "UPDATE changes SET doubt_until = max(doubt_until, ?1), next_try_at = max(next_try_at, ?1)"
        " WHERE receiver = ?2 AND state = 'due' AND (SELECT source FROM orders o WHERE o.key = changes.key) = ?3",
        (settled, *values[2:]),
    )
    # An order whose failure its source may not know: a newer journal may have delivered it, corrected.
    keys = [key for (key,) in db.execute(_FAILED, values[2:]).fetchall()]
    for state, which in (("new", "rejected"), ("in_doubt", "new")):
        db.executemany(
            f"UPDATE deliveries SET state = ?, next_try_at = ?, cause = '{LOOKED_UP_FIRST}', cause_code = NULL,"
            " detail = ?"
            " WHERE key = ? AND receiver = ? AND state = ?",
            [(state, settled, WHY["restored"], key, way.receiver, which) for key in keys],
        )
    db.execute(  # An order that was unfit in the backup may have been corrected and delivered as well.
        f"UPDATE deliveries SET state = 'in_doubt', next_try_at = ?, cause = '{LOOKED_UP_FIRST}', cause_code ="
        " NULL, detail = ?"
        " WHERE receiver = ? AND unfit = 1 AND state = 'held'"
        " AND (SELECT source FROM orders o WHERE o.key = deliveries.key) = ?",
        values,
    )
    db.executemany(
        "UPDATE orders SET ack_state = 'pending' WHERE key = ? AND ack_state = 'parked'", [(key,) for key in keys]
    )
    acks.withdraw_failures(keys, now, db)


# In the words of the two partial indexes of open and parked acknowledgements.
_FAILED = (
    "SELECT d.key FROM deliveries d WHERE d.receiver = ?1 AND d.required AND d.state = 'rejected' AND d.key IN"
    " (SELECT key FROM orders WHERE source = ?2 AND ack_outcome = 'failed'"
    " AND ack_state IN ('pending', 'sending', 'in_doubt')"
    " UNION ALL SELECT key FROM orders WHERE source = ?2 AND ack_outcome = 'failed' AND ack_state = 'parked')"
)


def _account(receiver: str, account: str, now: int, db: sqlite3.Connection) -> None:
    """Note the account of a receiver; hold the deliveries in doubt at another one."""
    row = db.execute("SELECT account FROM accounts WHERE receiver = ?", (receiver,)).fetchone()
    if row is not None and row[0] == account:
        return
    db.execute(
        "INSERT INTO accounts (receiver, account) VALUES (?, ?)"
        " ON CONFLICT (receiver) DO UPDATE SET account = excluded.account",
        (receiver, account),
    )
    if row is None:
        return
    code, cause = other_account(receiver)
    detail = f"it may have been delivered to {row[0]}, and this is {account}: look there, then retry or skip"
    keys = db.execute(
        # A delivery that was never sent from here is meant for the current account.
        f"SELECT key FROM deliveries WHERE receiver = ? AND state IN {OPEN}"
        " AND (state = 'intent' OR (state = 'in_doubt' AND intent_at IS NOT NULL))",
        (receiver,),
    ).fetchall()
    db.executemany(
        "UPDATE deliveries SET state = 'held', cause = ?, cause_code = ?, detail = ? WHERE key = ? AND receiver = ?",
        [(cause, code, detail, key, receiver) for (key,) in keys],
    )
    history.note_all([(key, now, "held", f"{receiver}: {cause}: {detail}") for (key,) in keys], db)


def apply(source: str, answers: Sequence[Ingested], db: sqlite3.Connection, *, replayed: bool) -> list[Ingested]:
    """Mark new orders of a page as look-up-first where a rule applies; return them with those receivers."""
    rows = db.execute("SELECT receiver, kind, until FROM lookup_first WHERE source = ?", (source,)).fetchall()
    rows = [row for row in rows if replayed or row[1] != "replay"]
    if not rows:
        return list(answers)
    first = tuple(receiver for receiver, _, _ in rows)
    found: list[Ingested] = []
    for answer in answers:
        if answer.what not in ("new", "changed"):
            found.append(answer)
            continue
        db.executemany(
            _CAST,
            [
                (until, WHY[kind], answer.key, receiver, MayKnow.SOURCE_TOO if replayed or until else MayKnow.RECEIVER)
                for receiver, kind, until in rows
            ],
        )
        acks.asked_first(
            answer.ack, [MayKnow.SOURCE_TOO for _, _, until in rows if replayed or until], db
        )  # it failed when it was listed
        found.append(msgspec.structs.replace(answer, look_up=first))
    return found


_CAST = (
    "UPDATE deliveries SET may_know = max(may_know, ?5),"
    " state = CASE state WHEN 'new' THEN 'in_doubt' ELSE state END,"
    " next_try_at = CASE state WHEN 'new' THEN ?1 ELSE next_try_at END,"
    f" cause = CASE state WHEN 'new' THEN '{LOOKED_UP_FIRST}' ELSE cause END,"
    " detail = CASE state WHEN 'new' THEN ?2 ELSE detail END"
    " WHERE key = ?3 AND receiver = ?4 AND state NOT IN ('intent', 'delivered')"
)


def walked(source: str, now: int, db: sqlite3.Connection) -> None:
    """
    Note the end of a complete poll: orders listed from now on were made later than all that the journal lacks.

    Unless look-ups are not reliable yet: an order that has just left the feed may come back, changed, or in a replay.
    """
    db.execute(
        "UPDATE lookup_first SET kind = CASE kind WHEN 'always' THEN kind ELSE 'replay' END, until = 0"
        " WHERE source = ? AND (until > 0 OR kind = 'first') AND until <= ?",
        (source, now),
    )


def due(receiver: str, now: int, limit: int, db: sqlite3.Connection) -> list[str]:
    """Return the due look-ups; see `LookupFirst.due`."""
    rows = db.execute(
        "SELECT o.external_id FROM deliveries d JOIN orders o ON o.key = d.key"
        f" WHERE d.receiver = ? AND d.state IN {OPEN} AND d.state = 'in_doubt'"
        " AND d.next_try_at <= ? ORDER BY d.next_try_at, d.key LIMIT ?",
        (receiver, now, limit),
    )
    return [external_id for (external_id,) in rows]
