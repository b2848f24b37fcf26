"""Decisions of a person about an order that waits for several causes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from connector.causes import IN_DOUBT
from connector.journal import decisions
from connector.journal.sqlite import MemoryJournal
from connector.journal.tables import orders
from tests.contracts.journal_bench import rows

ORDER = (
    "INSERT INTO orders (key, source, order_id, external_id, revision, found_at, updated_at, ack_state, ack_outcome,"
    " ack_message, ack_at, ack_reason) VALUES (1, 'shop', '1', 'shop-1', 'r', 0, 0, ?, ?, 'no street', 0, 'no')"
)
DELIVERY = "INSERT INTO deliveries (key, receiver, state, attempts, cause, cause_code) VALUES (1, ?, ?, ?, ?, ?)"
CHANGE = (
    "INSERT INTO changes (key, receiver, what, revision, state, reason) VALUES (1, 'a', 'update', 'r', 'held', 'no')"
)
REPORT = (
    "INSERT INTO reports (source, order_id, digest, body, state, made_at, reason)"
    " VALUES ('shop', '1', x'00', x'00', 'parked', 0, 'no')"
)
CAUSES = {
    "deliveries": "UPDATE deliveries SET cause = 'the cause'",
    "orders": "UPDATE orders SET ack_reason = 'the cause'",
    "changes": "UPDATE changes SET reason = 'the cause'",
    "reports": "UPDATE reports SET reason = 'the cause'",
}
WAITING = {
    "deliveries": "SELECT state FROM deliveries",
    "orders": "SELECT ack_state FROM orders",
    "changes": "SELECT state FROM changes",
    "reports": "SELECT state, dropped_at FROM reports",
}
STATES = "SELECT receiver, state, may_know FROM deliveries ORDER BY receiver"


async def waiting(journal: MemoryJournal, *deliveries: tuple[Any, ...], outcome: str | None = "failed") -> None:
    """Let an order wait in several ways; without an `outcome`, it has no acknowledgement."""
    await rows(journal, ORDER, "parked" if outcome else "none", outcome)
    for each in deliveries:
        await rows(journal, DELIVERY, *each, *[None] * (5 - len(each)))


async def decide(journal: MemoryJournal, decision: Any, *arguments: Any) -> Any:
    """Make a decision about the order, as a command does."""
    return await journal.read(lambda db: decision([1], 0, db, *arguments))


@pytest.mark.parametrize("table", ["deliveries", "orders", "changes", "reports"])
@pytest.mark.parametrize("decision", [decisions.retry, decisions.skip])
async def test_what_is_decided_about_a_cause_is_about_what_waits_for_it(decision: Any, table: str) -> None:
    """That another receiver refused the same order, or that the source was not notified, is another matter."""
    journal = MemoryJournal()
    await waiting(journal, ("a", "held", 1, "no"))
    await rows(journal, CHANGE)
    await rows(journal, REPORT)
    await rows(journal, CAUSES[table])
    before = {name: await rows(journal, query) for name, query in WAITING.items()}

    moved = await decide(journal, decision, "the cause")

    after = {name: await rows(journal, query) for name, query in WAITING.items()}
    changes = [] if (decision, table) == (decisions.skip, "orders") else [table]  # whom nobody tells cannot be skipped
    assert [name for name in before if after[name] != before[name]] == changes
    assert moved == [1] * len(changes)
    await journal.aclose()


async def test_a_receiver_that_takes_orders_again_releases_its_own() -> None:
    """A rejection by another receiver waits on."""
    journal = MemoryJournal()
    await waiting(journal, ("a", "held", 1, "a rejects every order"), ("b", "rejected", 1, "no street"))

    assert await journal.holds.release("a rejects every order", datetime(2026, 11, 21, tzinfo=UTC)) == 1

    assert await rows(journal, STATES) == [("a", "new", 0), ("b", "rejected", 0)]
    assert await rows(journal, "SELECT ack_state FROM orders") == [("parked",)]
    await journal.aclose()


@pytest.mark.parametrize(("outcome", "after"), [("failed", "parked"), ("exported", "pending")])
async def test_no_failure_is_told_of_an_order_that_is_tried_again(outcome: str, after: str) -> None:
    """It may be delivered this time, or be there: the outcome is acknowledged then."""
    journal = MemoryJournal()
    await waiting(journal, ("a", "rejected", 1, "no street"), outcome=outcome)

    assert await decide(journal, decisions.retry) == [1]

    assert await rows(journal, "SELECT ack_state FROM orders") == [(after,)]
    await journal.aclose()


async def test_no_failure_is_told_of_an_order_that_was_skipped_and_is_taken_up_again() -> None:
    """Skipped, it is one that nobody gets, and its source may be notified; taken up, it may yet be delivered."""
    journal = MemoryJournal()
    await waiting(journal, ("a", "rejected", 1, "no street"))
    await rows(journal, "UPDATE orders SET ack_state = 'pending'")
    assert await decide(journal, decisions.skip) == [1]
    assert await rows(journal, "SELECT ack_state FROM orders") == [("pending",)]

    assert await decide(journal, decisions.retry) == [1]

    assert await rows(journal, STATES) == [("a", "new", 0)]
    assert await rows(journal, "SELECT ack_state, ack_outcome FROM orders") == [("none", None)]
    await journal.aclose()


@pytest.mark.parametrize("other", [None, "orders", "changes", "reports", "deliveries"])
async def test_what_was_skipped_is_left_so_while_something_else_waits(other: str | None) -> None:
    """It may be at its receiver already; who retries the order for another reason has not looked there."""
    journal = MemoryJournal()
    await waiting(
        journal, ("a", "held", 1, "in doubt at a", IN_DOUBT), outcome="exported" if other == "orders" else None
    )
    await rows(journal, REPORT)
    assert await decide(journal, decisions.skip) == [1]
    if other == "changes":
        await rows(journal, CHANGE)
    elif other == "reports":
        await rows(journal, REPORT.replace("x'00'", "x'01'"))
    elif other == "deliveries":
        await rows(journal, DELIVERY, "b", "held", 1, "no street", None)

    assert await decide(journal, decisions.retry) == [1]

    (first, *_) = await rows(journal, "SELECT state FROM deliveries ORDER BY receiver")
    assert first == ("skipped" if other else "new",)
    assert await rows(journal, "SELECT state FROM reports WHERE id = 1") == [("parked" if other else "pending",)]
    assert await rows(journal, "SELECT count(*) FROM reports WHERE state = 'pending'") == [
        (1 if other in (None, "reports") else 0,)
    ]
    await journal.aclose()


@pytest.mark.parametrize(("attempts", "ask"), [(1, 1), (0, 0)])
async def test_what_may_be_there_is_not_forgotten_for_having_vanished(attempts: int, ask: int) -> None:
    """The order may be listed again: where it was tried before, a look-up or a person decides."""
    journal = MemoryJournal()
    await waiting(journal, ("a", "held", attempts, "in doubt at a", IN_DOUBT), outcome=None)

    assert await decide(journal, lambda keys, now, db: orders.vanish(keys, now, db)) == [1]

    assert await rows(journal, STATES) == [("a", "vanished", ask)]
    await journal.aclose()


@pytest.mark.parametrize(("state", "ask"), [("held", 1), ("ready", 0)])
async def test_what_may_be_there_is_not_forgotten_for_being_skipped(state: str, ask: int) -> None:
    """A newer revision takes the order up again: where it was in doubt, a look-up or a person decides."""
    journal = MemoryJournal()
    await waiting(journal, ("a", state, 1, "in doubt at a", IN_DOUBT), outcome=None)

    assert await decide(journal, decisions.skip) == [1]
    assert await rows(journal, STATES) == [("a", "skipped", ask)]

    assert await decide(journal, decisions.retry) == [1]  # who does that has looked there
    assert await rows(journal, STATES) == [("a", "new", 0)]
    await journal.aclose()
