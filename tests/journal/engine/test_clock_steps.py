"""Steps of the machine's clock: no deadline comes later for one, and none earlier."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import datetime, timedelta

import anyio
import pytest

from connector.ack import Unknown
from connector.clock import SteadyClock
from connector.journal import repairs
from connector.journal.engine import clock_steps
from connector.journal.engine.codec import millis, moment
from connector.journal.engine.migrations import migrate
from connector.journal.records import ChangeOutcome, Delivered, InDoubt, Listing, NotSent, RelistPolicy, ReportOutcome
from connector.journal.sqlite import MemoryJournal
from connector.journal.tables import lookup_first
from connector.journal.views.orders import orders, reports
from connector.journal.views.status import status
from tests.contracts.journal_bench import acknowledged, arrival, at, delivered, found, intend, rows, settle, settle_ack
from tests.doubles import SteppingClock

pytestmark = pytest.mark.looptime

HOUR = 3600.0
SETTLE = {"wms": 30.0}

COUNTS = frozenset(
    {
        *((table, "key") for table in ("orders", "payloads", "deliveries", "changes", "history", "ack_terms")),
        *((table, "id") for table in ("reports", "history", "replays", "clock")),
        *((table, "attempts") for table in ("deliveries", "changes", "reports")),
        ("orders", "ack_attempts"),
        ("orders", "failures"),
        ("orders", "ack_moved"),
        ("orders", "payload_version"),
        ("deliveries", "required"),
        ("deliveries", "fence"),
        ("deliveries", "may_know"),
        ("deliveries", "unfit"),
        ("leases", "fence"),
        ("replays", "listed"),
        ("replays", "fresh"),
        ("clock", "ahead"),
        *(("rejections", column) for column in ("key", "times", "number", "held")),
        *(("relisted", column) for column in ("key", "times", "parked")),
        *(("changes", column) for column in ("sending", "applied", "unshown")),
    }
)
"""Numbers that are no times: a time between two times is none either."""


def test_every_time_is_a_deadline_or_a_record() -> None:
    """A new column of numbers has to be put into one of the lists of `steps`, or here; and none is in two of them."""
    with closing(sqlite3.connect(":memory:")) as db:
        migrate(db)
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        there = {
            (table, column)
            for table in tables
            for _, column, kind, *_ in db.execute(f"PRAGMA table_info({table})")
            if kind == "INTEGER"
        }
    lists = [{each[:2] for each in clock_steps.DEADLINES}, clock_steps.RECORDS, clock_steps.UNUSED, COUNTS]
    assert there == set().union(*lists)
    assert len(there) == sum(map(len, lists))


class Machine:
    """A machine with a journal, and the process on it: its clock, from one start to the next."""

    def __init__(self) -> None:
        self.clock = SteppingClock()
        self.journal = MemoryJournal()
        self.steady = SteadyClock(self.clock)

    async def start(self) -> timedelta:
        """Start a process, as `Connector` does; return by how much that moved the waiting rows."""
        self.steady = SteadyClock(self.clock)
        moved = await self.journal.clock_steps.follow(self.steady)
        now = self.steady.now()
        await self.journal.recover(now, SETTLE, 300.0)
        await self.journal.reports.recover(now, 30.0, 300.0)
        return moved

    @property
    def now(self) -> float:
        """The process's time, as the bench of the journals counts it."""
        return (self.steady.now() - at()).total_seconds()

    def after(self, seconds: float) -> datetime:
        """Return the process's time in so many seconds."""
        return self.steady.now() + timedelta(seconds=seconds)

    async def waits(self) -> list[float]:
        """Return how many seconds each kind of thing waits still: delivery, ack, change, report, way."""
        questions = (
            "SELECT min(next_try_at) FROM deliveries WHERE state IN ('ready', 'in_doubt')",
            "SELECT min(ack_next) FROM orders WHERE ack_state = 'in_doubt'",
            "SELECT min(next_try_at) FROM changes",
            "SELECT min(next_try_at) FROM reports",
            "SELECT min(until) FROM lookup_first",
        )
        now = millis(self.steady.now())
        return [(due - now) / 1000 for question in questions for ((due,),) in [await rows(self.journal, question)]]


async def waiting(machine: Machine) -> None:
    """Put one of everything into the journal that waits, each for another time."""
    journal = machine.journal
    await machine.start()
    doubtful, told, changed = [await found(journal, number) for number in ("1", "2", "3")]
    assert await intend(journal, doubtful)
    await settle(journal, doubtful, InDoubt("lost", machine.after(25)))
    await delivered(journal, told)
    await journal.acks.claim([told], machine.steady.now())
    await settle_ack(journal, told, Unknown("lost"), next_try=machine.now + 26)
    await delivered(journal, changed)
    await acknowledged(journal, changed)
    listing = Listing(asked_at=machine.steady.now())
    await journal.orders.ingest("shop", [arrival("3", "b")], listing, machine.steady.now())
    (change,) = await journal.changes.due("wms", machine.steady.now(), 9)
    await journal.changes.settle("wms", change, ChangeOutcome("due", "down", machine.after(27)), machine.steady.now())
    await journal.reports.add("shop", "9", b"a", machine.steady.now())
    (report,) = await journal.reports.due("shop", machine.steady.now(), 9)
    await journal.reports.claim([report.id], machine.steady.now())
    await journal.reports.settle(report, ReportOutcome("in_doubt", "lost", machine.after(28)), machine.steady.now())
    await rows(journal, "INSERT INTO lookup_first VALUES ('shop', 'wms', 'lost', ?)", millis(machine.after(29)))
    assert await machine.waits() == [25, 26, 27, 28, 29]


@pytest.mark.fault(25, 121)
@pytest.mark.parametrize("noted", [True, False])
@pytest.mark.parametrize("jumps", [(HOUR,), (-HOUR,), (86_400, -HOUR, 600), (-86_400, 1)])
async def test_what_waits_waits_as_long_as_it_was_meant_to(jumps: tuple[float, ...], noted: bool) -> None:
    """In the process that lives through the steps, and in the next one; also when it died before it could note them."""
    machine = Machine()
    await waiting(machine)
    for jump in jumps:
        machine.clock.skew += jump
        await anyio.sleep(1)
        if noted:
            assert await machine.journal.clock_steps.note() == timedelta(seconds=jump)
            assert await machine.journal.clock_steps.note() == timedelta()
    past = len(jumps)
    left = [each - past for each in (25, 26, 27, 28, 29)]
    assert await machine.waits() == pytest.approx(left)
    assert await machine.start() == timedelta(seconds=sum(jumps))
    assert await machine.waits() == pytest.approx(left)
    assert await machine.start() == timedelta()
    assert await machine.waits() == pytest.approx(left)


@pytest.mark.fault(121)
@pytest.mark.parametrize("jump", [HOUR, -HOUR])
async def test_a_clock_that_is_set_while_nothing_runs_moves_what_waits(jump: float) -> None:
    """The machine says how long it has run; the time that has passed meanwhile has passed."""
    machine = Machine()
    await waiting(machine)
    await anyio.sleep(5)
    machine.clock.skew += jump
    await anyio.sleep(5)
    assert await machine.start() == timedelta(seconds=jump)
    assert await machine.waits() == pytest.approx([15, 16, 17, 18, 19])


@pytest.mark.fault(25)
@pytest.mark.parametrize("jump", [-HOUR, 0, HOUR])
async def test_after_a_restart_of_the_machine_a_doubt_waits_anew(jump: float) -> None:
    """Nobody can tell how long it was off: a create that may be applied yet gets a whole settle time, from now on."""
    machine = Machine()
    await waiting(machine)
    machine.clock.skew += jump
    machine.clock.booted = "again"
    await machine.start()
    await machine.journal.store.write(lambda db: lookup_first.begin([], millis(machine.steady.now()), db))
    delivery, _, change, report, way = await machine.waits()
    assert delivery == 30
    assert 30 <= report <= 300
    assert change <= 330
    assert way > 30  # `begin` pulls it in for the ways that there are


@pytest.mark.parametrize(("first", "then"), [("", ""), ("once", ""), ("", "once")])
async def test_where_the_machine_does_not_say_it_what_was_noted_counts(first: str, then: str) -> None:
    """And no doubt is begun anew: a process that keeps dying comes to its look-ups all the same."""
    machine = Machine()
    machine.clock.booted = first
    await waiting(machine)
    machine.clock.skew += HOUR
    assert await machine.journal.clock_steps.note() == timedelta(hours=1)
    machine.clock.booted = then
    assert await machine.start() == timedelta(hours=1)
    assert await machine.waits() == [25, 26, 27, 28, 29]


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
async def test_people_see_when_by_their_clock(jump: float) -> None:
    """A next try is shown by the clock on their wall, and a record has that clock's time of when it happened."""
    machine = Machine()
    await machine.start()
    journal = machine.journal
    early = machine.clock.now()
    key = await found(journal)
    machine.clock.skew += jump
    await journal.clock_steps.note()
    assert await intend(journal, key, now=machine.now)
    await settle(journal, key, NotSent("down", machine.after(60)), now=machine.now)
    await journal.reports.add("shop", "1", b"a", machine.steady.now())
    (order,) = await journal.read(lambda db: orders(db, [key]))
    wall = machine.clock.now()
    assert order.deliveries["wms"].next_try_at == wall + timedelta(seconds=60)
    assert order.deliveries["wms"].intent_at == wall
    assert order.found_at == early
    (report,) = await journal.read(lambda db: reports(db, "shop", "1"))
    assert (report.made_at, report.next_try_at) == (wall, wall)


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
async def test_a_person_makes_a_look_up_due_at_once(jump: float) -> None:
    """By another process, whose clock is the machine's."""
    machine = Machine()
    await waiting(machine)
    machine.clock.skew += jump
    await machine.journal.clock_steps.note()
    now = millis(machine.clock.now())
    ((key,),) = await rows(machine.journal, "SELECT key FROM deliveries WHERE state = 'in_doubt'")
    assert await machine.journal.store.write(lambda db: repairs.look_again(key, "wms", now, db))
    assert await machine.journal.lookup_first.due("wms", machine.steady.now(), 9) == ["shop-1"]


@pytest.mark.fault(98)
@pytest.mark.parametrize("jump", [-HOUR, HOUR])
async def test_the_age_of_an_acknowledgement_is_not_a_matter_of_the_clock(jump: float) -> None:
    """It counts the time that has passed, before and after a step; the time in the acknowledgement stays as it was."""
    machine = Machine()
    await machine.start()
    journal = machine.journal
    key = await found(journal)
    assert await intend(journal, key)
    done = await settle(journal, key, Delivered("1", "R1"), now=machine.now)
    assert done.ack is not None
    await anyio.sleep(10)
    machine.clock.skew += jump
    await journal.clock_steps.note()
    other = await found(journal, "2")
    assert await intend(journal, other)
    await settle(journal, other, Delivered("2", "R2"), now=machine.now)
    await anyio.sleep(5)
    assert await journal.acks.oldest(machine.steady.now()) == {"shop": 15}
    stand = await journal.read(status)
    assert stand.sources["shop"].untold_since == machine.clock.now() - timedelta(seconds=15)
    again = {ack.key: ack.at for ack in await journal.acks.due("shop", "pending", machine.steady.now())}
    assert again == {key: done.ack.at, other: moment(millis(machine.clock.now() - timedelta(seconds=5)))}
    await acknowledged(journal, key)
    assert await journal.acks.oldest(machine.steady.now()) == {"shop": 5}


@pytest.mark.parametrize("jump", [-HOUR, HOUR])
async def test_what_fell_due_after_a_step_that_is_not_noted_yet_is_as_old_as_it_is(jump: float) -> None:
    """Its time is by the new clock already."""
    machine = Machine()
    await machine.start()
    journal = machine.journal
    machine.clock.skew += jump
    key = await found(journal)
    assert await intend(journal, key, now=machine.now)
    await settle(journal, key, Delivered("1", "R1"), now=machine.now)
    await anyio.sleep(0.5)
    await journal.clock_steps.note()
    await anyio.sleep(4.5)
    assert await journal.acks.oldest(machine.steady.now()) == {"shop": 5}


@pytest.mark.fault(121)
@pytest.mark.parametrize("jump", [-HOUR, HOUR])
async def test_a_page_from_before_a_step_makes_nobody_be_told_twice(jump: float) -> None:
    """It was requested before the source confirmed, whatever the clocks say; a page from after it counts again."""
    machine = Machine()
    await machine.start()
    journal = machine.journal
    key = await found(journal)
    await delivered(journal, key)
    asked_at = machine.steady.now()
    await anyio.sleep(1)
    if jump < 0:
        machine.clock.skew += jump
    await acknowledged(journal, key, now=machine.now)
    if jump > 0:
        machine.clock.skew += jump
    await anyio.sleep(1)
    (page,) = await journal.orders.ingest("shop", [arrival()], Listing(asked_at=asked_at), machine.steady.now())
    assert page.what == "known"
    await anyio.sleep(1)
    (page,) = await journal.orders.ingest(
        "shop", [arrival()], Listing(asked_at=machine.steady.now()), machine.steady.now()
    )
    assert page.what == "reacknowledge"


@pytest.mark.fault(111, 121)
@pytest.mark.parametrize("jump", [-HOUR, HOUR])
async def test_a_walk_ends_no_caution_before_its_time(jump: float) -> None:
    """Creates that a lost journal may have begun have to settle, before a walk shows that all else is newer."""
    machine = Machine()
    await waiting(machine)
    machine.clock.skew += jump
    await machine.journal.endpoints.polled("shop", machine.steady.now(), "", complete=True)
    assert await machine.waits() == [25, 26, 27, 28, 29]
    await anyio.sleep(29)
    await machine.journal.endpoints.polled("shop", machine.steady.now(), "", complete=True)
    assert await rows(machine.journal, "SELECT kind, until FROM lookup_first") == [("replay", 0)]


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
@pytest.mark.parametrize("starts", [1, 2, 3])
async def test_no_later_process_compares_a_list_with_a_confirmation_from_before_a_step(
    jump: float, starts: int
) -> None:
    """The clock was set while nothing ran: its time says nothing of how old a confirmation is, at any later start."""
    machine = Machine()
    await machine.start()
    key = await found(machine.journal, "1")
    await delivered(machine.journal, key)
    await acknowledged(machine.journal, key)
    machine.clock.skew += jump
    for _ in range(starts):
        await machine.start()
    assert not await listed_again(machine)
    await anyio.sleep(31)
    assert await listed_again(machine)


async def listed_again(machine: Machine) -> bool:
    """List the order that was confirmed; return True if it is acknowledged again."""
    listing = Listing(asked_at=machine.steady.now(), again=RelistPolicy(settle=30))
    (known,) = await machine.journal.orders.ingest("shop", [arrival("1")], listing, machine.steady.now())
    return known.what == "reacknowledge"


async def test_no_list_is_compared_with_a_confirmation_from_before_a_restore() -> None:
    """A newer journal may have acknowledged just now, and the source's list may be behind that."""
    machine = Machine()
    await machine.start()
    key = await found(machine.journal, "1")
    await delivered(machine.journal, key)
    await acknowledged(machine.journal, key)
    await anyio.sleep(3600)
    await rows(machine.journal, "INSERT INTO identity (name, value) VALUES ('doubt', 'restored')")
    await machine.start()
    await machine.journal.lookup_first.begin([], machine.steady.now())
    assert not await listed_again(machine)
    await anyio.sleep(10)
    await machine.start()
    assert not await listed_again(machine)
    await anyio.sleep(31)
    assert await listed_again(machine)
