"""Queries about single orders: search by state and cause, and the current state of each."""

# ruff: noqa: S608 - the SQL is put together from our own words; every value is a parameter.

from __future__ import annotations

import json
import sqlite3
from array import array
from collections.abc import Mapping, Sequence
from datetime import datetime
from difflib import get_close_matches
from typing import Any, get_args

import msgspec

from connector.causes import ACK_REFUSED, LISTED_AGAIN, RELISTED
from connector.journal.engine.bulk import chunks, distinct
from connector.journal.engine.codec import moment, moment_or_none, storable
from connector.journal.engine.reader import snapshot
from connector.journal.records import ReportRow
from connector.journal.states import HELD, OPEN, PUBLIC, PublicState, state_of
from connector.journal.tables.relisted import CAUSE

__all__ = ["DeliveryRow", "OrderRow", "chunks", "find", "matching", "orders", "reports", "similar", "sources"]

CANDIDATES = {
    "held": f"o.key IN (SELECT key FROM deliveries WHERE state IN {HELD} AND state = 'held'"
    " UNION ALL SELECT key FROM orders WHERE ack_state = 'parked'"
    " UNION ALL SELECT key FROM changes WHERE state = 'held')",
    "rejected": f"o.key IN (SELECT key FROM deliveries WHERE state IN {HELD} AND state = 'rejected')",
    "in_doubt": f"o.key IN (SELECT key FROM deliveries WHERE state IN {OPEN} AND state = 'in_doubt')",
    "delivering": f"o.key IN (SELECT key FROM deliveries WHERE state IN {OPEN} AND state IN ('intent', 'ready'))",
    "new": f"o.key IN (SELECT key FROM deliveries WHERE state IN {OPEN} AND state = 'new')",
    "skipped": "o.key IN (SELECT key FROM deliveries WHERE state = 'skipped')",
    "cancelled": "o.key IN (SELECT key FROM deliveries WHERE state = 'cancelled'"
    " UNION ALL SELECT key FROM changes WHERE what = 'cancel')",
    "vanished": "o.key IN (SELECT key FROM deliveries WHERE state = 'vanished')",
    "delivered": "o.ack_state NOT IN ('confirmed', 'parked')",
    "acknowledged": "o.ack_state = 'confirmed'",
}
"""Conditions that all orders in a state fulfil, for an index or a short scan."""

assert set(CANDIDATES) == set(get_args(PublicState)), "every state has its candidates"  # noqa: S101 - checked at import


class DeliveryRow(msgspec.Struct, frozen=True, kw_only=True):
    """One delivery; `state` is a public one. `next_try_at` is set while the delivery waits for its time."""

    receiver: str
    state: str
    attempts: int
    receipt: str | None
    reference: str | None
    cause: str | None
    detail: str | None
    next_try_at: datetime | None
    intent_at: datetime | None
    delivered_at: datetime | None


class OrderRow(msgspec.Struct, frozen=True, kw_only=True):
    """
    One order. `cause` is the reason for which it waits or was left out, or else the reason for which a report about it
    is parked (which does not change its state); None if there is none.

    `ack_state` and the fields after it are the acknowledgement's; `acknowledged_at` is the last confirmation.
    """

    key: int
    source: str
    order_id: str
    external_id: str
    revision: str
    state: str
    cause: str | None
    attempts: int
    deliveries: Mapping[str, DeliveryRow]
    found_at: datetime
    updated_at: datetime
    ack_state: str
    ack_outcome: str | None
    ack_message: str | None
    ack_attempts: int
    ack_reason: str | None
    ack_at: datetime | None
    acknowledged_at: datetime | None
    failures: int
    """The failures that were sent to the source (Zendera allows five for an order)."""


def matching(
    db: sqlite3.Connection,
    *,
    source: str | None = None,
    state: str | None = None,
    cause: str | None = None,
    limit: int | None = None,
) -> Sequence[int]:
    """Return the keys of the matching orders, in the order in which they were found; `limit` at most."""
    where, values = ["1"], list[object]()
    if source is not None:
        where.append("o.source = ?")
        values.append(source)
    if cause is not None:
        where.append(
            f"(o.key IN (SELECT key FROM deliveries WHERE state IN {HELD} AND cause = ?"
            f" UNION ALL SELECT key FROM deliveries WHERE state NOT IN {HELD} AND cause = ?)"
            " OR o.key IN (SELECT key FROM changes WHERE state = 'held' AND reason = ?)"
            " OR (o.source, o.order_id) IN (SELECT r.source, r.order_id FROM reports r"
            " WHERE r.state = 'parked' AND r.dropped_at IS NULL AND r.reason = ?)"
            f" OR (o.ack_state = 'parked' AND {CAUSE} = ?))"
        )
        values += [cause, cause, cause, cause, cause]
    if state is not None:
        where.append(f"{CANDIDATES[state]} AND {state_of('o')} = ?")
        values.append(state)
    values.append(-1 if limit is None else limit)
    values = [storable(value) if isinstance(value, str) else value for value in values]
    found = db.execute(
        f"SELECT o.key FROM orders o WHERE {' AND '.join(where)} ORDER BY o.key LIMIT ?",
        values,
    )
    return array("q", (key for (key,) in found))


def sources(db: sqlite3.Connection) -> list[str]:
    """Return the names of the sources that orders are of."""
    return distinct(db, "source", "orders")


def orders(db: sqlite3.Connection, keys: Sequence[int]) -> list[OrderRow]:
    """Return the orders with these keys as they are at this moment, by key."""
    wanted = (json.dumps(list(keys)),)
    with snapshot(db):
        deliveries: dict[int, dict[str, DeliveryRow]] = {}
        for key, receiver, state, *counts, tried, intended, delivered in db.execute(
            f"SELECT key, receiver, {PUBLIC}, attempts, receipt, reference, cause, detail,"
            " nullif(next_try_at, 0) + coalesce((SELECT ahead FROM clock), 0), intent_at, delivered_at"
            " FROM deliveries WHERE key IN (SELECT value FROM json_each(?)) ORDER BY key, receiver",
            wanted,
        ):
            attempts, receipt, reference, cause, detail = counts
            deliveries.setdefault(key, {})[receiver] = DeliveryRow(
                receiver=receiver,
                state=state,
                attempts=attempts,
                receipt=receipt,
                reference=reference or None,
                cause=cause,
                detail=detail or None,
                next_try_at=moment_or_none(tried) if state in ("new", "delivering", "in_doubt") else None,
                intent_at=moment_or_none(intended),
                delivered_at=moment_or_none(delivered),
            )
        rows = db.execute(
            f"SELECT key, source, order_id, external_id, revision, {state_of('o')}, found_at,"
            " max(updated_at, coalesce(ack_done_at, 0),"
            "     coalesce((SELECT max(max(coalesce(intent_at, 0), coalesce(delivered_at, 0)))"
            "               FROM deliveries d WHERE d.key = o.key), 0),"
            "     coalesce((SELECT max(at) FROM history h WHERE h.key = o.key), 0)),"
            " (SELECT reason FROM changes c WHERE c.key = o.key AND c.state = 'held' LIMIT 1),"
            " (SELECT reason FROM reports r WHERE r.source = o.source AND r.order_id = o.order_id"
            "  AND r.state = 'parked' AND r.dropped_at IS NULL ORDER BY id LIMIT 1),"
            " ack_state, ack_outcome, ack_message, ack_attempts, ack_reason, ack_code, ack_at, ack_done_at, failures"
            " FROM orders o WHERE key IN (SELECT value FROM json_each(?)) ORDER BY key",
            wanted,
        ).fetchall()
    return [_order(row, deliveries.get(row[0], {})) for row in rows]


def _order(row: tuple[Any, ...], deliveries: Mapping[str, DeliveryRow]) -> OrderRow:
    (key, source, order_id, external_id, revision, state, found, updated, change, parked, *ack) = row
    ack_state, outcome, message, attempts, reason, code, due, done, failures = ack
    return OrderRow(
        key=key,
        source=source,
        order_id=order_id,
        external_id=external_id,
        revision=revision,
        state=state,
        cause=_cause(state, ack_state, code, deliveries) or change or parked,
        attempts=max((each.attempts for each in deliveries.values()), default=0),
        deliveries=deliveries,
        found_at=moment(found),
        updated_at=moment(updated),
        ack_state=ack_state,
        ack_outcome=outcome,
        ack_message=message,
        ack_attempts=attempts,
        ack_reason=reason,
        ack_at=moment_or_none(due),
        acknowledged_at=moment_or_none(done),
        failures=failures,
    )


def _cause(state: str, ack_state: str, code: str | None, deliveries: Mapping[str, DeliveryRow]) -> str | None:
    """Return the cause of the order's state; that of another delivery if it has none."""
    given = [(each.state != state, each.cause) for each in deliveries.values() if each.cause]
    if ack_state == "parked" and not any(not other for other, _ in given):
        return LISTED_AGAIN if code == RELISTED else ACK_REFUSED
    return min(given)[1] if given else None


def find(db: sqlite3.Connection, source: str, order_id: str) -> OrderRow | None:
    """Return one order by the source's id for it."""
    row = db.execute("SELECT key FROM orders WHERE source = ? AND order_id = ?", (storable(source), storable(order_id)))
    key = row.fetchone()
    found = orders(db, key) if key else []
    return found[0] if found else None


def reports(db: sqlite3.Connection, source: str, order_id: str) -> list[ReportRow]:
    """Return every report about an order, in the order in which they are sent."""
    rows = db.execute(
        "SELECT CASE WHEN state = 'parked' AND dropped_at IS NOT NULL THEN 'skipped' ELSE state END,"
        " body, made_at, done_at, attempts,"
        " CASE next_try_at WHEN 0 THEN made_at ELSE next_try_at + coalesce((SELECT ahead FROM clock), 0) END,"
        " coalesce(reason, '') FROM reports"
        " WHERE source = ? AND order_id = ? ORDER BY id",
        (storable(source), storable(order_id)),
    )
    return [
        ReportRow(
            state=state,
            body=body,
            made_at=moment(made_at),
            done_at=moment_or_none(done_at),
            attempts=attempts,
            next_try_at=moment(next_try_at),
            reason=reason,
        )
        for state, body, made_at, done_at, attempts, next_try_at, reason in rows
    ]


def similar(db: sqlite3.Connection, source: str, order_id: str, limit: int = 3) -> list[tuple[str, str]]:
    """Return orders, as source and id, that are similar to the unknown `order_id` of `source`."""
    source, order_id = storable(source), storable(order_id)
    meant = db.execute(
        "SELECT source, order_id FROM orders WHERE source <> ?1 AND order_id = ?2"
        " UNION SELECT source, order_id FROM orders WHERE external_id = ?2 LIMIT ?3",
        (source, order_id, limit),
    ).fetchall()
    if meant:
        return meant
    # Ids that contain it, and its neighbours by name, which include most typing errors.
    around = [
        name
        for question, values in (
            ("instr(order_id, ?2) AND ?2 <> '' LIMIT 50", (source, order_id)),
            ("order_id >= substr(?2, 1, max(1, length(?2) - 2)) ORDER BY order_id LIMIT 200", (source, order_id)),
            ("order_id < ?2 ORDER BY order_id DESC LIMIT 50", (source, order_id)),
        )
        for (name,) in db.execute(f"SELECT order_id FROM orders WHERE source = ?1 AND {question}", values)
    ]
    return [(source, name) for name in get_close_matches(order_id, dict.fromkeys(around), n=limit)]
