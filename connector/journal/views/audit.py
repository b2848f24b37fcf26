"""Snapshots of the orders that a reconciliation compares, read at one moment."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

import msgspec

from connector.journal.engine.codec import moment, moment_or_none
from connector.journal.engine.reader import snapshot

__all__ = ["KeptDelivery", "OrderSnapshot", "ids", "known", "of_keys", "payload", "polled", "to_audit"]

AT_ONCE = 500
"""Ids in one statement."""
T = TypeVar("T")


class KeptDelivery(msgspec.Struct, frozen=True, kw_only=True):
    """One delivery in the journal. `withdrawn`: it was cancelled at the receiver, or is about to be."""

    receiver: str
    state: str
    required: bool = True
    receipt: str = ""
    reference: str = ""
    cause: str = ""
    next_try_at: datetime | None = None
    intent_at: datetime | None = None
    delivered_at: datetime | None = None
    withdrawn: bool = False


class OrderSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One order in the journal. The times are of the acknowledgement: due since, confirmed at."""

    key: int
    source: str
    order_id: str
    external_id: str
    found_at: datetime
    deliveries: tuple[KeptDelivery, ...]
    ack_state: str = "none"
    ack_outcome: str | None = None
    ack_at: datetime | None = None
    ack_done_at: datetime | None = None
    ack_reason: str = ""


def to_audit(db: sqlite3.Connection, since: datetime, most: int) -> tuple[list[OrderSnapshot], int]:
    """
    Return the orders that are open, held, unacknowledged, or delivered at or after `since`; and how many were left out.

    Of those that are delivered and acknowledged, the `most` latest are returned.
    """
    after = round(since.timestamp() * 1000)
    with snapshot(db):
        open_ones = {
            key
            for (key,) in db.execute(
                "SELECT key FROM deliveries WHERE state IN ('new', 'ready', 'intent', 'in_doubt')"
                " UNION SELECT key FROM deliveries WHERE state IN ('held', 'rejected')"
                " UNION SELECT key FROM orders WHERE ack_state IN ('pending', 'sending', 'in_doubt')"
                " UNION SELECT key FROM orders WHERE ack_state = 'parked'"
            )
        }
        late = db.execute(
            "SELECT key FROM deliveries WHERE state = 'delivered' AND delivered_at >= ?"
            " GROUP BY key ORDER BY max(delivered_at) DESC",
            (after,),
        )
        done = [key for (key,) in late if key not in open_ones]
        return of_keys(db, sorted([*open_ones, *done[:most]])), max(0, len(done) - most)


def known(db: sqlite3.Connection, source: str, order_ids: Sequence[str]) -> list[OrderSnapshot]:
    """Return those of these orders of `source` that the journal has, in any state."""
    keys: list[int] = []
    with snapshot(db):
        for part in _parts(order_ids):
            keys += [
                key
                for (key,) in db.execute(
                    "SELECT key FROM orders WHERE source = ? AND order_id IN (SELECT value FROM json_each(?))",
                    (source, json.dumps(list(part))),
                )
            ]
        return of_keys(db, keys)


def ids(db: sqlite3.Connection, source: str, order_ids: Sequence[str]) -> set[str]:
    """Return the ids of those of these orders of `source` that the journal has."""
    rows = db.execute(
        "SELECT order_id FROM orders WHERE source = ? AND order_id IN (SELECT value FROM json_each(?))",
        (source, json.dumps(list(order_ids))),
    )
    return {order_id for (order_id,) in rows}


def of_keys(db: sqlite3.Connection, keys: Sequence[int]) -> list[OrderSnapshot]:
    """Return the orders with these keys, as they stand at this moment."""
    with snapshot(db):
        return [each for part in _parts(keys) for each in _part(db, json.dumps(list(part)))]


def _part(db: sqlite3.Connection, keys: str) -> Iterator[OrderSnapshot]:
    deliveries: dict[int, list[KeptDelivery]] = {}
    for key, receiver, state, required, receipt, reference, cause, next_try, intent, delivered, withdrawn in db.execute(
        "SELECT key, receiver, state, required, coalesce(receipt, ''), coalesce(reference, ''), coalesce(cause, ''),"
        " nullif(next_try_at, 0) + coalesce((SELECT ahead FROM clock), 0), intent_at, delivered_at,"
        " EXISTS (SELECT 1 FROM changes c WHERE c.key = d.key"
        " AND c.receiver = d.receiver AND c.what = 'cancel' AND c.state <> 'held')"
        " FROM deliveries d WHERE key IN (SELECT value FROM json_each(?)) ORDER BY key, receiver",
        (keys,),
    ):
        deliveries.setdefault(key, []).append(
            KeptDelivery(
                receiver=receiver,
                state=state,
                required=bool(required),
                receipt=receipt,
                reference=reference,
                cause=cause,
                next_try_at=moment_or_none(next_try),
                intent_at=moment_or_none(intent),
                delivered_at=moment_or_none(delivered),
                withdrawn=bool(withdrawn),
            )
        )
    for key, source, order_id, external, found, state, outcome, at, done, reason in db.execute(
        "SELECT key, source, order_id, external_id, found_at, ack_state, ack_outcome,"
        # One that was confirmed and is acknowledged again counts from then on.
        " CASE WHEN ack_done_at IS NULL THEN ack_at ELSE updated_at END + ack_moved, ack_done_at,"
        " coalesce(ack_reason, '')"
        " FROM orders WHERE key IN (SELECT value FROM json_each(?)) ORDER BY key",
        (keys,),
    ):
        yield OrderSnapshot(
            key=key,
            source=source,
            order_id=order_id,
            external_id=external,
            found_at=moment(found),
            deliveries=tuple(deliveries.get(key, ())),
            ack_state=state,
            ack_outcome=outcome,
            ack_at=moment_or_none(at),
            ack_done_at=moment_or_none(done),
            ack_reason=reason,
        )


def payload(db: sqlite3.Connection, key: int) -> bytes | None:
    """Return an order as its source sent it; None if that was removed."""
    row = db.execute("SELECT raw FROM payloads WHERE key = ?", (key,)).fetchone()
    return None if row is None else bytes(row[0])


def polled(db: sqlite3.Connection) -> Mapping[str, datetime]:
    """Return the time of the last successful poll of each source."""
    rows = db.execute("SELECT name, last_poll FROM sources WHERE last_poll IS NOT NULL AND error = ''")
    return {name: moment(at) for name, at in rows}


def _parts(values: Sequence[T]) -> Iterator[Sequence[T]]:
    return (values[start : start + AT_ONCE] for start in range(0, len(values), AT_ONCE))
