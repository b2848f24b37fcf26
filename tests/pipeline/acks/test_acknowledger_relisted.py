"""Orders that a source confirmed and lists all the same: its list is behind, or its success had no effect."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence

import anyio
import msgspec
import pytest
from msgspec.structs import replace

from connector.ack import Acknowledgement, AckOutcome, Confirmed, Denied
from connector.causes import ACK_REFUSED, LISTED_AGAIN
from connector.cli.counters import RunCounters
from connector.cli.end_state import read_end_state
from connector.cli.summary import outcome, summary
from connector.journal import decisions
from connector.journal.engine.codec import millis
from connector.journal.sqlite import MemoryJournal
from connector.journal.views.orders import find
from connector.journal.views.status import CauseTotal, causes, status
from connector.settings.model import RetrySettings
from connector.settings.values import Duration
from connector.sources.base import FeedItem, Page
from tests.doubles import MemorySource
from tests.flow.bench import Bench
from tests.flow.test_crash import Kept, stopped_dead

pytestmark = pytest.mark.looptime

HOUR = 3600.0


class Behind(MemorySource):
    """A source whose list is `lag` seconds behind its marks; marks of `ignored` orders have no effect."""

    lag = 0.0
    ignored: frozenset[str] = frozenset()
    denies = False
    """Whether such an answer says that it failed."""

    def __init__(self, *args: object, **more: object) -> None:
        super().__init__(*args, **more)  # type: ignore[arg-type]
        self.marked: dict[str, float] = {}
        self.at: list[float] = []

    async def fetch(self, gone: Callable[[], int]) -> AsyncGenerator[Page]:
        """List the orders that are not marked, and those that were marked just now."""
        now = anyio.current_time()
        late = [each for each, at in self.marked.items() if now - at < self.lag and each in self.archive]
        async for page in super().fetch(gone):
            yield page
        if late:
            yield Page([FeedItem(each, msgspec.json.encode(self.archive[each])) for each in late])

    async def acknowledge(self, batch: Sequence[Acknowledgement]) -> Mapping[str, AckOutcome]:
        """Mark the orders, or deny it."""
        kept = {ack.order_id: self.feed.get(ack.order_id) for ack in batch if ack.order_id in self.ignored}
        answers = dict(await super().acknowledge(batch))
        self.at.append(anyio.current_time())
        for ack in batch:
            self.marked.setdefault(ack.order_id, anyio.current_time())
        for order_id, content in kept.items():
            if content is not None:
                self.feed[order_id] = content
                self.archive.pop(order_id, None)
            answers[order_id] = Denied("success is false") if self.denies else Confirmed()
        return answers


class OnceBehind(Behind):
    """The same where a second mark moves stock a second time."""

    traits = replace(Behind.traits, ack_idempotent=False)


def bench_with(kind: type[Behind], *ids: str, poll: float = 60, **how: object) -> tuple[Bench, Behind]:
    """Return a bench with a source of that kind, and the source."""
    bench = Bench(poll_interval=poll)
    shop = kind("shop", bench.clock)
    for name, value in how.items():
        setattr(shop, name, value)
    shop.put(*ids)
    bench.sources["shop"] = shop
    return bench, shop


async def parked(journal: MemoryJournal) -> list[tuple[str, str]]:
    """Return the parked acknowledgements, with their reasons."""
    return await journal.read(
        lambda db: db.execute("SELECT order_id, ack_reason FROM orders WHERE ack_state = 'parked'").fetchall()
    )


@pytest.mark.fault(126)
@pytest.mark.parametrize("kind", [Behind, OnceBehind])
@pytest.mark.parametrize("poll", [1, 5])
async def test_a_list_that_is_behind_the_marks_makes_nobody_be_told_twice(kind: type[Behind], poll: float) -> None:
    """A confirmation stands until `settle` after it; one process ends meanwhile, and the next observes that."""
    bench, shop = bench_with(kind, *map(str, range(12)), poll=poll, lag=8.0)
    journal = Kept()
    await stopped_dead(bench, journal, 3)
    async with bench.running(journal):
        await anyio.sleep(120)

    assert dict.fromkeys(map(str, range(12)), 1) == shop.told
    assert [] == await parked(journal)


@pytest.mark.fault(126)
async def test_where_a_repeat_does_something_twice_a_person_decides(caplog: pytest.LogCaptureFixture) -> None:
    """The order is listed after `settle`: it is held under a cause of its own, exit 1; `retry` sends it once more."""
    bench, shop = bench_with(OnceBehind, "1", "2", ignored=frozenset({"1"}))
    journal = Kept()
    async with bench.running(journal) as connector:
        await anyio.sleep(HOUR)
        assert {"1": 1, "2": 1} == shop.told
        assert [CauseTotal("held", LISTED_AGAIN, 1)] == await journal.read(causes)
        row = await journal.read(lambda db: find(db, "shop", "1"))
        assert row is not None
        assert ("held", LISTED_AGAIN) == (row.state, row.cause)
        now = await journal.read(read_end_state)
        assert 1 == outcome(await connector.drain(), now)
        (line,) = [each.message for each in caplog.records if "lists" in each.message]
        assert line == (
            "source shop: lists 1 again although it had confirmed it; held for an operator: see "
            f"`connector orders --cause '{LISTED_AGAIN}'`"
        )
        shop.ignored = frozenset()
        assert 1 == await journal.holds.release(LISTED_AGAIN, bench.clock.now())
        connector.look()
        await anyio.sleep(200)

    assert {"1": 2, "2": 1} == shop.told
    assert [] == await parked(journal)
    assert {} == shop.feed


async def test_what_was_left_to_a_person_is_told_when_it_is_not_listed_any_more() -> None:
    """The list was behind by more than `settle`: a complete poll without the order ends the hold by itself."""
    bench, shop = bench_with(OnceBehind, "1", poll=10, lag=100.0)
    journal = MemoryJournal()
    async with bench.running(journal):
        await anyio.sleep(90)
        assert ["1"] == [order_id for order_id, _ in await parked(journal)]
        await anyio.sleep(120)
        row = await journal.read(lambda db: find(db, "shop", "1"))

    assert row is not None
    assert "acknowledged" == row.state
    assert {"1": 1} == shop.told


async def test_a_person_says_that_the_source_has_it() -> None:
    """`skip` treats it as acknowledged, for as long as the list stays the same."""
    bench, shop = bench_with(OnceBehind, "1", poll=3600, ignored=frozenset({"1"}))
    journal = MemoryJournal()
    async with bench.running(journal) as connector:
        await anyio.sleep(100)
        await connector.drain()
        assert ["1"] == [order_id for order_id, _ in await parked(journal)]

        def skip(db: sqlite3.Connection) -> list[int]:
            return decisions.skip(
                decisions.keys_of(None, (), LISTED_AGAIN, db), millis(bench.clock.now()), db, LISTED_AGAIN
            )

        assert [1] == await journal.store.write(skip)
        await anyio.sleep(100)
        await connector.drain()
        row = await journal.read(lambda db: find(db, "shop", "1"))
    assert row is not None
    assert "acknowledged" == row.state
    assert {"1": 1} == shop.told


@pytest.mark.fault(127)
async def test_a_success_that_changes_nothing_is_told_again_ever_more_seldom_and_then_by_nobody() -> None:
    """Attempts and age accumulate over all confirmations: the alarm, the ages, exit 1, then a hold."""
    bench, shop = bench_with(Behind, "1", poll=60, ignored=frozenset({"1"}))
    patient = RetrySettings(first=Duration(1), longest=Duration(300))
    bench.settings.sources["shop"] = msgspec.structs.replace(bench.settings.sources["shop"], retry=patient)
    journal = MemoryJournal()
    async with bench.running(journal) as connector:
        await anyio.sleep(1000)
        ages = await journal.acks.oldest(bench.clock.now())
        assert 900 < ages["shop"] < 1000
        (counts,) = (await journal.read(status)).sources.values()
        assert 1 == counts.listed_again
        assert counts.untold_since is not None
        attempts = await journal.read(lambda db: db.execute("SELECT ack_attempts FROM orders").fetchone()[0])
        assert attempts == shop.told["1"] > 5
        drained = await connector.drain()
        now = await journal.read(read_end_state)
        assert 1 == outcome(drained, now)
        text = summary(bench.settings, RunCounters(), now, drained, 1.0)
        assert "1 acknowledged again: the source had confirmed it" in text
        await anyio.sleep(2 * HOUR)
        ((order_id, why),) = await parked(journal)
        assert "1" == order_id
        assert why.startswith(f"{LISTED_AGAIN}: its answers were a success ")
        told = shop.told["1"]
        assert 10 <= told <= 25
        await anyio.sleep(2 * HOUR)
        assert {} == await journal.acks.oldest(bench.clock.now())

    assert told == shop.told["1"]
    waits = [later - before for before, later in zip(shop.at, shop.at[1:], strict=False)]
    assert waits[-1] > 4 * waits[0]


@pytest.mark.fault(127)
async def test_the_count_outlives_the_process() -> None:
    """Each `run --once` finds the order again, exits with 1, and the last one holds it for an operator."""
    bench, shop = bench_with(Behind, "1", ignored=frozenset({"1"}))
    journal = Kept()
    codes = []
    for _ in range(16):
        async with bench.running(journal) as connector:
            drained = await connector.drain()
            codes.append(outcome(drained, await journal.read(read_end_state)))
        await anyio.sleep(400)
    assert [0, *[1] * 15] == codes
    assert 10 == shop.told["1"]
    assert ["1"] == [order_id for order_id, _ in await parked(journal)]


async def test_what_was_taken_back_once_is_told_once_and_is_well_again() -> None:
    """The next complete poll does not list it, and the trouble is over."""
    bench, shop = bench_with(Behind, "1")
    journal = MemoryJournal()
    async with bench.running(journal) as connector:
        await anyio.sleep(100)
        shop.put("1")
        await connector.drain()
        assert 1 == (await journal.read(status)).sources["shop"].listed_again
        await anyio.sleep(200)
        assert 0 == (await journal.read(status)).sources["shop"].listed_again
        assert 0 == outcome(await connector.drain(), await journal.read(read_end_state))
    assert {"1": 2} == shop.told


@pytest.mark.fault(127)
@pytest.mark.parametrize("others", [False, True])
async def test_an_answer_that_calls_itself_a_failure_is_no_confirmation(others: bool) -> None:
    """The order is not acknowledged, its age counts, and after the usual budget it is parked in any case."""
    bench, shop = bench_with(Behind, "1", ignored=frozenset({"1"}), denies=True)
    journal = Kept()
    async with bench.running(journal) as connector:
        await anyio.sleep(1800)
        if others:
            shop.put("2")
        assert 1700 < (await journal.acks.oldest(bench.clock.now()))["shop"]
        assert "order 1: failed" in connector.keeps_failing["shop"]
        await anyio.sleep(HOUR)
    ((order_id, why),) = await parked(journal)
    assert "1" == order_id
    assert why.startswith("keeps failing at shop: ")
    assert [CauseTotal("held", ACK_REFUSED, 1)] == await journal.read(causes)


@pytest.mark.fault(127)
async def test_one_that_must_not_be_told_twice_is_read_back_and_then_left_to_a_person() -> None:
    """The response is a failure, and the source does not show the order as marked; a repeat might move stock twice."""
    bench, shop = bench_with(OnceBehind, "1", "2", ignored=frozenset({"1"}), denies=True)
    journal = Kept()
    await stopped_dead(bench, journal, 10)
    async with bench.running(journal):
        await anyio.sleep(HOUR)
    assert {"1": 1, "2": 1} == shop.told
    ((order_id, why),) = await parked(journal)
    assert "1" == order_id
    assert "calls itself a failure" in why
