"""A journal full of orders that wait: for their delivery, a look-up, a person, or their acknowledgement."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

from connector.journal.engine.migrations import migrate
from tests.benchmarks.feeds import FIRST_ID, Feed

__all__ = ["CAUSE", "SHARES", "fill", "waiting"]

CAUSE = "conflict at warehouse"
"""The cause of the held ones."""
SHARES = {"new": 10, "ready": 1, "in_doubt": 2, "held": 3, "untold": 3, "ack_in_doubt": 1}
"""Of twenty orders, the number in each state; they take turns, so that every part of the journal has all of them."""
OF = sum(SHARES.values())
KINDS = [kind for kind, share in SHARES.items() for _ in range(share)]
YEAR = 365 * 24 * 3600 * 1000

DELIVERY = {
    "new": ("new", 0, 0, None, None),
    "ready": ("ready", 1, 0, None, "503, and provably not applied"),
    "in_doubt": ("in_doubt", 1, 0, None, "the answer was lost"),
    "held": ("held", 1, 0, CAUSE, "two records under one id"),
    "untold": ("delivered", 1, 0, None, None),
    "ack_in_doubt": ("delivered", 1, 0, None, None),
}
"""State, attempts, when it is due, cause and detail."""
SAID = {"ready": "not sent", "in_doubt": "in doubt", "held": "held"}
"""The history's word for each of them."""


def waiting(path: Path, rows: int, shape: str = "patch") -> None:
    """Make a journal of `rows` orders of `shape`, none at its end; their ids are those of a `Feed`, in its order."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = OFF")
        db.execute("PRAGMA synchronous = OFF")
        migrate(db)
        fill(db, rows, shape)


def fill(db: sqlite3.Connection, rows: int, shape: str = "patch") -> None:
    """Put `rows` such orders into an empty journal."""
    feed, now = Feed(shape, 0), time.time_ns() // 1_000_000
    with db:
        db.execute("BEGIN")
        db.executemany(
            "INSERT INTO orders (key, source, order_id, external_id, revision, found_at, updated_at, ack_state,"
            " ack_outcome, ack_message, ack_at, ack_next, ack_attempts)"
            " VALUES (?1, 'feed', ?2, 'feed-' || ?2, lower(hex(randomblob(16))), ?3, ?3, ?4, ?5, ?6, ?7, 0, ?8)",
            (_order(order, now - YEAR // 4 + order) for order in range(rows)),
        )
        db.executemany(
            "INSERT INTO payloads (key, raw) VALUES (?, ?)", ((order + 1, feed.text(order)) for order in range(rows))
        )
        db.executemany(
            "INSERT INTO deliveries (key, receiver, state, attempts, next_try_at, cause, detail, payload_hash,"
            " intent_at, receipt, reference, delivered_at) VALUES (?1, 'warehouse', ?2, ?3, ?4, ?5, ?6,"
            " iif(?3, randomblob(32), NULL), iif(?3, ?7, NULL),"
            " iif(?2 = 'delivered', printf('00000000-0000-4000-8000-%012d', ?1), NULL),"
            " iif(?2 = 'delivered', 'ORD' || ?1, NULL), iif(?2 = 'delivered', ?7, NULL))",
            ((order + 1, *DELIVERY[KINDS[order % OF]], now - YEAR // 4 + order) for order in range(rows)),
        )
        db.executemany(
            "INSERT INTO history (key, at, what, detail) VALUES (?, ?, ?, 'warehouse: said so')",
            (
                (order + 1, now - YEAR // 4 + order, SAID[kind])
                for order in range(rows)
                if (kind := KINDS[order % OF]) in SAID
            ),
        )
        # As a run leaves it that was ended in good order, after a walk over the feed.
        db.execute("INSERT INTO lookup_first (source, receiver, kind) VALUES ('feed', 'warehouse', 'replay')")


def _order(order: int, at: int) -> tuple[object, ...]:
    kind = KINDS[order % OF]
    states = {"untold": ("pending", 0), "ack_in_doubt": ("in_doubt", 1)}
    if kind not in states:
        return order + 1, str(FIRST_ID + order), at, "none", None, None, None, 0
    state, attempts = states[kind]
    return order + 1, str(FIRST_ID + order), at, state, "exported", f"warehouse: ORD{order + 1}", at, attempts
