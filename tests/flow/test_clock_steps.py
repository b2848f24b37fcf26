"""Steps of the machine's clock while the connector runs: no deadline moves in either direction."""

from __future__ import annotations

import logging
from datetime import timedelta

import anyio
import pytest

from connector.clock import Boot
from connector.errors import TransientError
from connector.events import AcknowledgementsLate, OrderAcknowledged
from connector.journal.sqlite import MemoryJournal
from tests.doubles import SteppingClock, lost_answer
from tests.flow.bench import Bench
from tests.flow.test_crash import Kept, stopped_dead

pytestmark = pytest.mark.looptime

HOUR = 3600.0
DAY = 86_400.0


class Machine(Bench):
    """A bench on a machine whose clock can be set."""

    clock: SteppingClock

    def __init__(self, **options: float) -> None:
        super().__init__(**options)  # type: ignore[arg-type]
        self.clock = SteppingClock()


@pytest.mark.fault(69, 121)
@pytest.mark.parametrize("jumps", [(HOUR,), (-HOUR,), (DAY, -DAY), (-600, 1200), (HOUR, HOUR)])
async def test_a_doubt_settles_in_its_own_time_whatever_the_clock_is_set_to(jumps: tuple[float, ...]) -> None:
    """The look-up comes as soon as the settle time has passed, and no sooner; so there is one record."""
    bench = Machine(settle=30)
    bench.shop.put("1")
    bench.wms.lost.append(lost_answer())
    async with bench.running(MemoryJournal()):
        await anyio.sleep(5)
        for jump in jumps:
            bench.clock.skew += jump
            await anyio.sleep(5)
        assert bench.wms.finds_of == []
        await anyio.sleep(29 - 5 - 5 * len(jumps))
        assert bench.wms.finds_of == []
        await anyio.sleep(3)
        assert bench.wms.finds_of == ["shop-1"]
        await anyio.sleep(5)
    assert bench.wms.count() == {"shop-1": 1}
    assert bench.shop.told == {"1": 1}


@pytest.mark.fault(25, 121)
@pytest.mark.parametrize("jump", [HOUR, -HOUR])
@pytest.mark.parametrize("noted", [True, False])
async def test_the_next_process_lets_a_doubt_settle_too(jump: float, noted: bool) -> None:
    """The doubt settles whether or not the step was recorded before the process died."""
    bench = Machine(settle=30)
    bench.shop.put("1")
    bench.wms.lost.append(lost_answer())
    journal = Kept()
    async with anyio.create_task_group() as tg:
        tg.start_soon(stopped_dead, bench, journal, 10 if noted else 5.0001)
        await anyio.sleep(5)
        bench.clock.skew += jump
    left = 20 if noted else 25
    async with bench.running(journal):
        await anyio.sleep(left - 1)
        assert bench.wms.finds_of == []
        await anyio.sleep(3)
        assert bench.wms.finds_of == ["shop-1"]
        await anyio.sleep(5)
    await MemoryJournal.aclose(journal)
    assert bench.wms.count() == {"shop-1": 1}


@pytest.mark.fault(121)
@pytest.mark.parametrize("jump", [HOUR, -HOUR])
async def test_a_retry_comes_when_it_was_to_come(jump: float) -> None:
    """A receiver that was down for a moment has the order within its longest delay, and no sooner than requested."""
    bench = Machine()
    bench.shop.put("1")
    bench.wms.failures.append(TransientError("busy", retry_after=20))
    async with bench.running(MemoryJournal()):
        await anyio.sleep(5)
        bench.clock.skew += jump
        await anyio.sleep(14)
        assert bench.wms.count() == {}
        await anyio.sleep(8)
        assert bench.wms.count() == {"shop-1": 1}
        await anyio.sleep(5)
    assert bench.shop.told == {"1": 1}


@pytest.mark.fault(98, 121)
async def test_a_step_ahead_is_no_alarm_for_what_is_to_be_told() -> None:
    """The acknowledgement has waited for a minute, not an hour; the alarm comes when that time has really passed."""
    bench = Machine()
    bench.shop.failures.extend(TransientError("busy") for _ in range(1000))
    bench.shop.put("1")
    async with bench.running(MemoryJournal()):
        await anyio.sleep(60)
        bench.clock.skew += HOUR
        await anyio.sleep(12 * 60)
        assert [] == [event for event in bench.events if isinstance(event, AcknowledgementsLate)]
        await anyio.sleep(4 * 60)
        (late,) = [event for event in bench.events if isinstance(event, AcknowledgementsLate)]
        assert late.seconds == pytest.approx(15 * 60, abs=100)


async def test_people_and_vendors_get_the_time_of_the_clock_on_the_wall() -> None:
    """Times that are sent and shown are those of the machine's clock, from the first order after the step."""
    bench = Machine()
    async with bench.running(MemoryJournal()):
        await anyio.sleep(5)
        bench.clock.skew -= HOUR
        bench.shop.put("1")
        await anyio.sleep(70)
    (told,) = [event for event in bench.events if isinstance(event, OrderAcknowledged)]
    assert timedelta() <= bench.clock.now() - told.at <= timedelta(seconds=20)


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
async def test_a_step_is_one_line_of_the_log(jump: float, caplog: pytest.LogCaptureFixture) -> None:
    """The line states direction, size and effect; a clock that is slewed is not logged."""
    bench = Machine()
    async with bench.running(MemoryJournal()):
        for _ in range(10):
            await anyio.sleep(5)
            bench.clock.skew += 0.25
        assert caplog.record_tuples == []
        bench.clock.skew += jump
        await anyio.sleep(5)
    (line,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    way = "ahead" if jump > 0 else "back"
    assert f"system clock jumped {way} by 3600 s" in line.getMessage()
    assert "pending deadlines are unaffected" in line.getMessage()


class Suspended(SteppingClock):
    """A machine that counts its running time, suspensions included."""

    def boot(self) -> Boot | None:
        """Return the running time; only a suspension moves the wall clock here."""
        return Boot("once", self.monotonic() + self.skew)


async def test_a_machine_that_was_suspended_cuts_nothing_short() -> None:
    """Deadlines continue after the suspension, in this process and in the next one."""
    bench = Machine(settle=30)
    bench.clock = Suspended()
    bench.shop.put("1")
    bench.wms.lost.append(lost_answer())
    journal = Kept()
    async with bench.running(journal):
        await anyio.sleep(5)
        bench.clock.skew += 8 * HOUR
        await anyio.sleep(5)
    async with bench.running(journal):
        await anyio.sleep(19)
        assert bench.wms.finds_of == []
        await anyio.sleep(3)
        assert bench.wms.finds_of == ["shop-1"]
    await MemoryJournal.aclose(journal)
