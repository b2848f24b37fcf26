"""The queries of `status`, `orders` and `show`: right, by the indexes, and without a change."""

from __future__ import annotations

import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import combinations_with_replacement, product
from pathlib import Path
from typing import get_args

import pytest

from connector.ack import Confirmed
from connector.clock import SystemClock
from connector.errors import JournalError
from connector.journal.engine.migrations import migrate
from connector.journal.records import Delivered
from connector.journal.sqlite import MemoryJournal, SqliteJournal
from connector.journal.states import AckState, DeliveryState, PublicState, state_of
from connector.journal.views import status as reader
from connector.journal.views.orders import chunks, find, matching, orders, similar
from connector.journal.views.status import ReceiverCounts, SourceCounts, causes, open_reader, status
from connector.journal.views.timeline import timeline
from tests.journal.filled import MISSING, STATES, Filler, fill

AT = datetime(2026, 3, 24, 9, 0, tzinfo=UTC)


async def filled() -> MemoryJournal:
    """Return a journal with an order in every state that the flow can bring about."""
    journal = MemoryJournal()
    await fill(journal, AT)
    return journal


async def test_status() -> None:
    """Every order counts in one state; orders on their way count as public states, and the times are those recorded."""
    journal = await filled()

    found = await journal.read(status)

    shop, warehouse = found.sources["shop"], found.receivers["warehouse"]
    assert Counter(STATES.values()) == dict(shop.orders)
    assert [state for state in get_args(PublicState) if state in shop.orders] == list(shop.orders)
    assert (AT + timedelta(seconds=1), AT + timedelta(seconds=2)) == (shop.untold_since, shop.last_poll)
    assert "the shop answered 502" == shop.error
    deliveries = {"new": 1, "delivering": 2, "in_doubt": 1, "delivered": 4, "held": 2, "rejected": 1, "skipped": 1}
    assert deliveries == dict(warehouse.deliveries)
    assert ("open", "the warehouse is down", AT + timedelta(seconds=2)) == (
        warehouse.breaker,
        warehouse.reason,
        warehouse.since,
    )


async def test_status_of_nothing() -> None:
    """A journal without an order has no counts."""
    with closing(reader.empty()) as db:
        assert reader.Status({}, {}) == status(db)
    assert ({}, None, None) == (SourceCounts().orders, SourceCounts().untold_since, ReceiverCounts().since)


async def test_an_order_that_is_told_again_is_untold_since_then() -> None:
    """An order listed again after its confirmation is untold since that listing, not since the delivery."""
    journal = MemoryJournal()
    shop = Filler(journal, AT)
    await shop.list(shop.arrival("1"))
    await shop.settle("1", Delivered("id", "R"))
    await shop.tell("1", Confirmed())
    assert (await journal.read(status)).sources["shop"].untold_since is None

    shop.at = AT + timedelta(days=3)
    await shop.list(shop.arrival("1"))

    assert AT + timedelta(days=3) == (await journal.read(status)).sources["shop"].untold_since


@pytest.fixture
def every_combination() -> Iterator[sqlite3.Connection]:
    """Yield a journal with an order for every pair of delivery states under every state of the acknowledgement."""
    db = reader.empty()
    pairs = list(combinations_with_replacement(get_args(DeliveryState), 2))
    for key, (ack, pair) in enumerate(product(get_args(AckState), pairs), start=1):
        told = None if ack == "none" else "exported"
        db.execute(
            "INSERT INTO orders (key, source, order_id, external_id, revision, found_at, updated_at,"
            " ack_state, ack_outcome, ack_at, ack_message) VALUES (?, ?, ?, ?, 'r', 0, 0, ?, ?, 0, '')",
            (key, f"s{key % 3}", str(key), f"x-{key}", ack, told),
        )
        db.executemany(
            "INSERT INTO deliveries (key, receiver, state, receipt, cause) VALUES (?, ?, ?, 'id', ?)",
            [(key, f"w{number}", state, f"cause {key % 5}") for number, state in enumerate(pair)],
        )
    yield db
    db.close()


RULES = """
SELECT o.key, CASE
    WHEN d.held THEN 'held'
    WHEN o.ack_state = 'parked' THEN 'held'
    WHEN EXISTS (SELECT 1 FROM changes c WHERE c.key = o.key AND c.state = 'held') THEN 'held'
    WHEN EXISTS (SELECT 1 FROM changes c WHERE c.key = o.key AND c.what = 'cancel' AND c.state = 'done')
        THEN 'cancelled'
    WHEN d.rejected THEN 'rejected'
    WHEN o.ack_state = 'confirmed' AND o.ack_outcome = 'exported' THEN 'acknowledged'
    WHEN d.in_doubt THEN 'in_doubt'
    WHEN d.delivering THEN 'delivering'
    WHEN d.fresh THEN 'new'
    WHEN d.skipped THEN 'skipped'
    WHEN d.cancelled THEN 'cancelled'
    WHEN d.vanished THEN 'vanished'
    ELSE 'delivered'
END
FROM orders o JOIN (
    SELECT key, max(state = 'held') AS held, max(state = 'rejected') AS rejected, max(state = 'in_doubt') AS in_doubt,
        max(state IN ('intent', 'ready')) AS delivering, max(state = 'new') AS fresh,
        max(state = 'skipped') AS skipped, max(state = 'cancelled') AS cancelled, max(state = 'vanished') AS vanished
    FROM deliveries GROUP BY key
) d ON d.key = o.key ORDER BY o.key
"""
"""The rules of an order's public state, over all orders at once."""


def test_the_states_are_those_of_the_rules(every_combination: sqlite3.Connection) -> None:
    """The view `order_states` shows every order in its public state, whatever its parts are."""
    db = every_combination

    said = db.execute(f"SELECT key, {state_of('o')} FROM orders o ORDER BY key").fetchall()  # noqa: S608 - our own words

    assert db.execute(RULES).fetchall() == said
    assert db.execute("SELECT key, state FROM order_states ORDER BY key").fetchall() == said


def test_the_counts_are_those_of_the_view(every_combination: sqlite3.Connection) -> None:
    """Counting only the unusual orders gives the same sums as looking at every order."""
    db = every_combination
    expected: dict[str, Counter[str]] = {}
    for source, state in db.execute("SELECT source, state FROM orders JOIN order_states USING (key)"):
        expected.setdefault(source, Counter())[state] += 1

    assert expected == {name: dict(each.orders) for name, each in status(db).sources.items()}


@pytest.mark.parametrize("state", get_args(PublicState))
def test_a_state_finds_all_its_orders(state: str, every_combination: sqlite3.Connection) -> None:
    """The short cut to the orders in a state leaves none out."""
    db = every_combination
    expected = [key for (key,) in db.execute("SELECT key FROM order_states WHERE state = ? ORDER BY key", (state,))]

    assert expected
    assert expected == list(matching(db, state=state))


def test_filters_go_together(every_combination: sqlite3.Connection) -> None:
    """Source, state and cause narrow each other; the limit takes the first found."""
    db = every_combination
    both = set(matching(db, source="s1")) & set(matching(db, state="held")) & set(matching(db, cause="cause 2"))

    found = matching(db, source="s1", state="held", cause="cause 2")

    assert len(found) > 3
    assert sorted(both) == list(found)
    assert list(found)[:2] == list(matching(db, source="s1", state="held", cause="cause 2", limit=2))


def plan(db: sqlite3.Connection, question: str, *values: object) -> str:
    """Return how SQLite goes about a question."""
    return "\n".join(row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {question}", values))


class Asked(sqlite3.Connection):
    """A connection that records its queries."""

    questions: list[str]

    def execute(self, question: str, values: Sequence[object] = (), /) -> sqlite3.Cursor:  # type: ignore[override]
        """Run the query, and record it."""
        if question.lstrip().startswith("SELECT"):
            self.questions.append(question)
        return super().execute(question, values)


@pytest.mark.parametrize("state", ["held", "rejected", "in_doubt", "delivering", "new"])
def test_what_needs_attention_is_found_by_its_index(state: str) -> None:
    """The few orders that are open or held are found without going through the many that are not."""
    db = sqlite3.connect(":memory:", isolation_level=None, factory=Asked)
    db.questions = []
    migrate(db)
    db.questions.clear()

    matching(db, state=state)

    (question,) = db.questions
    steps = plan(db, question, state, -1).splitlines()
    whole = [step for step in steps if step.startswith("SCAN ") and "INDEX" not in step]
    assert [] == whole, steps
    assert any("deliveries_held" in step or "deliveries_open" in step for step in steps)
    db.close()


async def test_rows() -> None:
    """A row has the order's state and cause, the receipts, and the time of the last thing that happened."""
    journal = await filled()

    rows = {row.order_id: row for row in await journal.read(lambda db: orders(db, matching(db)))}

    assert {name: row.state for name, row in rows.items()} == STATES
    assert {"bare": MISSING, "unfit": MISSING, "refused": "no such article", "quotation": "quotation"} == {
        name: row.cause for name, row in rows.items() if row.cause and name != "parked"
    }
    assert "acknowledgement refused" == rows["parked"].cause
    acked = rows["acked"]
    assert ("shop", "shop-acked", 1) == (acked.source, acked.external_id, acked.attempts)
    assert ("delivered", "id-acked", "R-acked") == (
        acked.deliveries["warehouse"].state,
        acked.deliveries["warehouse"].receipt,
        acked.deliveries["warehouse"].reference,
    )
    times = {"fresh": 0, "sending": 1, "lost": 1, "acked": 2, "parked": 2}
    assert times == {name: (rows[name].updated_at - AT).total_seconds() for name in times}
    assert AT + timedelta(seconds=61) == rows["lost"].deliveries["warehouse"].next_try_at


def test_portions_are_the_whole() -> None:
    """Orders are read in portions that leave out none and repeat none."""
    assert [[1, 2], [3, 4], [5]] == [list(part) for part in chunks([1, 2, 3, 4, 5], 2)]


async def test_causes() -> None:
    """Causes come with the number of orders that wait for each, the most frequent first, by source on request."""
    journal = await filled()

    found = [(each.orders, each.state, each.cause) for each in await journal.read(causes)]

    expected = [(2, "held", MISSING), (1, "held", "acknowledgement refused"), (1, "rejected", "no such article")]
    assert expected == found
    assert found == [(e.orders, e.state, e.cause) for e in await journal.read(lambda db: causes(db, "shop"))]
    assert [] == await journal.read(lambda db: causes(db, "other"))


@pytest.mark.parametrize("cause", [MISSING, "quotation", "acknowledgement refused", "no such article"])
async def test_a_cause_finds_its_orders(cause: str) -> None:
    """Every cause that is shown finds the orders that show it."""
    journal = await filled()
    rows = await journal.read(lambda db: orders(db, matching(db)))

    found = await journal.read(lambda db: matching(db, cause=cause))

    assert [row.key for row in rows if row.cause == cause] == list(found)
    assert found


async def lines(journal: MemoryJournal, order_id: str) -> list[tuple[float, str, str]]:
    """Return an order's timeline: seconds since it was found, event, detail."""

    def read(db: sqlite3.Connection) -> list[tuple[float, str, str]]:
        row = find(db, "shop", order_id)
        assert row is not None
        return [((each.at - AT).total_seconds(), each.what, each.detail) for each in timeline(db, row)]

    return await journal.read(read)


async def test_the_timeline_of_an_order_that_went_through() -> None:
    """Found, intended, delivered, acknowledged: in the order in which it happened, with the receipt."""
    assert [
        (0, "found", "listed by shop"),
        (1, "intent", "warehouse: to be created, attempt 1"),
        (1, "delivered", "warehouse: receipt id-acked, known there as R-acked"),
        (1, "acknowledgement due", "shop is to be told: exported, warehouse: R-acked"),
        (2, "acknowledged", "shop confirmed: exported"),
    ] == await lines(await filled(), "acked")


async def test_the_timeline_of_an_order_that_was_found_there() -> None:
    """A look-up that found the order, and an acknowledgement that was not taken, each have their line and reason."""
    told = [(at, what) for at, what, _ in await lines(await filled(), "told")]
    assert [
        (0, "found"),
        (1, "intent"),
        (1, "found"),
        (1, "delivered"),
        (1, "acknowledgement due"),
        (2, "acknowledgement not taken"),
    ] == told


@pytest.mark.parametrize(
    ("order_id", "last"),
    [
        ("bare", (0, "held", f"warehouse: {MISSING}: the order has no address")),
        ("unfit", (1, "held", f"warehouse: {MISSING}")),
        ("refused", (1, "rejected", "warehouse: no such article")),
        ("lost", (1, "in doubt", "warehouse: the answer was lost")),
        ("waiting", (1, "not sent", "warehouse: could not connect")),
        ("quotation", (0, "skipped", "warehouse: quotation")),
        ("parked", (2, "acknowledgement refused", "the order is not there any more")),
    ],
)
async def test_the_timeline_ends_with_what_is_the_matter(order_id: str, last: tuple[int, str, str]) -> None:
    """The last line of an order that does not go on says why."""
    assert last == (await lines(await filled(), order_id))[-1]


async def test_the_timeline_of_a_corrected_order() -> None:
    """A change at the source has its line, and a hold from before it is shown no more than once."""
    journal = MemoryJournal()
    shop = await fill(journal, AT)
    shop.at = AT + timedelta(hours=1)
    await shop.list(shop.arrival("unfit", revision="r2"))

    found = [what for _, what, _ in await lines(journal, "unfit")]

    assert ["found", "intent", "held", "changed at the source"] == found


async def test_near_misses() -> None:
    """The error for an unknown order names the one that may have been meant."""
    journal = MemoryJournal()
    for source, ids in (("shop", ["10042", "10043", "77001"]), ("depot", ["D-9"])):
        filler = Filler(journal, AT, source)
        await filler.list(*(filler.arrival(order_id) for order_id in ids))

    async def meant(source: str, order_id: str) -> list[tuple[str, str]]:
        return await journal.read(lambda db: similar(db, source, order_id))

    assert [("depot", "D-9")] == await meant("shop", "D-9")
    assert [("shop", "77001")] == await meant("shop", "shop-77001")
    assert {("shop", "10042"), ("shop", "10043")} == set(await meant("shop", "10044"))
    assert ("shop", "10042") in await meant("shop", "0042")
    assert [] == await meant("shop", "x")
    assert [] == await meant("shop", "")


async def test_reading_beside_a_running_connector(tmp_path: Path) -> None:
    """A journal that is in use can be read, shows the committed rows, and cannot be written by its reader."""
    path = tmp_path / "journal.db"
    journal = await SqliteJournal.open(path, SystemClock())
    try:
        await fill(journal, AT)
        with open_reader(path) as db:
            assert len(STATES) == len(matching(db))
            depot = Filler(journal, AT, "depot")
            await depot.list(depot.arrival("1"))
            assert len(STATES) + 1 == len(matching(db))
            with pytest.raises(sqlite3.OperationalError, match="readonly"):
                db.execute("DELETE FROM history")
    finally:
        await journal.aclose()


async def test_reading_after_the_connector_was_killed(tmp_path: Path) -> None:
    """The write-ahead log of a killed process is read as well."""
    journal = await SqliteJournal.open(tmp_path / "journal.db", SystemClock())
    try:
        await fill(journal, AT)
        (tmp_path / "left").mkdir()
        for name in ("journal.db", "journal.db-wal"):
            shutil.copy(tmp_path / name, tmp_path / "left" / name)
    finally:
        await journal.aclose()

    with open_reader(tmp_path / "left" / "journal.db") as db:
        assert Counter(STATES.values()) == dict(status(db).sources["shop"].orders)


async def test_reading_leaves_a_journal_that_the_connector_takes_up_again(tmp_path: Path) -> None:
    """A reader that was the only one changes no byte of the file, and the next start finds all of it."""
    path = tmp_path / "a #1? %20.db"
    journal = await SqliteJournal.open(path, SystemClock())
    await fill(journal, AT)
    await journal.aclose()
    before = path.read_bytes()

    with open_reader(path) as db:
        assert len(STATES) == len(matching(db))

    assert before == path.read_bytes()
    journal = await SqliteJournal.open(path, SystemClock())
    assert len(STATES) == len(await journal.read(matching))
    await journal.aclose()


def test_a_failure_while_reading_is_told_as_ours(tmp_path: Path) -> None:
    """An error of SQLite half-way is a `JournalError`; an error of the caller's own code is raised unchanged."""
    path = tmp_path / "journal.db"
    db = sqlite3.connect(path)
    migrate(db)
    db.close()

    with pytest.raises(JournalError, match="no such table"), open_reader(path) as db:
        db.execute("SELECT * FROM nowhere")
    with pytest.raises(BrokenPipeError), open_reader(path):
        raise BrokenPipeError


async def test_a_value_that_nobody_can_have_written(tmp_path: Path) -> None:
    """A journal that can be read although it is damaged is said to be; an error of ours in a sound one stays ours."""
    path = tmp_path / "connector.db"
    journal = await SqliteJournal.open(path, SystemClock())
    await fill(journal, AT)
    await journal.aclose()
    with pytest.raises(ValueError, match="ours"), open_reader(path) as db:
        raise ValueError("ours")
    declared = _declared(path, lambda sql: sql.replace("STRICT", ""))
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA ignore_check_constraints = ON")
        db.execute("UPDATE orders SET found_at = 'yesterday'")
    _declared(path, lambda _: declared)

    with pytest.raises(JournalError, match="the journal is damaged; restore a backup"), open_reader(path) as db:
        orders(db, matching(db))


@pytest.mark.parametrize("time", [-(10**14), 10**17, -(2**63), 2**63 - 1])
async def test_a_time_that_can_be_none(tmp_path: Path, time: int) -> None:
    """A number of another size passes every check of SQLite's, and is damage all the same."""
    path = tmp_path / "connector.db"
    journal = await SqliteJournal.open(path, SystemClock())
    await fill(journal, AT)
    await journal.aclose()
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("UPDATE orders SET found_at = ?", (time,))

    with (
        pytest.raises(JournalError, match=f"the journal is damaged: it has {time} for a time"),
        open_reader(path) as db,
    ):
        orders(db, matching(db))


def _declared(path: Path, change: Callable[[str], str]) -> str:
    """Change how the table of the orders is declared, behind SQLite's back; return how it was."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        (sql,) = db.execute("SELECT sql FROM sqlite_schema WHERE name = 'orders'").fetchone()
        db.execute("PRAGMA writable_schema = ON")
        db.execute("UPDATE sqlite_schema SET sql = ? WHERE name = 'orders'", (change(sql),))
    return str(sql)
