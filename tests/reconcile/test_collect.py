"""Reconciliation between in-memory vendors: orders that change meanwhile, and endpoints that cannot be read."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from datetime import timedelta

import pytest

from connector.errors import AuthError, ConflictError, TransientError
from connector.journal.engine.connection import InlineDatabase
from connector.journal.records import Delivered, Intent, Settlement
from connector.journal.sqlite import MemoryJournal
from connector.receivers.base import Receipt, ReceiverTraits
from connector.reconcile import ReconcileReport, Sides, reconcile
from connector.sources.base import Page
from tests.contracts.journal_bench import HASH, found
from tests.doubles import EPOCH, MemoryReceiver, MemorySource
from tests.flow.bench import Bench

pytestmark = pytest.mark.looptime


async def surveyed(bench: Bench, journal: MemoryJournal, most: int = 1000) -> ReconcileReport:
    """Reconcile the orders of the bench."""
    database = journal.store.database
    assert isinstance(database, InlineDatabase)
    ends = Sides(
        settings=bench.settings,
        sources=bench.sources,
        receivers=bench.receivers,
        journal=database._db,
        clock=bench.clock,
    )
    return await reconcile(ends, EPOCH - timedelta(days=1), most)


class Kept(MemoryJournal):
    """A journal that outlives its connector."""

    async def aclose(self) -> None:
        """Stay open."""


async def test_what_a_running_connector_was_just_doing_is_no_disagreement() -> None:
    """An order that is delivered between the read of the journal and the look-up is no finding."""
    bench, journal = Bench(), MemoryJournal()
    bench.shop.put("1")
    key = await found(journal, "1")

    class Quick(MemoryReceiver):
        async def find(self, external_id: str) -> Receipt | None:
            assert await journal.deliveries.intend([Intent(key, "wms", "a", HASH)], EPOCH) == [True]
            await journal.deliveries.settle([Settlement(key, "wms", Delivered("7", "R-7"))], EPOCH)
            return Receipt(id="7")

    bench.receivers["wms"] = Quick("wms", bench.clock)
    report = await surveyed(bench, journal)
    assert (report.findings, report.agreed, report.unreached) == ([], {"shop": {"wms": 1}}, [])


@pytest.mark.fault(28)
async def test_an_order_that_a_shifting_page_hides_is_not_missing() -> None:
    """The feed is read once more before a missing order is a finding."""

    class Shifting(MemorySource):
        async def fetch(self, gone: Callable[[], int]) -> AsyncGenerator[Page]:
            hidden = self.feed.pop("1") if not self.walks else None
            async for page in super().fetch(gone):
                yield page
            if hidden:
                self.feed["1"] = hidden

    bench, journal = Bench(), MemoryJournal()
    bench.sources["shop"] = Shifting("shop", bench.clock)
    bench.shop.put("1", "2")
    await journal_of(journal, "1", "2", "3")
    report = await surveyed(bench, journal)
    assert [(each.kind, each.order_id) for each in report.findings] == [("missing_from_feed", "3")]
    assert bench.shop.walks == 2


async def journal_of(journal: MemoryJournal, *order_ids: str) -> None:
    """Add orders to the journal, found a minute before the test."""
    for order_id in order_ids:
        await found(journal, order_id)
    await journal.store.write(lambda db: db.execute("UPDATE orders SET found_at = found_at - 60000").close())


async def test_a_receiver_is_asked_about_many_at_once_where_it_can_be() -> None:
    """Orders missing in the result of a bulk look-up are looked up one by one."""

    class Many(MemoryReceiver):
        async def find_many(self, external_ids: Sequence[str]) -> Mapping[str, Receipt | None]:
            self.asked = list(external_ids)
            return {each: Receipt(id="7") for each in external_ids if each != "shop-2"}

    bench, journal = Bench(), MemoryJournal()
    bench.receivers["wms"] = many = Many("wms", bench.clock)
    bench.shop.put("1", "2", "3")
    report = await surveyed(bench, journal)
    assert many.asked == ["shop-1", "shop-2", "shop-3"]
    assert many.finds_of == ["shop-2"]
    assert Counter(each.remedy for each in report.findings) == {"adopt": 2, "none": 1}


async def test_what_is_most_alarming_comes_first() -> None:
    """A ghost comes before an order that only waits for its next poll."""
    bench, journal = Bench(), Kept()
    bench.shop.put("1")
    await bench.drained(journal)
    await journal.store.write(
        lambda db: db.execute("UPDATE deliveries SET delivered_at = delivered_at - 60000").close()
    )
    await journal.store.write(lambda db: db.execute("UPDATE sources SET last_poll = last_poll - 600000").close())
    bench.wms.orders.clear()
    bench.shop.put("0")
    report = await surveyed(bench, journal)
    assert [(each.kind, each.order_id) for each in report.findings] == [
        ("ghost_delivery", "1"),
        ("unknown_to_journal", "0"),
    ]


async def test_only_so_many_are_asked_about_and_the_rest_is_counted() -> None:
    """The limit selects the latest acknowledged and unknown orders; unfinished orders are always looked up."""
    bench, journal = Bench(), Kept()
    bench.shop.put(*map(str, range(10)))
    await bench.drained(journal)
    bench.wms.finds_of.clear()
    bench.shop.put("10", "11", "12")
    report = await surveyed(bench, journal, most=2)
    assert len(bench.wms.finds_of) == 4
    assert report.left_out == 8 + 1


@pytest.mark.parametrize(
    ("failure", "later"), [(TransientError("down"), True), (AuthError("401"), False), (ValueError("a fault"), False)]
)
async def test_an_answer_that_is_not_given_is_not_taken_for_no(failure: Exception, later: bool) -> None:
    """An endpoint that fails is named with the number of missing look-ups, and leads to no finding."""

    class Mute(MemoryReceiver):
        async def find(self, external_id: str) -> Receipt | None:
            if external_id == "shop-1":
                raise ConflictError("two of them")
            raise failure

    bench, journal = Bench(), Kept()
    bench.shop.put("1", "2", "3")
    await bench.drained(journal)
    bench.receivers["wms"] = Mute("wms", bench.clock)
    report = await surveyed(bench, journal)
    assert [(each.kind, each.order_id, each.receiver_says) for each in report.findings] == [
        ("conflict", "1", "two of them")
    ]
    assert [(each.endpoint, each.orders) for each in report.unreached] == [("wms", 2)]
    assert report.later is later


async def test_a_receiver_that_cannot_be_asked_is_named() -> None:
    """A receiver without a look-up is named, and is not a failure."""

    class Blind(MemoryReceiver):
        traits = ReceiverTraits(can_find=False)

    bench, journal = Bench(), Kept()
    bench.receivers["wms"] = Blind("wms", bench.clock)
    bench.shop.put("1")
    await bench.drained(journal)
    report = await surveyed(bench, journal)
    assert (report.findings, report.unreached, report.blind) == ([], [], ["wms"])
