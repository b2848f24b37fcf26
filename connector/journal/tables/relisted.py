"""
The orders that their source had confirmed as exported and lists all the same. Functions run inside a transaction.

Either its list is behind its own answers, or somebody there took the export back, or its answer was a success that
changed nothing. A list counts from `settle` after the confirmation on (assumption A2). Then the acknowledgement is sent
again, at growing intervals, and the order counts as unacknowledged until a complete poll does not list it any more: its
age goes on from the first time, through every confirmation. It is left to a person after the usual number of tries,
and at once where a second acknowledgement would have a second effect (Traede's stock).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from connector.causes import ACK_REFUSED, LISTED_AGAIN, RELISTED
from connector.clock import humanized
from connector.journal.engine.store import Table
from connector.journal.records import RelistPolicy
from connector.journal.tables import history

__all__ = [
    "CAUSE",
    "Asked",
    "RelistedTable",
    "Told",
    "believed",
    "forget",
    "gone",
    "leave",
    "note",
    "of_source",
    "oldest",
]


class RelistedTable(Table):
    """The orders that their source had confirmed and lists all the same."""

    async def of_source(self, source: str, began: datetime, settle: float) -> dict[str, int]:
        """Return the keys, by order id, of those about which a poll that `began` then proves something."""
        steady = self._store.clock_steps
        if not steady.comparable(began, settle):
            return {}
        before = self._store.recorded(began - timedelta(seconds=settle))
        now = self._store.recorded(began if steady.steady is None else steady.steady.now())
        return await self._store.read(lambda db: of_source(source, before, now, db))

    async def not_listed(self, keys: Sequence[int], now: datetime) -> None:
        """Mark such orders as confirmed for good: a complete poll that proves something did not list them."""
        at = self._store.recorded(now)
        await self._store.write(lambda db: gone(keys, at, db))


CAUSE = f"CASE ack_code WHEN '{RELISTED}' THEN '{LISTED_AGAIN}' ELSE '{ACK_REFUSED}' END"
"""The SQL for the cause of a parked acknowledgement in a row of `orders`."""


class Told(NamedTuple):
    """The time of a confirmation: by the machine's clock, and in the time of the process that noted it."""

    at: int
    steady: int


class Asked(NamedTuple):
    """
    The time of the request for a page: by the machine's clock, and in the time of this process, which began then.

    `began` is None where only the machine's clock is known. `certain`: the two clocks agree on records from before this
    process, and since the machine's time `comparable`.
    """

    at: int
    steady: int = 0
    began: int | None = None
    now: int = 0
    certain: bool = True
    comparable: int = 0


def believed(key: int, told: Told, asked: Asked, policy: RelistPolicy, db: sqlite3.Connection) -> bool:
    """Return whether a page proves something about a confirmation; never about one that a person made certain."""
    row = db.execute("SELECT times, parked FROM relisted WHERE key = ?", (key,)).fetchone()
    wait = _millis(policy.wait(row[0] if row else 0))
    if row and row[1]:
        return False
    if asked.began is not None and asked.began <= told.steady <= asked.now:
        return asked.steady > told.steady + wait
    # An earlier process noted the confirmation, so that it is older than this process.
    after = asked.began is not None and asked.steady > asked.began + wait
    return after or (asked.certain and told.at >= asked.comparable and asked.at > told.at + wait)


def leave(key: int, now: int, db: sqlite3.Connection) -> None:
    """Note that a person has confirmed an order, however long it is listed."""
    db.execute(
        "INSERT INTO relisted (key, source, times, since, last_at, parked)"
        " SELECT key, source, 0, ?2, ?2, 1 FROM orders WHERE key = ?1"
        " ON CONFLICT (key) DO UPDATE SET parked = 1",
        (key, now),
    )


def note(key: int, source: str, policy: RelistPolicy, now: int, db: sqlite3.Connection) -> str:
    """Count a repeated listing; return why the order is left to a person, empty if it is acknowledged again."""
    times, since = db.execute(
        "INSERT INTO relisted (key, source, times, since, last_at) VALUES (?1, ?2, 1, ?3, ?3)"
        " ON CONFLICT (key) DO UPDATE SET times = times + 1, last_at = ?3 RETURNING times, since + moved",
        (key, source, now),
    ).fetchone()
    why = ""
    if policy.once:
        why = "telling it again would do something twice there; see whether the source has it, then skip or retry"
    elif policy.tries and times >= policy.tries and now - since >= _millis(policy.patience):
        why = (
            f"its answers were a success {times} times in {humanized((now - since) / 1000)} and changed nothing; "
            "see why it does not take it, then retry, or skip if it has it"
        )
    if why:
        db.execute("UPDATE relisted SET parked = 1 WHERE key = ?", (key,))
        return f"{LISTED_AGAIN}: {why}"
    return ""


def of_source(source: str, before: int, now: int, db: sqlite3.Connection) -> dict[str, int]:
    """
    Return the keys, by order id, of orders of `source` that were listed again and not confirmed since `before`.

    A record later than `now` was made before the clock was set back.
    """
    rows = db.execute(
        "SELECT o.order_id, o.key FROM relisted r JOIN orders o USING (key)"
        " WHERE r.source = ?1 AND o.ack_state IN ('confirmed', 'parked')"
        " AND r.last_at NOT BETWEEN ?2 + 1 AND ?3 AND coalesce(o.ack_done_at, 0) NOT BETWEEN ?2 + 1 AND ?3",
        (source, before, now),
    )
    return dict(rows.fetchall())


def gone(keys: Sequence[int], now: int, db: sqlite3.Connection) -> None:
    """Mark orders that the feed does not list any more as confirmed, also those that were left to a person."""
    for key in keys:
        if not db.execute("DELETE FROM relisted WHERE key = ?", (key,)).rowcount:
            continue
        db.execute(
            "UPDATE orders SET ack_state = 'confirmed', ack_reason = NULL, ack_code = NULL, updated_at = ?"
            " WHERE key = ? AND ack_state = 'parked' AND ack_code = ?",
            (now, key, RELISTED),
        )
        history.note(key, now, "not listed any more", "the source does not list it any more: it knows", db)


def forget(keys: Collection[int], db: sqlite3.Connection) -> None:
    """Forget the listings of orders that a person has decided about, or that their source refuses."""
    db.executemany("DELETE FROM relisted WHERE key = ?", [(key,) for key in keys])


def oldest(source: str, db: sqlite3.Connection) -> int | None:
    """Return the time of the oldest repeated listing; None if there is none."""
    (since,) = db.execute(
        "SELECT min(since + moved) FROM relisted WHERE source = ? AND parked = 0", (source,)
    ).fetchone()
    return int(since) if since is not None else None


def _millis(seconds: float) -> int:
    return round(seconds * 1000)
