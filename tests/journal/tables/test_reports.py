"""Progress reports in the journal, and the statuses from which they are made."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Literal, get_args

import pytest

from connector.ack import Refused
from connector.journal import decisions
from connector.journal.engine.codec import millis
from connector.journal.engine.migrations import migrate
from connector.journal.records import Followed, NewStatus, Report, ReportOutcome
from connector.journal.sqlite import MemoryJournal, SqliteJournal
from connector.journal.states import REPORT_EDGES, ReportState
from connector.journal.tables import reports
from connector.journal.views.orders import reports as reports_about
from tests.contracts.journal_bench import acknowledged, at, delivered, found, notes, rows, settle_ack
from tests.journal.files import opened

STATES: tuple[ReportState, ...] = get_args(ReportState)


async def put(journal: SqliteJournal, order_id: str, *bodies: bytes) -> None:
    """Keep reports about an order of `shop`."""
    for body in bodies:
        assert await journal.reports.add("shop", order_id, body, at())


async def due(journal: SqliteJournal, now: float = 0, limit: int = 10) -> list[tuple[str, bytes, str]]:
    """Return the due reports: order, body, state."""
    return [(each.order_id, each.body, each.state) for each in await journal.reports.due("shop", at(now), limit)]


async def sent(journal: SqliteJournal, outcome: ReportOutcome, now: float = 0) -> Report:
    """Send the report that is due first, and record its outcome; return it."""
    report = (await journal.reports.due("shop", at(now), 1))[0]
    assert await journal.reports.claim([report.id], at(now)) == [True]
    await journal.reports.settle(report, outcome, at(now))
    return report


@pytest.mark.parametrize(("before", "after"), list(product(STATES, repeat=2)))
def test_a_report_goes_the_ways_of_the_table_and_no_other(before: ReportState, after: ReportState) -> None:
    """Every pair of states, tried; nothing leads away from a report that the source has."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        migrate(db)
        db.execute(
            "INSERT INTO reports (source, order_id, digest, body, state, made_at, done_at)"
            " VALUES ('shop', '1', x'00', x'00', ?, 0, 0)",
            (before,),
        )
        try:
            db.execute("UPDATE reports SET state = ?", (after,))
            went = True
        except sqlite3.IntegrityError as exc:
            assert "cannot go this way" in str(exc)  # noqa: PT017 - the rest must fail
            went = False
    assert went == (before == after or after in REPORT_EDGES[before])


async def test_only_the_oldest_open_report_of_an_order_is_due() -> None:
    """The next one follows when it is at its end, parked too; other orders do not wait."""
    journal = MemoryJournal()
    await put(journal, "1", b"a", b"b", b"c")
    await put(journal, "2", b"a")
    assert await due(journal) == [("1", b"a", "pending"), ("2", b"a", "pending")]
    assert await due(journal, limit=1) == [("1", b"a", "pending")]
    assert await due(journal, -1) == []

    await sent(journal, ReportOutcome("confirmed", keep=b"kept"))
    assert await due(journal) == [("1", b"b", "pending"), ("2", b"a", "pending")]
    report = next(each for each in await journal.reports.due("shop", at(), 9) if each.order_id == "1")
    await journal.reports.claim([report.id], at())
    assert ("1", b"c", "pending") not in await due(journal)
    await journal.reports.settle(report, ReportOutcome("parked", "no"), at())
    assert ("1", b"c", "pending") in await due(journal)
    assert await journal.reports.confirmed("shop", "1") == [b"kept"]
    assert await journal.reports.confirmed("shop", "2") == []


async def test_the_same_report_is_kept_once_for_each_order() -> None:
    """With any outcome; and of its body only the parts to be kept, when the source has it."""
    journal = MemoryJournal()
    await put(journal, "1", b"a")
    await put(journal, "2", b"a")
    assert not await journal.reports.add("shop", "1", b"a", at(1))
    await sent(journal, ReportOutcome("confirmed", keep=b"outline"))
    assert not await journal.reports.add("shop", "1", b"a", at(2))
    (row,) = await journal.read(lambda db: reports_about(db, "shop", "1"))
    assert (row.state, row.body, row.made_at, row.done_at, row.attempts) == ("confirmed", b"outline", at(), at(), 1)


async def test_a_claim_is_granted_once() -> None:
    """The second sender sends nothing; and only a report that was sent, or is in doubt, can be settled."""
    journal = MemoryJournal()
    await put(journal, "1", b"a")
    (report,) = await journal.reports.due("shop", at(), 9)
    await journal.reports.settle(report, ReportOutcome("confirmed"), at())
    assert await due(journal) == [("1", b"a", "pending")]
    assert await journal.reports.claim([report.id, report.id, 99], at()) == [True, False, False]


@pytest.mark.parametrize("state", ["pending", "in_doubt"])
async def test_what_has_to_wait_is_due_at_its_time(state: Literal["pending", "in_doubt"]) -> None:
    """And holds the order's next one up until then."""
    journal = MemoryJournal()
    assert await journal.reports.next_due("shop") is None
    await put(journal, "1", b"a", b"b")
    assert await journal.reports.next_due("shop") == at()
    await sent(journal, ReportOutcome(state, "502", at(30)))
    assert await due(journal, 29) == []
    assert await journal.reports.next_due("shop") == at(30)
    assert await due(journal, 30) == [("1", b"a", state)]
    assert dict((await journal.open_work()).reports) == {"shop": 1}


async def test_a_reading_that_fails_is_counted() -> None:
    """So that the waits between readings grow as those between tries do."""
    journal = MemoryJournal()
    await put(journal, "1", b"a")
    await sent(journal, ReportOutcome("in_doubt", "lost", at()))
    for attempts in (1, 2, 3):
        (report,) = await journal.reports.due("shop", at(), 9)
        assert report.attempts == attempts
        await journal.reports.settle(report, ReportOutcome("in_doubt", "down", at()), at())


async def test_an_order_is_acknowledged_before_it_is_reported_on() -> None:
    """While its acknowledgement is under way nothing is due; afterwards it is, were it refused or confirmed."""
    journal = MemoryJournal()
    keys = {order_id: await found(journal, order_id) for order_id in ("1", "2", "3")}
    for order_id in keys:
        await put(journal, order_id, b"a")
    assert len(await due(journal)) == 3  # not delivered, and yet something has happened to it
    for key in keys.values():
        await delivered(journal, key)
    assert await due(journal) == []
    assert await journal.reports.next_due("shop") == at()
    await acknowledged(journal, keys["1"])
    await journal.acks.claim([keys["2"]], at())
    await settle_ack(journal, keys["2"], Refused("gone"))
    assert {order_id for order_id, _, _ in await due(journal)} == {"1", "2"}


async def test_what_was_being_sent_is_in_doubt_after_a_restart(tmp_path: Path) -> None:
    """In a real file; it is read back after a time, and a clock that stood wrong delays nothing for long."""
    path = tmp_path / "journal.db"
    async with opened(path) as journal:
        await put(journal, "1", b"a")
        await put(journal, "2", b"a")
        await put(journal, "3", b"a")
        await sent(journal, ReportOutcome("pending", "502", at(1_000_000)))
        (report, _) = await journal.reports.due("shop", at(), 9)
        await journal.reports.claim([report.id], at())
    async with opened(path) as journal:
        assert await journal.reports.recover(at(10), 30.0, 300.0) == 1
        assert await journal.reports.recover(at(10), 30.0, 300.0) == 0
        assert await due(journal, 39) == [("3", b"a", "pending")]
        assert await due(journal, 40) == [("2", b"a", "in_doubt"), ("3", b"a", "pending")]
        assert ("1", b"a", "pending") in await due(journal, 310)


async def test_what_goes_wrong_is_in_the_orders_history() -> None:
    """Of an order that the journal has; and a person may release parked reports, by order or by cause."""
    journal = MemoryJournal()
    key = await found(journal, "1")
    await put(journal, "1", b"a", b"b")
    await sent(journal, ReportOutcome("pending", "502", at()))
    await sent(journal, ReportOutcome("parked", "no such stop"))
    await put(journal, "9", b"a")
    for _ in range(2):
        await sent(journal, ReportOutcome("parked", "unknown order"))
    assert await notes(journal, key) == ["report not taken", "report parked", "report parked"]

    keys = await journal.read(lambda db: decisions.keys_of(None, (), "no such stop", db))
    assert list(keys) == [key]
    assert await journal.read(lambda db: decisions.retry(keys, millis(at(5)), db)) == [key]
    assert await due(journal, 5) == [("1", b"a", "pending")]


async def followed(
    journal: SqliteJournal, *final: str, since: float = 0, after: int = 0, limit: int = 10
) -> list[tuple[str, str]]:
    """Return the followed orders: order and last status."""
    listed, _ = await journal.reports.followed("shop", "wms", final, at(since), after, limit)
    return [(each.order_id, each.progress) for each in listed]


async def test_what_is_followed() -> None:
    """Delivered, acknowledged, not at its end, not too old; not one that its own source has cancelled."""
    journal = MemoryJournal()
    keys = {order_id: await found(journal, order_id) for order_id in ("1", "2", "3", "4", "5")}
    for order_id in ("1", "3", "4", "5"):
        await delivered(journal, keys[order_id])
    for order_id in ("1", "4", "5"):
        await acknowledged(journal, keys[order_id])
    for order_id, state in (("4", "done"), ("5", "held")):
        await rows(
            journal,
            "INSERT INTO changes (key, receiver, what, revision, state) VALUES (?, 'wms', 'cancel', 'b', ?)",
            keys[order_id],
            state,
        )

    assert await followed(journal) == [("1", ""), ("5", "")]
    assert await followed(journal, limit=1) == [("1", "")]
    assert await followed(journal, after=keys["1"]) == [("5", "")]
    assert await followed(journal, since=3) == []
    listed, after = await journal.reports.followed("shop", "wms", [], at(), 0, 1)
    assert (listed, after) == ([Followed(keys["1"], "1", f"id-{keys['1']}", f"R{keys['1']}", "")], keys["1"])
    assert await journal.reports.followed("shop", "erp", [], at(), 0, 9) == ([], None)
    assert await journal.reports.followed("depot", "wms", [], at(), 0, 9) == ([], None)

    assert await journal.reports.progressed("wms", [NewStatus(keys["1"], "", "Shipped", b"report")], at(7)) == 1
    assert await followed(journal, "shipped", "cancelled") == [("5", "")]
    assert await followed(journal, "cancelled") == [("1", "Shipped"), ("5", "")]


async def test_a_look_goes_through_a_window_of_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that no look keeps the database long; together the looks see every order once."""
    monkeypatch.setattr(reports, "WINDOW", 3)
    journal = MemoryJournal()
    for number in range(10):
        key = await found(journal, str(number))
        if number in (0, 1, 8, 9):
            await delivered(journal, key)
            await acknowledged(journal, key)
    seen: list[str] = []
    after: int | None = 0
    looks = 0
    while after is not None:
        listed, after = await journal.reports.followed("shop", "wms", [], at() - timedelta(days=1), after, 9)
        seen += [each.order_id for each in listed]
        looks += 1
    assert (seen, looks) == (["0", "1", "8", "9"], 4)


async def test_a_status_and_its_report_are_one_transaction() -> None:
    """Seen twice, or seen by somebody else meanwhile: nothing is reported again."""
    journal = MemoryJournal()
    key = await found(journal, "1")
    await delivered(journal, key)
    await acknowledged(journal, key)
    seen = NewStatus(key, "", "problem", b"report")
    assert await journal.reports.progressed("wms", [seen, seen], at()) == 1
    assert await journal.reports.progressed("wms", [NewStatus(key, "", "problem", b"made a second later")], at()) == 0
    assert await journal.reports.progressed("wms", [NewStatus(key, "problem", "on_hold")], at()) == 0
    assert await journal.reports.progressed("erp", [NewStatus(key, "", "shipped", b"other")], at()) == 0
    assert await rows(journal, "SELECT progress FROM deliveries") == [("on_hold",)]
    assert await rows(journal, "SELECT body FROM reports") == [(b"report",)]
    assert (await notes(journal, key))[-2:] == ["progress", "progress"]
