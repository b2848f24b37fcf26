"""What a person decides about an order that waits for several things."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from connector.journal import holds
from connector.journal.memory import MemoryJournal
from tests.contracts.journal_bench import rows

ORDER = (
    "INSERT INTO orders (key, source, order_id, external_id, revision, found_at, updated_at, ack_state, ack_outcome,"
    " ack_message, ack_at, ack_reason) VALUES (1, 'shop', '1', 'shop-1', 'r', 0, 0, 'parked', ?, 'no street', 0, 'no')"
)
DELIVERY = "INSERT INTO deliveries (key, receiver, state, attempts, cause) VALUES (1, ?, ?, ?, ?)"
STATES = "SELECT receiver, state, ask FROM deliveries ORDER BY receiver"


async def waiting(journal: MemoryJournal, *deliveries: tuple[Any, ...], outcome: str = "failed") -> None:
    """Let an order wait in several ways."""
    await rows(journal, ORDER, outcome)
    for each in deliveries:
        await rows(journal, DELIVERY, *each)


async def decide(journal: MemoryJournal, decision: Any, *arguments: Any) -> Any:
    """Make a decision about the order, as a command does."""
    return await journal.read(lambda db: decision([1], 0, db, *arguments))


async def test_what_is_released_for_a_cause_is_what_waits_for_it() -> None:
    """That another receiver refused the same order, or that the source was not told, is another matter."""
    journal = MemoryJournal()
    await waiting(journal, ("a", "held", 1, "a refuses every order"), ("b", "rejected", 1, "no street"))

    assert await journal.release("a refuses every order", datetime(2026, 11, 21, tzinfo=UTC)) == 1

    assert await rows(journal, STATES) == [("a", "new", 0), ("b", "rejected", 0)]
    assert await rows(journal, "SELECT ack_state FROM orders") == [("parked",)]
    await journal.aclose()


@pytest.mark.parametrize(("outcome", "after"), [("failed", "parked"), ("exported", "pending")])
async def test_no_failure_is_told_of_an_order_that_is_tried_again(outcome: str, after: str) -> None:
    """It may be delivered this time, or be there: what comes of it is told then."""
    journal = MemoryJournal()
    await waiting(journal, ("a", "rejected", 1, "no street"), outcome=outcome)

    assert await decide(journal, holds.retry) == [1]

    assert await rows(journal, "SELECT ack_state FROM orders") == [(after,)]
    await journal.aclose()


@pytest.mark.parametrize(("state", "ask"), [("held", 1), ("ready", 0)])
async def test_what_may_be_there_is_not_forgotten_for_being_skipped(state: str, ask: int) -> None:
    """A newer revision takes the order up again: where it was in doubt, the receiver is asked, or a person."""
    journal = MemoryJournal()
    await waiting(journal, ("a", state, 1, "in doubt at a"))

    assert await decide(journal, holds.skip) == [1]
    assert await rows(journal, STATES) == [("a", "skipped", ask)]

    assert await decide(journal, holds.retry) == [1]  # who does that has looked there
    assert await rows(journal, STATES) == [("a", "new", 0)]
    await journal.aclose()
