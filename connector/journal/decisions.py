"""
The decisions of a person: orders that wait are tried again, or left alone for good.

They come from another process too, while the connector runs (`connector retry`, `skip`): each is one short transaction
of its own (`deciding`), and the running connector sees that the file has changed.
"""

# ruff: noqa: S608 - the SQL is put together from our own words; every value is a parameter.

from __future__ import annotations

import json
import sqlite3
from array import array
from collections.abc import Sequence
from datetime import datetime
from functools import partial

from connector.causes import IN_DOUBT, MAY_EXIST, SKIPPED, SKIPPED_BY_PERSON, SKIPPED_IN_DOUBT
from connector.journal.engine import bulk
from connector.journal.engine.codec import millis, storable
from connector.journal.engine.deciding import deciding
from connector.journal.engine.store import Table
from connector.journal.records import ReplayAnswer
from connector.journal.tables import acks, history, payloads, relisted, replays, reports

__all__ = [
    "PORTION",
    "HeldOrders",
    "causes",
    "deciding",
    "keys_of",
    "millis",
    "replay_answer",
    "request_replay",
    "request_report",
    "retry",
    "skip",
    "still",
    "telling_failure",
]

PORTION = 1000
"""Orders in one transaction, which takes a tenth of a second in which nothing else is written."""


class HeldOrders(Table):
    """The orders that wait for a person."""

    async def causes(self, beginning: str = "") -> list[str]:
        """Return the causes with this beginning for which orders are held."""
        return await self._store.read(lambda db: causes(beginning, db))

    async def release(self, cause: str, now: datetime) -> int:
        """Make every order that is held for `cause` due again; return how many."""
        at = self._store.recorded(now)
        keys = await self._store.read(lambda db: keys_of(None, (), cause, db))
        released = 0
        for part in bulk.chunks(keys, PORTION):
            released += len(await self._store.write(partial(retry, part, at, cause=cause)))
        return released


_OF_CAUSE = f"(ack_reason = ?1 OR {relisted.CAUSE} = ?1)"
"""The condition of a parked acknowledgement with the cause ?1: the shown cause, or the whole reason."""


def keys_of(source: str | None, order_ids: Sequence[str], cause: str | None, db: sqlite3.Connection) -> Sequence[int]:
    """Return the orders that wait for a person: those of `source` that are named, or all that share `cause`."""
    if cause is not None:
        rows = db.execute(
            "SELECT key FROM deliveries WHERE cause = ?1 AND state IN ('held', 'rejected')"
            f" UNION SELECT key FROM orders WHERE ack_state = 'parked' AND {_OF_CAUSE}"
            " UNION SELECT key FROM changes WHERE reason = ?1 AND state = 'held'"
            " UNION SELECT o.key FROM reports r JOIN orders o ON o.source = r.source AND o.order_id = r.order_id"
            " WHERE r.reason = ?1 AND r.state = 'parked' AND r.dropped_at IS NULL",
            (storable(cause),),
        )
        return array("q", (key for (key,) in rows))
    found: list[int] = []
    for order_id in order_ids:
        named = (source, storable(order_id))
        row = db.execute("SELECT key FROM orders WHERE source = ? AND order_id = ?", named).fetchone()
        if row is not None:
            found.append(row[0])
    return found


def still(keys: Sequence[int], cause: str, db: sqlite3.Connection) -> list[int]:
    """Return those of `keys` that wait for `cause` at this moment."""
    rows = db.execute(
        "SELECT value FROM json_each(?2) WHERE"
        " EXISTS (SELECT 1 FROM deliveries WHERE key = value AND cause = ?1 AND state IN ('held', 'rejected'))"
        f" OR EXISTS (SELECT 1 FROM orders WHERE key = value AND ack_state = 'parked' AND {_OF_CAUSE})"
        " OR EXISTS (SELECT 1 FROM changes WHERE key = value AND reason = ?1 AND state = 'held')"
        " OR EXISTS (SELECT 1 FROM orders o JOIN reports r ON r.source = o.source AND r.order_id = o.order_id"
        " WHERE o.key = value AND r.reason = ?1 AND r.state = 'parked' AND r.dropped_at IS NULL)",
        (storable(cause), json.dumps(list(keys))),
    )
    return [key for (key,) in rows]


def retry(keys: Sequence[int], now: int, db: sqlite3.Connection, cause: str | None = None) -> list[int]:
    """
    Make waiting parts of orders due again; return the orders that had some.

    With a `cause`, only the parts that wait for it. A skipped delivery stays so unless nothing else of the order waits:
    it may exist, and a person who releases another part has not looked there.

    An order whose failure is being acknowledged is left alone (`telling_failure`): delivered in that moment, it would
    be reported as failed afterwards.
    """
    asked = None if cause is None else storable(cause)
    late = set(telling_failure(keys, db))
    keys = [key for key in keys if key not in late]
    moved = [key for key in keys if _release(key, asked, now, db) or (cause is None and _take_up_again(key, now, db))]
    history.note_all([(key, now, "released", "") for key in moved], db)
    return moved


def telling_failure(keys: Sequence[int], db: sqlite3.Connection) -> list[int]:
    """Return the orders whose failure is being acknowledged in a call under way."""
    rows = db.execute(
        "SELECT key FROM orders WHERE key IN (SELECT value FROM json_each(?))"
        " AND ack_outcome = 'failed' AND ack_state = 'sending'",
        (json.dumps(list(keys)),),
    )
    return [key for (key,) in rows]


def _release(key: int, asked: str | None, now: int, db: sqlite3.Connection) -> int:
    """Make waiting parts of an order due again, of one cause if given; return how many."""
    count = deliveries = db.execute(
        f"{_DUE_AGAIN} WHERE key = ?1 AND state IN ('held', 'rejected') AND (?2 IS NULL OR cause = ?2)", (key, asked)
    ).rowcount
    if deliveries:
        acks.withdraw_failures([key], now, db)
    told = db.execute(
        # The failure of an order that is tried again is not acknowledged: it may yet be delivered.
        "UPDATE orders SET ack_state = 'pending', ack_next = 0, ack_attempts = 0"
        f" WHERE key = ?2 AND ack_state = 'parked' AND (?1 IS NULL OR {_OF_CAUSE})"
        " AND NOT (ack_outcome = 'failed' AND ?3)",
        (asked, key, deliveries > 0),
    ).rowcount
    if told:
        relisted.forget([key], db)
    count += told
    count += db.execute(
        "UPDATE changes SET state = 'due', next_try_at = doubt_until, attempts = 0, applied = 0, unshown = 0"
        " WHERE key = ?1 AND state = 'held' AND (?2 IS NULL OR reason = ?2)",
        (key, asked),
    ).rowcount
    return (
        count
        + db.execute(f"{_TOLD_AGAIN} AND dropped_at IS NULL AND (?2 IS NULL OR reason = ?2)", (key, asked)).rowcount
    )


def _take_up_again(key: int, now: int, db: sqlite3.Connection) -> int:
    """Make skipped deliveries and reports of an order due again; return how many."""
    count = db.execute(f"{_DUE_AGAIN} WHERE key = ?1 AND state = 'skipped'", (key,)).rowcount
    acks.withdraw_failures([key], now, db)
    return count + db.execute(f"{_TOLD_AGAIN} AND dropped_at IS NOT NULL", (key,)).rowcount


# With a look-up, one precedes a second attempt; without one, the person has looked.
_DUE_AGAIN = (
    "UPDATE deliveries SET state = 'new', cause = NULL, cause_code = NULL, detail = NULL, next_try_at = 0,"
    f" may_know = CASE WHEN cause_code IN ('{MAY_EXIST}', '{IN_DOUBT}', '{SKIPPED_IN_DOUBT}') THEN 0 ELSE may_know END"
)
_SKIP = (
    f"UPDATE deliveries SET state = 'skipped', cause = '{SKIPPED_BY_PERSON}', detail = cause, cause_code ="
    f" CASE WHEN cause_code IN ('{MAY_EXIST}', '{IN_DOUBT}') THEN '{SKIPPED_IN_DOUBT}' ELSE '{SKIPPED}' END,"
    # An order that was tried before may be there; should a newer revision resume it, that is not forgotten.
    " may_know = CASE WHEN state = 'held' AND attempts > 0 THEN 1 ELSE may_know END"
)
_TOLD_AGAIN = (
    "UPDATE reports SET state = 'pending', next_try_at = 0, attempts = 0, dropped_at = NULL"
    " WHERE state = 'parked' AND (source, order_id) = (SELECT source, order_id FROM orders WHERE key = ?1)"
)


def skip(keys: Sequence[int], now: int, db: sqlite3.Connection, cause: str | None = None) -> list[int]:
    """
    Leave waiting parts of orders alone for good; return the orders that had some.

    With a `cause`, only the parts that wait for it.
    """
    moved: list[int] = []
    asked = None if cause is None else storable(cause)
    for key in keys:
        count = db.execute(
            f"{_SKIP} WHERE key = ?1 AND state IN ('held', 'rejected', 'new', 'ready') AND (?2 IS NULL OR cause = ?2)",
            (key, asked),
        ).rowcount
        count += db.execute(
            f"UPDATE changes SET state = 'done', reason = '{SKIPPED_BY_PERSON}', reason_code = NULL"
            " WHERE key = ?1 AND state = 'held' AND (?2 IS NULL OR reason = ?2)",
            (key, asked),
        ).rowcount
        count += db.execute(
            "UPDATE reports SET dropped_at = ?3"
            " WHERE state = 'parked' AND dropped_at IS NULL AND (?2 IS NULL OR reason = ?2)"
            " AND (source, order_id) = (SELECT source, order_id FROM orders WHERE key = ?1)",
            (key, asked, now),
        ).rowcount
        # To skip an export that the source refuses, or lists, is to confirm that the source has it; a person who skips
        # the order for another cause has not looked there.
        known = (
            0
            if count and cause is None
            else db.execute(
                "UPDATE orders SET ack_state = 'confirmed', ack_done_at = coalesce(ack_done_at, ?3), ack_reason"
                " = NULL, ack_code = NULL,"
                " updated_at = ?3 WHERE key = ?2 AND ack_state = 'parked' AND ack_outcome = 'exported'"
                f" AND (?1 IS NULL OR {_OF_CAUSE})",
                (asked, key, now),
            ).rowcount
        )
        if known:
            relisted.leave(key, now, db)
        if count or known:
            moved.append(key)
    payloads.forget(moved, db)
    history.note_all([(key, now, SKIPPED_BY_PERSON, "") for key in moved], db)
    return moved


def request_replay(source: str, since: datetime, now: datetime, db: sqlite3.Connection) -> int:
    """Request a replay of `source` from the running connector; return the number of the request."""
    return replays.add(source, millis(since), millis(now), db)


def replay_answer(request: int, db: sqlite3.Connection) -> ReplayAnswer | None:
    """Return the answer to a request; None while there is none."""
    return replays.answered(request, db)


def request_report(source: str, order_id: str, body: bytes, now: datetime, db: sqlite3.Connection) -> bool:
    """Store a report to be sent by the running connector; return False if the very same one is stored already."""
    return reports.add(source, order_id, body, millis(now), 0, db)


def causes(beginning: str, db: sqlite3.Connection) -> list[str]:
    """Return the causes with this beginning for which orders are held, by one step in the index for each."""
    found: list[str] = []
    row = db.execute(_FIRST_CAUSE, (beginning,)).fetchone()
    while row is not None and row[0].startswith(beginning):
        found.append(row[0])
        row = db.execute(_NEXT_CAUSE, row).fetchone()
    return [cause for cause in found if db.execute(_HOLDS, (cause,)).fetchone()]


_FIRST_CAUSE = "SELECT cause FROM deliveries WHERE state IN ('held', 'rejected') AND cause >= ? ORDER BY cause LIMIT 1"
_NEXT_CAUSE = "SELECT cause FROM deliveries WHERE state IN ('held', 'rejected') AND cause > ? ORDER BY cause LIMIT 1"
_HOLDS = "SELECT 1 FROM deliveries WHERE state IN ('held', 'rejected') AND cause = ? AND state = 'held' LIMIT 1"
