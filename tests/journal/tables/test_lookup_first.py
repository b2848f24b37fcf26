"""The look-ups before a first create: of which orders, and for how long."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from connector.journal.records import Delivered, InDoubt, Intent, Listing, LookupRule
from connector.journal.sqlite import MemoryJournal
from tests.contracts.journal_bench import arrival, at, delivered, found, intend, rows, settle

WAY = LookupRule(source="shop", receiver="wms", settle=30)


async def begun(
    *ways: LookupRule, doubt: str = "", seconds: float = 0, journal: MemoryJournal | None = None
) -> MemoryJournal:
    """Return a journal that begins with `ways`; `doubt` is its sentinel's doubt."""
    journal = journal or MemoryJournal()
    await rows(journal, "INSERT OR REPLACE INTO identity VALUES ('journal', 'x')")
    if doubt:
        await journal.read(lambda db: db.execute("INSERT INTO identity VALUES ('doubt', ?)", (doubt,)))
    await journal.lookup_first.begin(ways or (WAY,), at(seconds))
    return journal


async def listed(journal: MemoryJournal, *order_ids: str, replayed: bool = False, seconds: float = 0) -> Sequence[str]:
    """List new orders; return the receivers with a look-up first for the last one."""
    listing = Listing(asked_at=at(seconds), replayed=replayed)
    answers = await journal.orders.ingest("shop", [arrival(each) for each in order_ids], listing, at(seconds))
    return answers[-1].look_up


@pytest.mark.parametrize(
    ("doubt", "way", "first"),
    [
        ("", WAY, ("wms",)),
        ("lost", WAY, ("wms",)),
        ("restored", WAY, ("wms",)),
        ("lost", LookupRule(source="shop", receiver="wms", look_up_first="never"), ()),
        ("", LookupRule(source="shop", receiver="wms", look_up_first="always"), ("wms",)),
        ("", LookupRule(source="shop", receiver="wms", can_find=False), ()),
        ("", LookupRule(source="shop", receiver="wms", can_find=False, look_up_first="always"), ()),
        ("lost", LookupRule(source="shop", receiver="wms", can_find=False), ("wms",)),
        ("", LookupRule(source="shop", receiver="wms", can_find=False, idempotent=True), ()),
        ("lost", LookupRule(source="shop", receiver="wms", can_find=False, idempotent=True), ("wms",)),
        ("lost", LookupRule(source="other", receiver="wms"), ()),
    ],
)
async def test_which_orders_are_looked_up_first(doubt: str, way: LookupRule, first: tuple[str, ...]) -> None:
    """By the state of the journal, the abilities of the receiver, and the settings; for that way alone."""
    journal = await begun(way, doubt=doubt)
    assert await listed(journal, "1") == first


@pytest.mark.parametrize(("policy", "after"), [("auto", ()), ("always", ("wms",))])
async def test_a_complete_walk_ends_it(policy: str, after: tuple[str, ...]) -> None:
    """Only of that source, only a complete one, and for good; orders that are always looked up first stay so."""
    way = LookupRule(source="shop", receiver="wms", look_up_first=policy)  # type: ignore[arg-type]
    journal = await begun(way)
    await journal.endpoints.polled("shop", at(1), "")
    await journal.endpoints.polled("other", at(1), "", complete=True)
    assert await listed(journal, "1") == ("wms",)
    await journal.endpoints.polled("shop", at(2), "", complete=True)
    assert await listed(journal, "2") == after
    await begun(way, journal=journal, seconds=10)
    assert await listed(journal, "3") == after
    assert await listed(journal, "4", replayed=True) == ("wms",)


async def test_a_journal_that_knows_the_source_is_not_new_to_it() -> None:
    """One from before there was any of this goes on as it did; a source that is added is new."""
    journal = MemoryJournal()
    assert await listed(journal, "1") == ()
    await begun(WAY, LookupRule(source="added", receiver="wms"), journal=journal)
    assert await listed(journal, "2") == ()
    answers = await journal.orders.ingest("added", [arrival("1")], Listing(asked_at=at()), at())
    assert answers[0].look_up == ("wms",)


async def test_a_journal_in_memory_asks_about_replays_only() -> None:
    """It has no identity, and is taken for one that was there from the beginning."""
    journal = MemoryJournal()
    await journal.lookup_first.begin([WAY], at())
    assert await listed(journal, "1") == ()
    assert await listed(journal, "2", replayed=True) == ("wms",)


async def test_no_intent_is_granted_unasked() -> None:
    """Without a look-up there is none, from whatever state: no fault in a stage can double an order."""
    journal = await begun()
    assert await listed(journal, "1") == ("wms",)
    (job,) = await journal.deliveries.due("wms", ["in_doubt"], at(), 9)
    assert (job.state, job.attempts, job.may_exist) == ("in_doubt", 0, True)

    async def intend(*, asked: bool) -> bool:
        return (await journal.deliveries.intend([Intent(job.key, "wms", job.revision, b"#", asked)], at()))[0]

    assert not await intend(asked=False)
    assert await intend(asked=True)


@pytest.mark.parametrize("seconds", [0, 29])
async def test_what_replaces_a_lost_journal_waits(seconds: int) -> None:
    """Until the last process's requests have settled; the time is kept over restarts."""
    journal = await begun(doubt="lost")
    await listed(journal, "1", seconds=5)
    await begun(journal=journal, seconds=seconds)
    await listed(journal, "2", seconds=seconds)
    await journal.recover(at(seconds), {"wms": 30.0}, 300.0)
    assert await journal.lookup_first.due("wms", at(29), 9) == []
    assert await journal.lookup_first.due("wms", at(30), 9) == ["shop-1", "shop-2"]
    assert await journal.lookup_first.due("wms", at(30), 1) == ["shop-1"]
    assert await journal.lookup_first.due("erp", at(30), 9) == []


async def test_a_clock_that_stood_wrong_delays_nothing_for_long() -> None:
    """A time that is further off than the settle time is pulled in (faults.md #121)."""
    journal = await begun(doubt="lost", seconds=1_000_000)
    await begun(journal=journal, seconds=0)
    await listed(journal, "1")
    assert await journal.lookup_first.due("wms", at(30), 9) == ["shop-1"]


async def test_an_order_that_is_held_is_looked_up_when_it_is_released() -> None:
    """It may be at the receiver whatever it lacks here; the journal keeps that in mind."""
    journal = await begun()
    await journal.orders.ingest("shop", [arrival("1", state="held", cause="x")], Listing(asked_at=at()), at())
    assert await journal.holds.release("x", at()) == 1
    (job,) = await journal.deliveries.due("wms", ["new"], at(), 9)
    assert job.may_exist


async def test_reports_of_a_restored_journal_are_read_back() -> None:
    """The source may have been notified after the backup was taken; a second notice would show twice."""
    journal = await begun()
    assert await journal.reports.add("shop", "1", b"{}", at())
    await begun(doubt="restored", journal=journal)
    assert await journal.reports.recover(at(), 10.0, 300.0) == 1
    assert await rows(journal, "SELECT state FROM reports") == [("in_doubt",)]


async def test_acknowledgements_of_earlier_terms_are_doubted_in_a_restored_journal() -> None:
    """The source may recognise a repeat in its present form, and not in its earlier form."""
    journal = await begun()
    await delivered(journal, await found(journal, "1"))
    await journal.ack_terms.keep({"shop": "moves"})
    await journal.ack_terms.keep({"shop": "calm"})
    await delivered(journal, await found(journal, "2"))
    await begun(doubt="restored", journal=journal)
    assert await rows(journal, "SELECT order_id, ack_state FROM orders ORDER BY key") == [
        ("1", "sending"),
        ("2", "pending"),
    ]


@pytest.mark.parametrize(("idempotent", "after"), [(True, "parked"), (False, "sending")])
async def test_what_a_source_refused_is_doubted_in_a_restored_journal(*, idempotent: bool, after: str) -> None:
    """It may have taken it since: a person who releases it later cannot know, and it would move stock twice."""
    journal = await begun()
    await delivered(journal, await found(journal, "1"))
    await rows(journal, "UPDATE orders SET ack_state = 'parked', ack_reason = 'locked'")
    await begun(replace(WAY, ack_idempotent=idempotent), doubt="restored", journal=journal)
    assert await rows(journal, "SELECT ack_state FROM orders") == [(after,)]


async def test_what_a_backup_holds_as_settled_settles_again() -> None:
    """It may have been tried once more since the backup was made, and that would not show yet."""
    journal = await begun()
    key = await found(journal, "1")
    assert await intend(journal, key)
    await settle(journal, key, InDoubt("lost", at(5)))
    await begun(doubt="restored", journal=journal, seconds=100)
    assert await journal.lookup_first.due("wms", at(129), 9) == []
    assert await journal.lookup_first.due("wms", at(130), 9) == ["shop-1"]


@pytest.mark.parametrize(("ended", "first"), [(29, ("wms",)), (30, ())])
async def test_a_walk_that_ends_before_all_has_settled_ends_nothing(ended: int, first: tuple[str, ...]) -> None:
    """An order that has just left the feed may come back, changed, and its record may not show yet."""
    journal = await begun(doubt="restored")
    await journal.endpoints.polled("shop", at(ended), "", complete=True)
    assert await listed(journal, "1", seconds=40) == first


async def test_what_a_replay_lists_meanwhile_settles_first() -> None:
    """It lists exported orders, and the last of them may have been created a moment ago."""
    journal = await begun(doubt="lost")
    await journal.endpoints.polled("shop", at(5), "", complete=True)
    await listed(journal, "1", replayed=True, seconds=6)
    assert await journal.lookup_first.due("wms", at(29), 9) == []
    assert await journal.lookup_first.due("wms", at(30), 9) == ["shop-1"]


@pytest.mark.parametrize("adopted", [True, False])
@pytest.mark.parametrize(
    ("doubt", "replayed", "policy", "asked"),
    [
        ("", False, "auto", False),
        ("", False, "always", False),
        ("", True, "auto", True),
        ("lost", False, "auto", True),
        ("restored", False, "auto", True),
        ("lost", False, "always", True),
    ],
)
async def test_a_source_that_may_have_been_told_is_asked_first(
    doubt: str, policy: str, *, replayed: bool, asked: bool, adopted: bool
) -> None:
    """By a journal that knew more than this one: telling twice may move stock twice."""
    journal = await begun(LookupRule(source="shop", receiver="wms", settle=30, look_up_first=policy), doubt=doubt)  # type: ignore[arg-type]
    await listed(journal, "1", replayed=replayed)
    (job,) = await journal.deliveries.due("wms", ["in_doubt"], at(60), 9)
    assert await intend(journal, job.key)
    answer = await settle(journal, job.key, Delivered("id", "R1", adopted=adopted))
    assert answer.ack is not None
    assert await rows(journal, "SELECT ack_state FROM orders") == [("in_doubt" if asked else "pending",)]


async def test_what_comes_after_a_lost_journal_has_been_walked_is_told_at_once() -> None:
    """Nobody can have acknowledged it before."""
    journal = await begun(LookupRule(source="shop", receiver="wms", settle=30, look_up_first="always"), doubt="lost")
    await journal.endpoints.polled("shop", at(31), "", complete=True)
    await listed(journal, "1", seconds=40)
    (job,) = await journal.deliveries.due("wms", ["in_doubt"], at(60), 9)
    await delivered(journal, job.key)
    assert await rows(journal, "SELECT ack_state FROM orders") == [("pending",)]
