"""
The orders as their sources sent them. Until an order is delivered, what is kept of it follows the feed.

The revision of an order covers what every receiver may get to see. A mapping can read more: the vendor's own fields,
the status. So what is kept is replaced whenever the feed shows something else, and what waits for a person is tried
again if that changes its request, which only the mapping can tell (`Producer`). What is being sent keeps what it was
mapped from; what may have been sent is looked up, and sent as it is listed by then if it is not there. A new revision
of such an order waits until that is settled (`arrivals`). Each function runs inside a transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from connector.journal.records import Ingested, Relisted
from connector.journal.tables import acks, lookup_first

__all__ = ["WAITING_FOR_A_PERSON", "is_current", "put", "relist", "telling_failure"]

WAITING_FOR_A_PERSON = frozenset({"held", "rejected"})


def put(key: int, raw: bytes, db: sqlite3.Connection) -> int:
    """Keep what an order is listed as now; return the version that this is."""
    db.execute("INSERT OR REPLACE INTO payloads (key, raw) VALUES (?, ?)", (key, raw))
    (version,) = db.execute(
        "UPDATE orders SET payload_version = payload_version + 1 WHERE key = ? RETURNING payload_version", (key,)
    ).fetchone()
    return int(version)


def is_current(key: int, version: int, db: sqlite3.Connection) -> bool:
    """Tell whether what is kept of an order is still the `version`."""
    found = db.execute("SELECT 1 FROM orders WHERE key = ? AND payload_version = ?", (key, version)).fetchone()
    return found is not None


def telling_failure(ack_state: str, ack_outcome: str | None) -> bool:
    """Tell whether the source is about to hear that the order failed, as it was listed before."""
    return ack_outcome == "failed" and ack_state in ("pending", "sending", "in_doubt")


def relist(source: str, orders: Sequence[Relisted], now: int, db: sqlite3.Connection) -> list[Ingested]:
    """Take in what orders that wait for a person are listed as now; see `Journal.relist`."""
    return lookup_first.apply(source, [_relist(db, each, now) for each in orders], db, replayed=False)


def _relist(db: sqlite3.Connection, order: Relisted, now: int) -> Ingested:
    ack_state, outcome, states = db.execute(
        "SELECT ack_state, ack_outcome, (SELECT group_concat(DISTINCT state) FROM deliveries d WHERE d.key = o.key)"
        " FROM orders o WHERE key = ?",
        (order.key,),
    ).fetchone()
    if not is_current(order.key, order.version, db) or telling_failure(ack_state, outcome):
        return Ingested(order.key, "known")  # the next walk sees it again
    if "intent" in states.split(","):
        return Ingested(order.key, "known")
    version = put(order.key, order.raw, db)
    moved = sum(db.execute(TRY_AGAIN, (order.key, receiver)).rowcount for receiver in order.receivers)
    if not moved:
        return Ingested(order.key, "known")
    acks.withdraw_failures([order.key], now, db)
    db.execute(
        "INSERT INTO history (key, at, what, detail) VALUES (?, ?, 'changed at the source', ?)",
        (order.key, now, f"its request to {', '.join(order.receivers)} is another one now"),
    )
    return Ingested(order.key, "changed", version=version)


TRY_AGAIN = (
    # What was tried before and left to a person may be there: only a look-up may let it be created again.
    "UPDATE deliveries SET state = CASE WHEN state = 'held' AND attempts > 0 THEN 'in_doubt' ELSE 'new' END,"
    " cause = NULL, detail = NULL, next_try_at = 0 WHERE key = ? AND receiver = ? AND state IN ('held', 'rejected')"
    # What may be at an account that the settings do not name any more stays with the person who has it.
    " AND cause <> receiver || ' is another account'"
)
