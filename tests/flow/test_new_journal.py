"""No order is duplicated by a journal that lacks some of them: a new, a lost, or a restored one."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta

import anyio
import msgspec
import pytest

from connector.app import Connector
from connector.errors import InDoubtError, TransientError
from connector.events import OrderHeld
from connector.journal import decisions
from connector.journal.engine.codec import millis
from connector.journal.sqlite import MemoryJournal
from connector.journal.views.orders import find
from connector.receivers.base import Receipt, ReceiverTraits
from tests.doubles import EPOCH, FailingSource, LoopClock, MemoryReceiver, OnceSource
from tests.flow.bench import Bench

pytestmark = pytest.mark.looptime


class Kept(MemoryJournal):
    """A journal that survives its connector; `kind` is its origin, as the sentinel would have found."""

    def __init__(self, kind: str = "first") -> None:
        super().__init__()
        self.say("journal", "x")
        if kind != "first":
            self.say("doubt", kind)

    def say(self, name: str, value: str) -> None:
        """Write a line of its identity."""
        self.db.execute("INSERT OR REPLACE INTO identity (name, value) VALUES (?, ?)", (name, value))

    @property
    def db(self):  # type: ignore[no-untyped-def]
        """Its connection."""
        return self.store.database._db  # type: ignore[union-attr]

    async def aclose(self) -> None:
        """Stay open for the next connector."""


class Unasked(MemoryReceiver):
    """A receiver without a look-up."""

    traits = ReceiverTraits(can_find=False)


class Many(MemoryReceiver):
    """A receiver with a bulk look-up; `readings` counts its calls."""

    readings = 0
    pause = 0.001
    certain = True
    broken: Exception | None = None

    async def find_many(self, external_ids: Sequence[str]) -> Mapping[str, Receipt | None]:
        """Look among the orders."""
        self.readings += 1
        await anyio.sleep(self.pause)
        if self.broken is not None:
            raise self.broken
        there = [external for external, _ in self.orders]
        known: dict[str, Receipt | None] = {}
        for external_id in external_ids:
            if there.count(external_id) == 1:
                known[external_id] = Receipt(id=str(there.index(external_id)))
            elif external_id not in there and self.certain:
                known[external_id] = None
        return known


def ids(count: int, first: int = 1) -> list[str]:
    """Return `count` order ids."""
    return [str(number) for number in range(first, first + count)]


def there(receiver: MemoryReceiver, *order_ids: str) -> None:
    """Put orders of the shop into the receiver, as the connector of an earlier journal did."""
    receiver.orders += [(f"shop-{order_id}", b"") for order_id in order_ids]


def put(bench: Bench, receiver: MemoryReceiver) -> MemoryReceiver:
    """Let the bench deliver to `receiver`."""
    bench.receivers["wms"] = receiver
    return receiver


def first_ask(bench: Bench, policy: str) -> None:
    """Set `look_up_first` of the receiver."""
    own = msgspec.structs.replace(bench.settings.receivers["wms"], look_up_first=policy)
    bench.settings = msgspec.structs.replace(bench.settings, receivers={"wms": own})


async def stopped_after(bench: Bench, journal: Kept, seconds: float) -> None:
    """Run a connector and cancel it natively after `seconds`, wherever it is."""
    connector = Connector(
        bench.settings, sources=bench.sources, receivers=bench.receivers, journal=journal, clock=bench.clock
    )
    async with connector:
        task = asyncio.create_task(connector.run())
        await asyncio.sleep(seconds)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


def once(*order_ids: str) -> Counter[str]:
    """Return orders of the shop, each once."""
    return Counter(f"shop-{order_id}" for order_id in order_ids)


@pytest.mark.fault(111)
async def test_a_lost_journal_doubles_nothing() -> None:
    """A hundred orders were delivered, not acknowledged, and the journal was lost: they are found and acknowledged."""
    bench = Bench(settle=30)
    bench.shop.put(*ids(100))
    bench.shop.failures.extend([TransientError("down")] * 1000)
    await stopped_after(bench, Kept("first"), 8)
    assert (once(*ids(100)), 100) == (bench.wms.count(), len(bench.shop.feed))
    bench.shop.failures.clear()
    bench.shop.put(*ids(20, first=101))
    start = bench.clock.monotonic()

    await bench.drained(Kept("lost"))

    assert once(*ids(120)) == bench.wms.count()
    assert {} == bench.shop.feed
    assert Counter(ids(120)) == bench.shop.told
    assert bench.clock.monotonic() - start >= 30


@pytest.mark.fault(111)
async def test_a_create_that_is_under_way_when_the_journal_is_lost_is_found() -> None:
    """Requests of the last process may be applied late: no look-up counts before the settle time."""
    bench = Bench(settle=30)
    bench.shop.put("1")

    async def late() -> None:
        await anyio.sleep(20)
        there(bench.wms, "1")

    async with anyio.create_task_group() as tg:
        tg.start_soon(late)
        await bench.drained(Kept("lost"))

    assert once("1") == bench.wms.count()


@pytest.mark.fault(111)
async def test_the_wait_of_a_lost_journal_is_kept_over_restarts() -> None:
    """It is a time of day in the journal: a restart neither shortens nor repeats it."""
    bench = Bench(settle=30)
    bench.shop.put(*ids(5))
    journal = Kept("lost")
    for _ in range(3):
        await stopped_after(bench, journal, 8)
        assert [] == bench.wms.finds_of

    await bench.drained(journal)

    assert once(*ids(5)) == bench.wms.count()
    assert 30 <= bench.clock.monotonic() < 40
    assert 5 == len(bench.wms.finds_of)


async def test_a_new_journal_asks_at_once_and_until_the_first_walk_has_ended() -> None:
    """Orders of another connector are adopted; orders listed after the first complete poll are newer."""
    bench = Bench(settle=30, poll_interval=5)
    bench.shop.put(*ids(10))
    there(bench.wms, *ids(3))

    async with bench.running(journal := Kept()) as connector:
        await connector.drain()
        assert bench.clock.monotonic() < 5
        assert once(*ids(10)) == bench.wms.count()
        assert sorted(bench.wms.finds_of) == sorted(f"shop-{n}" for n in ids(10))
        bench.shop.put(*ids(5, first=11))
        await connector.drain()
    bench.shop.put(*ids(5, first=16))
    await bench.drained(journal)

    assert 10 == len(bench.wms.finds_of)
    assert once(*ids(20)) == bench.wms.count()
    assert {} == bench.shop.feed


@pytest.mark.parametrize("what", ["fails", "is stopped"])
async def test_a_walk_that_does_not_end_vouches_for_nothing(what: str) -> None:
    """Orders that an incomplete poll did not list may be older than the journal: the next poll's are looked up, too."""
    bench = Bench(page_size=5)
    bench.shop.put(*ids(10))
    journal = Kept()
    if what == "fails":
        await_page, failures = bench.shop.fetch, [TransientError("down")]

        async def failing(gone):  # type: ignore[no-untyped-def]
            async for page in await_page(gone):
                yield page
                if failures:
                    raise failures.pop()

        bench.shop.fetch = failing  # type: ignore[method-assign]
        await bench.drained(journal)
    else:
        await stopped_after(bench, journal, 0.0015)
        assert 0 < journal.db.execute("SELECT count(*) FROM orders").fetchone()[0] < 10
        await bench.drained(journal)

    assert {f"shop-{n}" for n in ids(10)} == set(bench.wms.finds_of)
    assert once(*ids(10)) == bench.wms.count()


async def test_it_can_be_read_why_an_order_is_looked_up() -> None:
    """`show` states meanwhile that the order is looked up first, and why."""
    bench = Bench(settle=30)
    bench.shop.put("1")
    journal = Kept("lost")
    await stopped_after(bench, journal, 5)

    row = find(journal.db, "shop", "1")

    assert row is not None
    delivery = row.deliveries["wms"]
    assert ("in_doubt", "looked up first", 0) == (row.state, row.cause, row.attempts)
    assert delivery.detail == "the journal is new in the place of a lost one"
    assert delivery.next_try_at == EPOCH + timedelta(seconds=30)
    await bench.drained(journal)
    row = find(journal.db, "shop", "1")
    assert row is not None
    assert ("acknowledged", None, 1) == (row.state, row.cause, row.attempts)


@pytest.mark.fault(112)
async def test_a_restored_journal_doubles_nothing() -> None:
    """Its new, due and held orders may have been delivered since: all of them are looked up first."""
    bench = Bench(settle=30)
    bench.shop.put(*ids(6))
    bench.shop.put("bad", notes="unmappable")
    journal = Kept()
    bench.wms.failures.extend([TransientError("down")] * 3)
    await stopped_after(bench, journal, 0.004)
    assert journal.db.execute("SELECT count(*) FROM deliveries WHERE state <> 'delivered'").fetchone()[0] > 0
    bench.wms.orders.clear()
    there(bench.wms, *ids(6), "bad", "7")  # what happened after the backup was taken
    bench.shop.put("7")
    bench.wms.finds_of.clear()
    journal.say("doubt", "restored")

    await bench.drained(journal)
    assert {} == {key: content for key, content in bench.shop.feed.items() if key != "bad"}
    bench.shop.put("bad")  # it is mended at the source
    await bench.drained(journal)

    assert once(*ids(7), "bad") == bench.wms.count()
    assert {} == bench.shop.feed


@pytest.mark.fault(112)
async def test_what_a_restored_journal_holds_for_a_code_is_looked_up_when_it_is_released() -> None:
    """It was released and delivered after the backup was taken, and is released again."""
    bench = Bench(settle=30)
    bench.shop.put("bad", notes="unmappable")
    journal = Kept()
    await bench.drained(journal)
    there(bench.wms, "bad")
    journal.say("doubt", "restored")
    await bench.drained(journal)
    bench.wms.default = lambda order: msgspec.structs.replace(  # type: ignore[method-assign]
        MemoryReceiver("x", LoopClock()).default(msgspec.structs.replace(order, notes=""))
    )
    assert await journal.holds.release("missing field: street", EPOCH) == 1

    await bench.drained(journal)

    assert once("bad") == bench.wms.count()
    assert {} == bench.shop.feed


@pytest.mark.fault(112)
async def test_a_restored_journal_asks_before_it_tells_again() -> None:
    """Where a repeat has an effect, orders that the journal has as not acknowledged are read back."""
    bench = Bench(settle=30)
    shop = OnceSource("shop", bench.clock)
    bench.sources["shop"] = shop
    shop.put(*ids(5))
    shop.failures.extend([TransientError("down")] * 1000)
    journal = Kept()
    await stopped_after(bench, journal, 5)
    shop.failures.clear()
    for order_id in ids(3):  # told after the backup was taken
        shop.told[order_id] += 1
        shop.archive[order_id] = shop.feed.pop(order_id)
    journal.say("doubt", "restored")

    await bench.drained(journal)

    assert Counter(ids(5)) == shop.told
    assert {} == shop.feed


@pytest.mark.fault(77, 111)
async def test_a_receiver_that_cannot_be_asked_leaves_it_to_a_person() -> None:
    """After a loss each order is held under a cause of its own; an operator who has looked there releases it."""
    bench = Bench(settle=30)
    wms = put(bench, Unasked("wms", bench.clock))
    bench.shop.put("1", "2")
    there(wms, "1")
    journal = Kept("lost")

    await bench.drained(journal)

    assert once("1") == wms.count()
    held = {(event.order_id, event.cause) for event in bench.events if isinstance(event, OrderHeld)}
    assert {("1", "may already exist at wms"), ("2", "may already exist at wms")} == held
    keys = decisions.keys_of("shop", ["2"], None, journal.db)
    assert keys == decisions.retry(keys, millis(bench.clock.now()), journal.db)
    await bench.drained(journal)
    assert once("1", "2") == wms.count()
    assert ["1"] == list(bench.shop.feed)


async def test_a_new_journal_creates_where_nobody_can_be_asked() -> None:
    """The first of all journals starts like that: nothing indicates an earlier delivery."""
    bench = Bench()
    wms = put(bench, Unasked("wms", bench.clock))
    bench.shop.put(*ids(3))

    await bench.drained(Kept())

    assert once(*ids(3)) == wms.count()


@pytest.mark.fault(111)
async def test_a_receiver_that_recognises_a_repeat_is_sent_it() -> None:
    """An idempotent receiver needs no operator, and no look-up."""
    bench = Bench()
    wms = put(bench, Unasked("wms", bench.clock))
    wms.traits = ReceiverTraits(can_find=False, idempotent=True)
    bench.shop.put(*ids(3))

    await bench.drained(Kept("lost"))

    assert once(*ids(3)) == wms.count()
    assert {} == bench.shop.feed


async def test_always_asks_before_every_create() -> None:
    """Also long after the first poll; a record that another program made under our id is adopted."""
    bench = Bench()
    first_ask(bench, "always")
    bench.shop.put(*ids(3))
    journal = Kept()
    await bench.drained(journal)
    bench.shop.put(*ids(3, first=4))
    there(bench.wms, "5")

    await bench.drained(journal)

    assert once(*ids(6)) == bench.wms.count()
    assert {f"shop-{n}" for n in ids(6)} == set(bench.wms.finds_of)


async def test_never_asks_nobody() -> None:
    """The operator's setting wins, also after a loss."""
    bench = Bench()
    first_ask(bench, "never")
    bench.shop.put(*ids(3))

    await bench.drained(Kept("lost"))

    assert [] == bench.wms.finds_of
    assert once(*ids(3)) == bench.wms.count()


async def test_a_replay_asks_about_what_the_journal_does_not_know() -> None:
    """It lists orders that were exported before the journal existed."""
    bench = Bench()
    bench.shop.put(*ids(3))
    async with bench.running(Kept()) as connector:
        await connector.drain()
        bench.shop.archive |= {order_id: {"id": order_id} for order_id in ids(4, first=4)}
        there(bench.wms, *ids(4, first=4))
        bench.wms.finds_of.clear()

        await connector.replay("shop", EPOCH)
        await connector.drain()

    assert {f"shop-{n}" for n in ids(4, first=4)} == set(bench.wms.finds_of)
    assert once(*ids(7)) == bench.wms.count()


@pytest.mark.parametrize("delivered", [True, False])
async def test_the_source_hears_that_an_order_failed_only_after_a_look_up(delivered: bool) -> None:
    """An order that cannot be mapped any more may have been delivered before the journal was lost."""
    bench = Bench()
    shop = FailingSource("shop", bench.clock)
    bench.sources["shop"] = shop
    shop.put("1", notes="unmappable")
    shop.put("2")  # that it can be mapped bears out that the other one lacks something
    if delivered:
        there(bench.wms, "1")

    await bench.drained(Kept("lost"))

    heard = [outcome for order_id, outcome, _ in shop.outcomes if order_id == "1"]
    assert ["exported" if delivered else "failed"] == heard


async def test_many_are_looked_up_at_once() -> None:
    """Two hundred orders in a new journal cost a receiver with a bulk look-up a handful of calls."""
    bench = Bench()
    wms = Many("wms", bench.clock)
    put(bench, wms)
    bench.shop.put(*ids(200))
    there(wms, *ids(40))

    await bench.drained(Kept())

    assert once(*ids(200)) == wms.count()
    assert {} == bench.shop.feed
    assert wms.readings <= 5
    assert len(wms.finds_of) <= 15


async def test_what_many_cannot_say_is_asked_one_by_one() -> None:
    """Duplicates and uncertain results of a bulk look-up are looked up one by one; the bulk look-up runs once."""
    bench = Bench()
    wms = Many("wms", bench.clock)
    wms.certain = False
    put(bench, wms)
    bench.shop.put(*ids(50))
    there(wms, "7", "7", "8")

    await bench.drained(Kept())

    assert once(*ids(50)) + once("7") == wms.count()
    assert ["7"] == list(bench.shop.feed)
    assert 1 <= wms.readings <= 4
    assert 49 <= len(wms.finds_of) <= 51


@pytest.mark.parametrize("fault", [TransientError("down"), InDoubtError("lost"), ZeroDivisionError()])
async def test_a_reading_that_fails_is_no_answer(fault: Exception) -> None:
    """The orders are looked up one by one; an error in a vendor module stops nothing."""
    bench = Bench()
    wms = Many("wms", bench.clock)
    wms.broken = fault
    put(bench, wms)
    bench.shop.put(*ids(30))
    there(wms, "3")

    await bench.drained(Kept())

    assert once(*ids(30)) == wms.count()


async def test_a_stop_does_not_wait_for_a_long_reading() -> None:
    """It is cancelled, and has no result."""
    bench = Bench()
    wms = Many("wms", bench.clock)
    wms.pause = 500
    put(bench, wms)
    bench.shop.put(*ids(30))
    there(wms, "3")
    journal = Kept()
    async with bench.running(journal) as connector:
        await anyio.sleep(5)
        connector.stop()
    assert bench.clock.monotonic() < 7
    wms.pause = 0.001

    await bench.drained(journal)

    assert once(*ids(30)) == wms.count()


async def test_what_was_known_to_be_absent_is_not_believed_after_a_create() -> None:
    """A cached result is used once: after a create with a lost response the order is looked up anew."""
    bench = Bench(settle=10)
    wms = Many("wms", bench.clock)
    put(bench, wms)
    bench.shop.put(*ids(30))
    wms.lost.extend(InDoubtError("the answer was lost") for _ in range(10))

    await bench.drained(Kept())

    assert once(*ids(30)) == wms.count()
    assert {} == bench.shop.feed


class Account(MemoryReceiver):
    """A receiver that shows the orders of one account."""

    traits = ReceiverTraits(can_find=True, account="one")


@pytest.mark.fault(76)
async def test_what_is_in_doubt_is_not_looked_up_in_another_account() -> None:
    """A look-up there would find nothing, and create a second order; it is held until an operator has looked."""
    bench = Bench(settle=30)
    wms = Account("wms", bench.clock)
    put(bench, wms)
    bench.shop.put(*ids(3))
    wms.lost.append(InDoubtError("the answer was lost"))
    journal = Kept()
    await stopped_after(bench, journal, 5)
    assert 3 == len(wms.orders)
    other = Account("wms", bench.clock)
    other.traits = ReceiverTraits(can_find=True, account="two")
    put(bench, other)

    await bench.drained(journal)

    assert {} == other.count()
    (held,) = journal.db.execute("SELECT cause, detail FROM deliveries WHERE state = 'held'").fetchall()
    assert held[0] == "wms is another account"
    assert "delivered to one, and this is two" in held[1]


@pytest.mark.fault(76)
async def test_another_account_gets_what_was_never_sent() -> None:
    """Correcting a wrong account code on the first day holds nothing."""
    bench = Bench()
    wms = Account("wms", bench.clock)
    wms.down = True
    put(bench, wms)
    bench.shop.put(*ids(3))
    journal = Kept()
    await stopped_after(bench, journal, 5)
    other = Account("wms", bench.clock)
    other.traits = ReceiverTraits(can_find=True, account="two")
    put(bench, other)

    await bench.drained(journal)

    assert once(*ids(3)) == other.count()
