"""The machine's clock is set while the connector runs: nothing waits longer for it, and nothing less."""

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
    """A bench on a machine whose clock may be set."""

    clock: SteppingClock

    def __init__(self, **options: float) -> None:
        super().__init__(**options)  # type: ignore[arg-type]
        self.clock = SteppingClock()


@pytest.mark.fault(69, 121)
@pytest.mark.parametrize("jumps", [(HOUR,), (-HOUR,), (DAY, -DAY), (-600, 1200), (HOUR, HOUR)])
async def test_a_doubt_settles_in_its_own_time_whatever_the_clock_is_set_to(jumps: tuple[float, ...]) -> None:
    """Not a look-up before the settle time has passed, and one as soon as it has; so there is one record."""
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
    """Whether or not the step was noted before the process died."""
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
    """A receiver that was down for a moment has the order within its longest wait, and no sooner than asked."""
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
    """It waited for a minute and not for an hour; an alarm comes when that much time has passed."""
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
    """From the first order after the step."""
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
    """It says which way, how far, and what was done about it; a clock that is slewed is no line."""
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
    """A machine that says how long it has run, suspended or not."""

    def boot(self) -> Boot | None:
        """Return how long the machine has run: here only a suspension moves the clock on the wall."""
        return Boot("once", self.monotonic() + self.skew)


async def test_a_machine_that_was_suspended_cuts_nothing_short() -> None:
    """What was to be waited for is waited for afterwards, here and in the next process."""
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
