"""
Deliveries that are done and nothing else, many at once: what nearly all of a journal's writes are.

One row each in `deliveries` and `orders`, as `deliveries.settle` would write them one by one, in one statement each.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import TypeGuard

import msgspec

from connector.ack import Acknowledgement
from connector.journal.engine import bulk
from connector.journal.engine.codec import moment
from connector.journal.records import Delivered, Outcome
from connector.journal.tables import lookup_first

__all__ = ["is_plain", "settle"]

_DELIVERED = (
    "UPDATE deliveries SET state = 'delivered', receipt = v.column3, reference = v.column4, delivered_at = ?,"
    " cause = NULL, detail = NULL FROM (VALUES {}) v"
    " WHERE key = v.column1 AND receiver = v.column2 AND state IN ('new', 'ready', 'intent', 'in_doubt')"
)
_ACK = (
    "UPDATE orders SET ack_state = 'pending', ack_outcome = 'exported', ack_message = v.column2, ack_at = ?,"
    " ack_next = 0, ack_attempts = 0, ack_reason = NULL, updated_at = ? FROM (VALUES {}) v"
    " WHERE key = v.column1 AND ack_state = 'none'"
)
_IDS = (
    f"SELECT count(*) + total(ask = {lookup_first.TOLD}), json_group_object(key, order_id)"  # noqa: S608 - a number
    " FROM deliveries JOIN orders USING (key) WHERE deliveries.key IN ({})"
)
"""
How many deliveries the orders have, more where one may have been told, and the orders' ids by key. Each row would be a
hand-over of the thread's.
"""

_ids = msgspec.json.Decoder(dict[int, str])

Row = tuple[int, str, Delivered]


def is_plain(outcome: Outcome) -> TypeGuard[Delivered]:
    """Tell whether an outcome is a delivery without anything to note or to do after it."""
    return type(outcome) is Delivered and not (outcome.adopted or outcome.attach or outcome.remark)


def settle(rows: Sequence[Row], now: int, db: sqlite3.Connection) -> Mapping[int, Acknowledgement] | None:
    """
    Record deliveries, by key and receiver, and make the acknowledgements due that follow; return those by key.

    Return None, and change nothing, if one of them is not to be delivered (any more), or if an order has another
    receiver, or an acknowledgement, or may have been told: then each has to be looked at by itself.
    """
    deliveries, ids = 0, dict[int, str]()
    for count, found in bulk.select_keys(db, _IDS, [key for key, _, _ in rows]):
        deliveries += count
        ids |= _ids.decode(found)
    if deliveries != len(rows):
        return None
    messages = {key: f"{receiver}: {outcome.reference or outcome.receipt}" for key, receiver, outcome in rows}

    def change() -> int:
        done = [(key, receiver, outcome.receipt, outcome.reference) for key, receiver, outcome in rows]
        return bulk.execute_values(db, _DELIVERED, done, now) + bulk.execute_values(
            db, _ACK, [*messages.items()], now, now
        )

    if not bulk.all_or_nothing(db, 2 * len(rows), change):
        return None
    at = moment(now)
    return {
        key: Acknowledgement(key=key, order_id=ids[key], outcome="exported", at=at, message=message)
        for key, message in messages.items()
    }
