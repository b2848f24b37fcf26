"""The table of states, the journal's triggers, and the documented picture say the same."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import product
from typing import get_args

import pytest

from connector.journal.engine.migrations import migrate
from connector.journal.states import (
    ACK_EDGES,
    DELIVERY_EDGES,
    REPORT_EDGES,
    AckState,
    DeliveryState,
    PublicState,
    ReportState,
    allowed,
)

DELIVERY_STATES: tuple[DeliveryState, ...] = get_args(DeliveryState)
ACK_STATES: tuple[AckState, ...] = get_args(AckState)


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    """Make a journal's tables."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as made:
        migrate(made)
        yield made


def put_delivery(db: sqlite3.Connection, state: str, key: int = 1) -> None:
    """Insert an order with a delivery in `state`; no trigger watches that."""
    db.execute(
        "INSERT OR IGNORE INTO orders (key, source, order_id, external_id, revision, found_at, updated_at)"
        " VALUES (?1, 'shop', ?1, ?1, 'a', 0, 0)",
        (key,),
    )
    (others,) = db.execute("SELECT count(*) FROM deliveries").fetchone()
    db.execute(
        "INSERT INTO deliveries (key, receiver, state, receipt, cause) VALUES (?, ?, ?, 'id', 'cause')",
        (key, f"wms-{others}", state),
    )


def put_ack(db: sqlite3.Connection, state: str, outcome: str = "exported") -> None:
    """Insert an order with an acknowledgement in `state`."""
    db.execute(
        "INSERT INTO orders (key, source, order_id, external_id, revision, found_at, updated_at, ack_state,"
        " ack_outcome, ack_message, ack_at) VALUES (1, 'shop', '1', 'shop-1', 'a', 0, 0, ?, ?, 'wms: R1', 0)",
        (state, outcome),
    )


def goes(db: sqlite3.Connection, statement: str, state: str) -> bool:
    """Return True if the database lets this happen."""
    try:
        db.execute(statement, (state,))
    except sqlite3.IntegrityError as exc:
        if "cannot go this way" not in str(exc):
            raise
        return False
    return True


@pytest.mark.parametrize(("before", "after"), list(product(DELIVERY_STATES, repeat=2)))
def test_a_delivery_goes_the_ways_of_the_table_and_no_other(
    db: sqlite3.Connection, before: DeliveryState, after: DeliveryState
) -> None:
    """Every pair of states, tried: not even a wrong build can take another way than `DELIVERY_EDGES`."""
    put_delivery(db, before)
    assert goes(db, "UPDATE deliveries SET state = ?", after) == allowed(before, after)
    assert allowed(before, after) == (before == after or after in DELIVERY_EDGES[before])


@pytest.mark.parametrize(("before", "after"), list(product(ACK_STATES, repeat=2)))
def test_an_acknowledgement_goes_the_ways_of_the_table_and_no_other(
    db: sqlite3.Connection, before: AckState, after: AckState
) -> None:
    """Every pair of states, tried, with a failure; an export is not withdrawn."""
    put_ack(db, before, "failed")
    assert goes(db, "UPDATE orders SET ack_state = ?", after) == (before == after or after in ACK_EDGES[before])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("new", "ready"),
        ("ready", "intent"),
        ("intent", "delivered"),
        ("intent", "ready"),  # provably not sent
        ("intent", "rejected"),
        ("intent", "in_doubt"),
        ("in_doubt", "delivered"),  # adopted
        ("in_doubt", "held"),  # more than one match, cancelled, mismatch
        ("in_doubt", "intent"),  # the look-up found nothing
        ("new", "held"),  # cannot be mapped
        ("new", "cancelled"),
        ("ready", "cancelled"),
        ("rejected", "new"),  # corrected, or released
        ("held", "new"),
        ("new", "vanished"),
        ("ready", "vanished"),
        ("held", "vanished"),
        ("rejected", "vanished"),
    ],
)
def test_the_documented_ways_are_there(before: DeliveryState, after: DeliveryState) -> None:
    """Those of the picture in faults.md 4.2."""
    assert allowed(before, after)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("in_doubt", "new"),
        ("in_doubt", "ready"),  # a doubt is not ended by a guess
        ("intent", "new"),
        ("intent", "cancelled"),  # it may be there
        ("intent", "vanished"),
        ("in_doubt", "cancelled"),
        ("in_doubt", "vanished"),
        ("in_doubt", "skipped"),
        ("held", "intent"),  # released first
        ("held", "delivered"),
        ("rejected", "intent"),
        *(("delivered", state) for state in DELIVERY_STATES if state != "delivered"),
    ],
)
def test_the_ways_that_lose_or_double_an_order_are_not(before: DeliveryState, after: DeliveryState) -> None:
    """Nothing leaves `delivered`; nothing leaves doubt but by an answer (faults.md S9, 4.5)."""
    assert not allowed(before, after)


def test_the_documented_ways_of_an_acknowledgement() -> None:
    """Those of faults.md 4.2, and the ways for an order that a source lists again, or a person releases or settles."""
    assert ACK_EDGES == {
        "none": {"pending"},
        "pending": {"sending", "confirmed", "parked", "none"},
        "sending": {"confirmed", "pending", "in_doubt", "parked"},
        "in_doubt": {"confirmed", "pending", "parked"},
        "confirmed": {"pending", "parked"},
        "parked": {"pending", "confirmed"},
    }


def test_an_export_that_is_due_stays_due(db: sqlite3.Connection) -> None:
    """Only a failure is withdrawn: the source is notified of an order that the receiver has."""
    put_ack(db, "pending")
    assert not goes(db, "UPDATE orders SET ack_state = ?", "none")


@pytest.mark.fault(99)
@pytest.mark.parametrize("outcome", ["failed", None])
@pytest.mark.parametrize("state", [state for state in ACK_STATES if state != "none"])
def test_nothing_follows_an_export(db: sqlite3.Connection, state: AckState, outcome: str | None) -> None:
    """In no state of the acknowledgement does an exported order become a failed one; the other way is open."""
    put_ack(db, state)
    with pytest.raises(sqlite3.IntegrityError, match="nothing follows an export"):
        db.execute("UPDATE orders SET ack_outcome = ?", (outcome,))
    db.execute("DELETE FROM orders")
    put_ack(db, state, "failed")
    db.execute("UPDATE orders SET ack_outcome = 'exported'")


def test_a_receipt_stays(db: sqlite3.Connection) -> None:
    """A second one is refused, and so is none; the same again is harmless."""
    put_delivery(db, "delivered")
    db.execute("UPDATE deliveries SET receipt = 'id'")
    for other in ("other", None):
        with pytest.raises(sqlite3.IntegrityError):
            db.execute("UPDATE deliveries SET receipt = ?", (other,))


SECOND_ROW = (
    "INSERT INTO orders (key, source, order_id, external_id, revision, found_at, updated_at)"
    " VALUES (2, 'shop', '1', 'x', 'a', 0, 0)"
)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE deliveries SET state = 'delivered', receipt = NULL",
        "UPDATE deliveries SET state = 'held', cause = NULL",
        "UPDATE deliveries SET state = 'skipped', cause = NULL",
        "UPDATE deliveries SET state = 'lost'",
        "UPDATE orders SET ack_state = 'pending'",
        "UPDATE orders SET ack_state = 'lost'",
        "UPDATE orders SET ack_outcome = 'perhaps'",
        "UPDATE orders SET revision = NULL",
        "UPDATE deliveries SET key = 99",
        SECOND_ROW,
    ],
)
def test_a_row_that_makes_no_sense_is_refused(db: sqlite3.Connection, statement: str) -> None:
    """A receipt for a delivered order, a cause for a held one, an outcome for an acknowledged one; one row an order."""
    db.execute("PRAGMA foreign_keys = ON")
    db.execute(
        "INSERT INTO orders (key, source, order_id, external_id, revision, found_at, updated_at)"
        " VALUES (1, 'shop', '1', 'shop-1', 'a', 0, 0)"
    )
    db.execute("INSERT INTO deliveries (key, receiver, state) VALUES (1, 'wms', 'new')")
    with pytest.raises(sqlite3.IntegrityError):
        db.execute(statement)


@pytest.mark.parametrize(
    ("states", "ack", "outcome", "public"),
    [
        (["new"], "none", "exported", "new"),
        (["ready"], "none", "exported", "delivering"),
        (["intent"], "none", "exported", "delivering"),
        (["in_doubt"], "none", "exported", "in_doubt"),
        (["delivered"], "pending", "exported", "delivered"),
        (["delivered"], "in_doubt", "exported", "delivered"),
        (["delivered"], "confirmed", "exported", "acknowledged"),
        (["delivered"], "parked", "exported", "held"),
        (["delivered", "held"], "none", "exported", "held"),
        (["delivered", "new"], "none", "exported", "new"),
        (["delivered", "in_doubt"], "none", "exported", "in_doubt"),
        (["rejected", "held"], "none", "exported", "held"),
        (["rejected", "delivered"], "none", "exported", "rejected"),
        (["rejected"], "confirmed", "failed", "rejected"),
        (["new"], "confirmed", "failed", "new"),  # corrected since
        (["in_doubt"], "confirmed", "failed", "in_doubt"),
        (["skipped"], "none", "exported", "skipped"),
        (["cancelled"], "none", "exported", "cancelled"),
        (["vanished"], "none", "exported", "vanished"),
    ],
)
def test_users_see_the_least_advanced_of_an_orders_deliveries(
    db: sqlite3.Connection, states: list[str], ack: str, outcome: str, public: PublicState
) -> None:
    """An order is as far as its slowest receiver, and waits when any of it waits (design.md, section 8)."""
    put_ack(db, ack, outcome)
    for state in states:
        put_delivery(db, state)
    assert db.execute("SELECT key, state FROM order_states").fetchall() == [(1, public)]


def test_every_order_has_a_public_state(db: sqlite3.Connection) -> None:
    """Whatever its deliveries and its acknowledgement are: it is one of the ten, and all ten occur."""
    seen = set()
    for one, two, ack, outcome in product(DELIVERY_STATES, DELIVERY_STATES, ACK_STATES, ("exported", "failed")):
        put_ack(db, ack, outcome)
        for state in (one, two):
            put_delivery(db, state)
        seen |= set(db.execute("SELECT state FROM order_states").fetchall())
        db.execute("DELETE FROM deliveries")
        db.execute("DELETE FROM orders")
    assert {state for (state,) in seen} == set(get_args(PublicState))


@pytest.mark.parametrize(("before", "after"), list(product(get_args(ReportState), repeat=2)))
def test_a_report_goes_the_ways_of_the_table_and_no_other(
    db: sqlite3.Connection, before: ReportState, after: ReportState
) -> None:
    """Every pair of states, tried; an acknowledgement that the source has is not sent again."""
    db.execute(
        "INSERT INTO reports (source, order_id, digest, body, state, made_at, done_at)"
        " VALUES ('shop', '1', x'00', x'00', ?, 0, 0)",
        (before,),
    )
    assert goes(db, "UPDATE reports SET state = ?", after) == (before == after or after in REPORT_EDGES[before])
    assert REPORT_EDGES["confirmed"] == frozenset()
