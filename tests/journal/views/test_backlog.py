"""
The journal's frequent queries do not go through all the orders that wait in it.

Work is counted in steps of SQLite's machine, so that neither the clock nor a busy machine has a say: a query over ten
times as many orders may not take ten times as many.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime

import pytest

from connector.journal import decisions
from connector.journal.engine.connection import InlineDatabase
from connector.journal.records import LookupRule, Waiting
from connector.journal.sqlite import MemoryJournal
from connector.journal.tables import history as retention
from connector.journal.tables import orders
from connector.journal.views import backlog as unfinished
from tests.benchmarks.waiting import CAUSE, fill

FEW, MANY = 1_000, 10_000
NOW = datetime.now(UTC)
WAITING: tuple[Waiting, ...] = ("in_doubt", "ready", "new")

QUESTIONS: dict[str, Callable[[MemoryJournal], Awaitable[object]]] = {
    "the alarm, every probe and every scrape": lambda journal: journal.acks.oldest(NOW),
    "a drain, twice a second": lambda journal: journal.open_work(),
    "the consumer, for each batch": lambda journal: journal.deliveries.due("warehouse", WAITING, NOW, 64),
    "the consumer, after each batch": lambda journal: journal.deliveries.next_due(
        "warehouse", ("in_doubt", "ready"), NOW
    ),
    "the consumer, before look-ups": lambda journal: journal.lookup_first.due("warehouse", NOW, 100),
    "the acknowledger, when there is more": lambda journal: journal.acks.next_due("feed", NOW),
    "the amender": lambda journal: journal.changes.due("warehouse", NOW, 50),
    "the amender, when there is more": lambda journal: journal.changes.next_due("warehouse"),
    "the reporter": lambda journal: journal.reports.due("feed", NOW, 50),
    "the reporter, when there is more": lambda journal: journal.reports.next_due("feed"),
    "requests": lambda journal: journal.replays.unanswered(),
    "after a walk of this source": lambda journal: journal.orders.waiting("feed", NOW),
    "after a walk of another one": lambda journal: journal.orders.waiting("nobody", NOW),
    "once a minute": lambda journal: journal.history.prune(NOW, 100),
    "a start: what waits for a code": lambda journal: journal.holds.causes("missing code: "),
    "a start: how it was left": lambda journal: journal.recover(NOW, {"warehouse": 60.0}, 300.0),
    "a start: reports": lambda journal: journal.reports.recover(NOW, 60.0, 300.0),
    "a start: under which terms": lambda journal: journal.ack_terms.keep({"feed": ""}),
    "a start: what to look up": lambda journal: journal.lookup_first.begin(
        [LookupRule(source="feed", receiver="warehouse")], NOW
    ),
}


class Filled(MemoryJournal):
    """A journal in which `rows` orders wait, and which counts the steps of SQLite."""

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.steps = 0
        assert isinstance(self.store.database, InlineDatabase)
        fill(self.store.database._db, rows)
        self.store.database._db.set_progress_handler(self._step, 1)

    def _step(self) -> int:
        self.steps += 1
        return 0

    async def cost(self, question: Callable[[MemoryJournal], Awaitable[object]]) -> int:
        """Return the steps that a question takes."""
        before = self.steps
        await question(self)
        return self.steps - before


@pytest.fixture(scope="module")
def filled() -> Iterator[tuple[Filled, Filled]]:
    """Return a journal in which some orders wait, and one with ten times as many."""
    few, many = Filled(FEW), Filled(MANY)
    yield few, many
    for journal in (few, many):
        assert isinstance(journal.store.database, InlineDatabase)
        journal.store.database._db.close()


@pytest.mark.fault(123)
@pytest.mark.parametrize("what", QUESTIONS)
async def test_a_question_costs_the_same_however_much_waits(
    what: str, filled: tuple[Filled, Filled], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A million orders that wait hold up neither a start, nor the writes between which the queries run."""
    monkeypatch.setattr(orders, "MOST", 200)
    monkeypatch.setattr(retention, "WINDOW", 100)
    monkeypatch.setattr(unfinished, "MANY", 100)
    costs = [await journal.cost(QUESTIONS[what]) for journal in filled]

    assert 0 < costs[1] < 1.5 * costs[0] + 200


@pytest.mark.fault(123)
async def test_what_is_in_doubt_is_found_among_much_that_is_not() -> None:
    """The acknowledger looks up the acknowledgements in doubt before each thousand that it sends."""
    journal = Filled(MANY)
    await journal.read(lambda db: db.execute("UPDATE orders SET ack_state = 'pending' WHERE ack_state = 'in_doubt'"))

    assert await journal.cost(lambda journal: journal.acks.due("feed", "in_doubt", NOW)) < 100


@pytest.mark.fault(123)
async def test_the_oldest_is_the_oldest() -> None:
    """By source, of those that were not tried yet, of those that wait for another try, and of those in doubt."""
    journal = MemoryJournal()

    def put(db: sqlite3.Connection) -> None:
        db.executemany(
            "INSERT INTO orders (source, order_id, external_id, revision, found_at, updated_at, ack_state, ack_outcome,"
            " ack_message, ack_at, ack_next, ack_done_at)"
            " VALUES (?1, ?2, ?2, 'a', 0, ?5, ?3, 'exported', 'R', ?4, ?6, ?7)",
            [
                ("a", "fresh", "pending", 5_000, 5_000, 0, None),
                ("a", "tried", "pending", 4_000, 4_000, 70_000, None),
                ("b", "listed again", "pending", 1_000, 6_000, 0, 2_000),
                ("b", "in doubt", "in_doubt", 7_000, 7_000, 9_000, None),
                ("c", "being sent", "sending", 8_000, 8_000, 0, None),
                ("d", "refused", "parked", 1_000, 1_000, 0, None),
                ("e", "told", "confirmed", 1_000, 1_000, 0, 2_000),
            ],
        )

    await journal.read(put)

    assert await journal.acks.oldest(datetime.fromtimestamp(10, UTC)) == {"a": 6.0, "b": 4.0, "c": 2.0}


@pytest.mark.fault(123)
async def test_acknowledgements_are_told_in_the_order_of_their_age() -> None:
    """Whichever order was found first: the one whose acknowledgement has waited longest goes first."""
    journal = MemoryJournal()
    await journal.read(
        lambda db: db.executemany(
            "INSERT INTO orders (source, order_id, external_id, revision, found_at, updated_at, ack_state, ack_outcome,"
            " ack_message, ack_at) VALUES ('a', ?1, ?1, 'a', 0, 0, 'pending', 'exported', 'R', ?2)",
            [("young", 3_000), ("old", 1_000), ("middle", 2_000)],
        )
    )

    due = await journal.acks.due("a", "pending", NOW)

    assert [ack.order_id for ack in due] == ["old", "middle", "young"]


@pytest.mark.fault(35, 123)
async def test_all_that_waits_is_looked_at_part_by_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """From place to place until the end: none of the orders that only wait is left out, none is there twice."""
    monkeypatch.setattr(orders, "MOST", 70)
    journal = Filled(400)
    found: list[str] = []
    part, place = await journal.orders.waiting("feed", NOW)
    looks = 1
    while True:
        found += part
        if place is None:
            break
        part, place = await journal.orders.waiting("feed", NOW, place)
        looks += 1
    wanted = await journal.read(
        lambda db: db.execute(
            "SELECT order_id FROM orders o JOIN deliveries d USING (key) WHERE d.state IN ('new', 'ready', 'held')"
        ).fetchall()
    )

    assert looks == 5
    assert sorted(found) == sorted(order_id for (order_id,) in wanted)


@pytest.mark.fault(118, 123)
async def test_history_that_stays_does_not_hide_what_can_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look goes on where the last one ended, and from the first line again when it has come to the end."""
    monkeypatch.setattr(retention, "WINDOW", 10)
    journal = Filled(100)  # 30 lines, none of an order that is at its end
    await journal.read(
        lambda db: db.executescript(
            "UPDATE orders SET ack_state = 'pending', ack_outcome = 'exported', ack_at = 0, ack_message = ''"
            " WHERE key IN (SELECT key FROM history ORDER BY id DESC LIMIT 2);"
            "UPDATE orders SET ack_state = 'confirmed' WHERE key IN (SELECT key FROM history ORDER BY id DESC LIMIT 2);"
            "UPDATE deliveries SET state = 'delivered', receipt = 'r'"
            " WHERE state <> 'held' AND key IN (SELECT key FROM history ORDER BY id DESC LIMIT 2);"
            "UPDATE deliveries SET state = 'skipped'"
            " WHERE state = 'held' AND key IN (SELECT key FROM history ORDER BY id DESC LIMIT 2);"
        )
    )

    removed = [await journal.history.prune(NOW, 100) for _ in range(8)]

    assert removed[:4] == [0, 0, 2, 0]
    assert sum(removed) == 2


@pytest.mark.fault(123)
async def test_very_many_are_released_in_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    """A code that was missing may have held a million orders: deliveries made meanwhile are written in between."""
    monkeypatch.setattr(decisions, "PORTION", 40)
    journal = Filled(1000)
    before = journal.store.commits.commits

    assert await journal.holds.release(CAUSE, NOW) == 150
    assert journal.store.commits.commits - before == 4
    assert await journal.holds.causes() == []
