"""Reports to a source after the delivery: in sequence, once, through every failure."""

from __future__ import annotations

import random
from collections import Counter
from datetime import timedelta

import anyio
import msgspec
import pytest

from connector.app import Connector
from connector.errors import RejectedError, SettingsError, TransientError, Unmappable
from connector.events import ProgressReported
from connector.journal.sqlite import MemoryJournal
from connector.progress import Progress
from connector.settings.model import ProgressReport, ProgressSettings
from connector.settings.values import Duration
from tests.doubles import EPOCH, FollowedReceiver, LoopClock, ReportingSource, lost_answer
from tests.flow.bench import Bench
from tests.flow.test_crash import Kept, stopped_dead

pytestmark = pytest.mark.looptime


class Yard(Bench):
    """A bench whose source accepts reports, and whose receiver is polled every `interval` seconds."""

    def __init__(self, *, interval: float = 300, seed: int = 1, delay: float = 0.001) -> None:
        super().__init__(ack_interval=0.1, poll_interval=600)
        self.clock = LoopClock(seed)
        self.source = ReportingSource("shop", self.clock, delay=delay)
        self.sources["shop"] = self.source
        self.receiver = FollowedReceiver("wms", self.clock)
        self.receivers["wms"] = self.receiver
        self.follow(interval=Duration(interval))

    def follow(self, **settings: object) -> None:
        """Set the table and interval of the status."""
        route = self.settings.routes[0]
        progress = ProgressSettings(**settings)  # type: ignore[arg-type]
        self.settings.routes[0] = type(route)(source="shop", receivers=["wms"], progress=progress)

    def entries(self) -> list[tuple[str, str, str]]:
        """Return the source's timeline: order, status, stop."""
        return [
            (order, event["status"], event["location"])
            for order, events in self.source.timeline.items()
            for event in events
        ]


def event(comment: str, minute: float = 0) -> Progress:
    """Return a report with a comment that identifies it."""
    return Progress(status="OTHER", location="DELIVERY", at=EPOCH + timedelta(minutes=minute), comment=comment)


async def drained(connector: Connector) -> None:
    """Wait until all is done."""
    with anyio.fail_after(36_000):
        await connector.drain()


async def states(journal: MemoryJournal) -> dict[str, list[str]]:
    """Return the states of the reports of each order."""
    found: dict[str, list[str]] = {}
    for order_id, state in await journal.read(
        lambda db: db.execute("SELECT order_id, state FROM reports ORDER BY id").fetchall()
    ):
        found.setdefault(order_id, []).append(state)
    return found


async def test_reports_arrive_in_order_for_each_order() -> None:
    """Through every failure: reports of an order arrive in sequence, one at a time, and other orders do not wait."""
    yard = Yard()
    yard.source.put("1", "2")
    async with yard.running(MemoryJournal()) as connector:
        await drained(connector)
        yard.source.report_failures.extend([TransientError("502"), lost_answer(), TransientError("502")])
        for number in range(5):
            for order_id in ("1", "2"):
                assert await connector.report("shop", order_id, event(f"{number}", number))
        await drained(connector)
        await anyio.sleep(1)

    assert ["0", "1", "2", "3", "4"] == yard.source.said("1") == yard.source.said("2")
    told = [each for each in yard.events if isinstance(each, ProgressReported)]
    assert Counter({"1": 5, "2": 5}) == Counter(each.order_id for each in told)
    assert {"status": "OTHER", "location": "DELIVERY", "date": "2026-03-24T09:00:00Z"} == told[0].report


async def test_nobodys_words_are_kept_when_the_source_has_them() -> None:
    """Of a report that has arrived the journal keeps the parts that identify it; comments name people."""
    yard = Yard()
    yard.source.put("1")
    journal = MemoryJournal()
    async with yard.running(journal) as connector:
        await drained(connector)
        await connector.report("shop", "1", event("John Smith has it"))
        await drained(connector)
        (body,) = await journal.read(lambda db: db.execute("SELECT body FROM reports").fetchone())

    assert ["John Smith has it"] == yard.source.said("1")
    assert b'{"status":"OTHER","location":"DELIVERY","date":"2026-03-24T09:00:00Z"}' == body


async def test_the_same_report_is_told_once() -> None:
    """A repeat is recognised before and after the report is sent, and after a restart."""
    yard = Yard()
    yard.source.put("1")
    journal = Kept()
    for run in range(3):
        async with yard.running(journal) as connector:
            await drained(connector)
            added = [await connector.report("shop", "1", event("once")) for _ in range(3)]
            await drained(connector)
            added.append(await connector.report("shop", "1", event("once")))
        assert sum(added) == (run == 0)

    assert ["once"] == yard.source.said("1")
    await MemoryJournal.aclose(journal)


@pytest.mark.parametrize("applied", [True, False])
async def test_a_lost_answer_is_read_back_before_anything_is_repeated(applied: bool) -> None:
    """Applied or not, the source has one entry in the end, and was read back first."""
    yard = Yard()
    yard.source.put("1")
    async with yard.running(MemoryJournal()) as connector:
        await drained(connector)
        (yard.source.report_lost if applied else yard.source.report_failures).append(lost_answer())
        await connector.report("shop", "1", event("a"))
        await connector.report("shop", "1", event("b", 1))
        start = yard.clock.monotonic()
        await drained(connector)

    assert ["a", "b"] == yard.source.said("1")
    assert ["1"] == yard.source.read_back
    assert yard.clock.monotonic() - start >= 30  # the call may go on over there for as long as it may take


async def test_a_lost_answer_is_read_back_when_it_has_settled() -> None:
    """The call may be applied long after its timeout: until then the timeline proves nothing."""
    yard = Yard()
    own = yard.settings.sources["shop"]
    yard.settings.sources["shop"] = msgspec.structs.replace(own, timeout=Duration(5), settle=Duration(90))
    yard.source.put("1")
    async with yard.running(MemoryJournal()) as connector:
        await drained(connector)
        yard.source.report_lost.append(lost_answer())
        await connector.report("shop", "1", event("a"))
        await anyio.sleep(80)
        assert [] == yard.source.read_back
        await drained(connector)

    assert ["1"] == yard.source.read_back


async def test_what_cannot_be_told_apart_is_parked_and_released_by_a_person() -> None:
    """An entry that could be this report or another one leads to no repetition, until an operator has looked."""
    yard = Yard()
    yard.source.put("1", "2")
    yard.source.timeline["1"] = [{"what": "something happened"}]
    yard.source.report_failures.append(lost_answer())
    journal = MemoryJournal()
    async with yard.running(journal) as connector:
        await drained(connector)
        await connector.report("shop", "1", event("a"))
        await connector.report("shop", "2", event("a"))
        await drained(connector)

        assert {"1": ["parked"], "2": ["confirmed"]} == await states(journal)
        assert ["a"] == yard.source.said("2")
        yard.source.timeline["1"] = []
        await journal.read(lambda db: db.execute("UPDATE reports SET state = 'pending' WHERE state = 'parked'"))
        connector.look()
        await drained(connector)

        assert ["a"] == yard.source.said("1")


async def test_a_source_that_cannot_show_its_reports_is_told_none_twice() -> None:
    """A lost response at a source without a timeline parks the report, and does not affect the breaker."""
    yard = Yard()
    yard.source.put("1")
    yard.source.mute = True
    journal = MemoryJournal()
    async with yard.running(journal) as connector:
        await drained(connector)
        yard.source.report_lost.append(lost_answer())
        await connector.report("shop", "1", event("a"))
        await drained(connector)
        reasons = await journal.read(lambda db: db.execute("SELECT state, reason FROM reports").fetchall())

    assert ["a"] == yard.source.said("1")
    ((state, reason),) = reasons
    assert "parked" == state
    assert "look there" in reason


async def test_a_refused_report_is_parked_and_blocks_nobody() -> None:
    """The source's reason is kept; the order's next report and other orders continue."""
    yard = Yard()
    yard.source.put("1", "2")
    yard.source.report_failures.append(RejectedError("no such stop"))
    journal = MemoryJournal()
    async with yard.running(journal) as connector:
        await drained(connector)
        await connector.report("shop", "1", event("a"))
        await connector.report("shop", "1", event("b"))
        await connector.report("shop", "2", event("c"))
        await drained(connector)

        assert {"1": ["parked", "confirmed"], "2": ["confirmed"]} == await states(journal)
        (reason,) = await journal.read(
            lambda db: db.execute("SELECT reason FROM reports WHERE state = 'parked'").fetchone()
        )
    assert "no such stop" == reason
    assert (["b"], ["c"]) == (yard.source.said("1"), yard.source.said("2"))


async def test_the_source_hears_of_the_export_first() -> None:
    """A report waits for the acknowledgement of its order that is under way."""
    yard = Yard()
    yard.source.failures.extend([TransientError("later", retry_after=100)] * 2)
    yard.source.put("1")
    async with yard.running(MemoryJournal()) as connector:
        await anyio.sleep(20)
        assert 1 == len(yard.receiver.orders)
        await connector.report("shop", "1", event("a"))
        await anyio.sleep(20)
        assert [] == yard.source.said("1")
        await drained(connector)

    assert ["1"] == [*yard.source.told]
    assert ["a"] == yard.source.said("1")


async def test_a_stop_sends_what_is_due() -> None:
    """Reports due before the stop are sent before the end; those that are due later stay in the journal."""
    yard = Yard()
    yard.source.put("1")
    journal = Kept()
    async with yard.running(journal) as connector:
        await drained(connector)
        for number in range(20):
            await connector.report("shop", "1", event(str(number), number))
        connector.stop()
    assert 20 == len(yard.source.said("1"))

    async with yard.running(journal) as connector:
        await drained(connector)
        yard.source.report_failures.append(TransientError("down", retry_after=3000))
        await connector.report("shop", "1", event("last"))
        await anyio.sleep(1)
        start = yard.clock.monotonic()
        connector.stop()
    assert yard.clock.monotonic() - start < 10
    assert 20 == len(yard.source.said("1"))
    await MemoryJournal.aclose(journal)


@pytest.mark.parametrize("seed", range(30))
async def test_stopped_dead_again_and_again(seed: int) -> None:
    """After any number of crashes each report is at the source once, in sequence."""
    chance = random.Random(seed)
    yard = Yard(interval=chance.choice([0.05, 1, 5]), seed=seed, delay=chance.choice([0.001, 0.02]))
    yard.source.put(*(str(number) for number in range(8)))
    journal = Kept()
    await yard.drained(journal)
    for _ in range(chance.randrange(4)):
        yard.source.report_failures.append(chance.choice([lost_answer(), TransientError("refused")]))
        yard.source.report_lost.append(lost_answer())
    made = 0
    for _ in range(chance.randrange(2, 7)):
        for _ in range(3):
            body = yard.source.encode_report("0", event(str(made), made))
            assert await journal.reports.add("shop", "0", body, yard.clock.now())
            made += 1
        for number in chance.sample(range(1, 8), 2):
            yard.receiver.statuses[f"shop-{number}"] = "shipped"
        await stopped_dead(yard, journal, chance.uniform(0, 0.2) if chance.random() < 0.7 else chance.uniform(0, 60))
    await yard.drained(journal)

    assert [str(number) for number in range(made)] == yard.source.said("0")
    shipped = {name.removeprefix("shop-") for name in yard.receiver.statuses}
    assert {(order, "COMPLETE", "PICKUP") for order in shipped} == {each for each in yard.entries() if each[0] != "0"}
    assert all(len(yard.source.timeline[order]) == 1 for order in shipped)
    await MemoryJournal.aclose(journal)


async def test_each_new_status_is_reported_once() -> None:
    """Over restarts, by the default table: a problem, then shipped; a status outside the table is not reported."""
    yard = Yard()
    yard.source.put("1", "2", "3")
    journal = Kept()
    steps = [{}, {"1": "processing"}, {"1": "problem", "2": "Shipped"}, {"1": "shipped", "3": "cancelled"}, {}]
    for step in steps:
        yard.receiver.statuses |= {f"shop-{order}": status for order, status in step.items()}
        for _ in range(2):
            async with yard.running(journal) as connector:
                await drained(connector)
                await anyio.sleep(1000)

    assert {
        ("1", "OTHER", "PICKUP"),
        ("1", "COMPLETE", "PICKUP"),
        ("2", "COMPLETE", "PICKUP"),
        ("3", "CANNOT_HANDLE_ORDER", "PICKUP"),
    } == set(yard.entries())
    assert 4 == len(yard.entries())
    assert ["wms: problem", ""] == yard.source.said("1")
    await MemoryJournal.aclose(journal)


async def test_an_order_at_its_end_is_not_asked_about_any_more() -> None:
    """A shipped order is not followed; the others are, in pages, each order once a poll."""
    yard = Yard(interval=100)
    yard.source.put(*(str(number) for number in range(120)))
    async with yard.running(MemoryJournal()) as connector:
        await drained(connector)
        yard.receiver.statuses = {f"shop-{number}": "shipped" for number in range(60)}
        await anyio.sleep(150)
        yard.receiver.asked.clear()
        await anyio.sleep(100)

    asked = [name for page in yard.receiver.asked for name in page]
    assert Counter(f"shop-{number}" for number in range(60, 120)) == Counter(asked)
    assert [50, 10] == [len(page) for page in yard.receiver.asked]
    assert 60 == len(yard.entries())


async def test_only_what_the_source_knows_as_exported_is_followed() -> None:
    """An order that is held, or whose acknowledgement was refused, is not followed."""
    yard = Yard(interval=10)
    yard.source.put("1")
    yard.source.put("2", notes="unmappable")
    yard.source.failures.append(RejectedError("it is not there"))
    async with yard.running(MemoryJournal()) as connector:
        await drained(connector)
        yard.receiver.statuses = {"shop-1": "shipped"}
        await anyio.sleep(100)

    assert [] == yard.receiver.asked
    assert {} == yard.source.timeline


async def test_the_table_of_the_settings_goes_over_the_default_one() -> None:
    """A status is reported as the table states, or ignored; others keep their default meaning."""
    yard = Yard()
    yard.follow(
        interval=Duration(10),
        statuses={
            "picked": ProgressReport(status="COMPLETE", location="PICKUP", comment="on its way"),
            "shipped": "ignore",
        },
        final=["gone"],
    )
    yard.source.put("1", "2")
    async with yard.running(MemoryJournal()) as connector:
        await drained(connector)
        for status in ("picked", "shipped", "problem"):
            yard.receiver.statuses["shop-1"] = status
            await anyio.sleep(30)

    assert [("1", "COMPLETE", "PICKUP"), ("1", "OTHER", "PICKUP")] == yard.entries()
    assert ["on its way", "wms: problem"] == yard.source.said("1")


async def test_a_receiver_that_is_down_is_asked_again_later() -> None:
    """Nothing is lost by it, and nothing ends."""
    yard = Yard(interval=10)
    yard.source.put("1")
    async with yard.running(MemoryJournal()) as connector:
        await drained(connector)
        yard.receiver.statuses["shop-1"] = "shipped"
        yard.receiver.down = True
        await anyio.sleep(50)
        yard.receiver.down = False
        await anyio.sleep(50)

    assert [("1", "COMPLETE", "PICKUP")] == yard.entries()


async def test_a_drain_looks_at_the_progress_of_orders() -> None:
    """`run --once`, called again and again, reports as well as a connector that keeps running."""
    yard = Yard(interval=100_000)
    yard.source.put("1")
    journal = Kept()
    await yard.drained(journal)
    yard.receiver.statuses["shop-1"] = "shipped"
    yard.receiver.delay = 5
    await yard.drained(journal)

    assert [("1", "COMPLETE", "PICKUP")] == yard.entries()
    await MemoryJournal.aclose(journal)


async def test_an_order_that_its_own_source_cancelled_is_not_given_back_to_it() -> None:
    """The receiver's `cancelled` is the effect of our own cancellation then."""
    yard = Yard(interval=10)
    yard.source.put("1", "2")
    journal = MemoryJournal()
    async with yard.running(journal) as connector:
        await drained(connector)
        await journal.read(
            lambda db: db.execute(
                "INSERT INTO changes (key, receiver, what, revision, state)"
                " SELECT key, 'wms', 'cancel', 'b', 'done' FROM orders WHERE order_id = '1'"
            )
        )
        yard.receiver.statuses = {"shop-1": "cancelled", "shop-2": "cancelled"}
        await anyio.sleep(30)

    assert [("2", "CANNOT_HANDLE_ORDER", "PICKUP")] == yard.entries()


async def test_a_report_from_another_process_is_sent_at_once() -> None:
    """A row that another process wrote is found, and sent."""
    yard = Yard()
    yard.source.put("1")
    journal = Elsewhere()
    async with yard.running(journal) as connector:
        await drained(connector)
        body = yard.source.encode_report("1", event("from the command line"))
        await journal.reports.add("shop", "1", body, yard.clock.now())
        await anyio.sleep(100)
        assert [] == yard.source.said("1")  # or the rest would show nothing
        journal.version += 1
        await anyio.sleep(5)

        assert ["from the command line"] == yard.source.said("1")


class Elsewhere(MemoryJournal):
    """A journal that reports writes of another process on demand."""

    version = 0

    async def changed_elsewhere(self) -> int:
        """Return the counter of the test."""
        return self.version


async def test_mistakes_are_told_at_once() -> None:
    """A source without reports, a missing source, and a kind that it has no words for: no report is recorded."""
    yard, plain = Yard(), Bench()
    async with yard.running(MemoryJournal()) as connector:
        with pytest.raises(SettingsError, match="depot is not there"):
            await connector.report("depot", "1", event("a"))
        with pytest.raises(Unmappable, match="not a report"):
            await connector.report("shop", "1", {"status": "LATE"})
        await drained(connector)
    async with plain.running(MemoryJournal()) as connector:
        with pytest.raises(SettingsError, match="takes no reports"):
            await connector.report("shop", "1", event("a"))
    assert {} == yard.source.timeline


async def test_a_defect_of_a_source_is_a_lost_answer(caplog: pytest.LogCaptureFixture) -> None:
    """An internal error may have come before or after the report was accepted: it is read back."""
    yard = Yard()
    yard.source.put("1")

    class Broken(Exception):
        pass

    async with yard.running(MemoryJournal()) as connector:
        await drained(connector)
        yard.source.report_lost.append(Broken())  # type: ignore[arg-type]
        await connector.report("shop", "1", event("a"))
        await drained(connector)

    assert ["a"] == yard.source.said("1")
    assert ["1"] == yard.source.read_back
    assert "internal error" in caplog.text
