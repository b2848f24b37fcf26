"""Clocks: reproducible chance, and waits that are unaffected by a step of the machine's clock."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, timedelta

import anyio
import pytest

from connector.clock import SteadyClock, SystemClock, humanized, wall_time
from tests.doubles import EPOCH, LoopClock, SteppingClock

HOUR = 3600.0


def test_a_seed_repeats_its_chances() -> None:
    """Two clocks of one seed agree, two seeds do not, and neither touches the generator of the process."""
    one, same, other = SystemClock(1), SystemClock(1), SystemClock(2)
    chances = [one.uniform(0, 1) for _ in range(9)]
    assert chances == [same.uniform(0, 1) for _ in range(9)]
    assert chances != [other.uniform(0, 1) for _ in range(9)]
    assert all(0 <= chance <= 1 for chance in chances)


@pytest.mark.looptime
async def test_the_systems_clock_waits_on_the_event_loop() -> None:
    """So a test, or a simulation, controls the time."""
    clock = SystemClock()
    start, loop_start = clock.monotonic(), asyncio.get_running_loop().time()
    await clock.sleep(3600)
    assert clock.monotonic() - start == pytest.approx(3600)
    assert clock.monotonic() - start == anyio.current_time() - loop_start


def test_the_wall_clock_has_a_zone() -> None:
    """All times are in UTC, with a zone."""
    assert SystemClock().now().tzinfo is UTC


def after(seconds: float) -> object:
    """Return the time this many seconds after the start."""
    return EPOCH + timedelta(seconds=seconds)


@pytest.mark.fault(121)
@pytest.mark.looptime
@pytest.mark.parametrize("steps", [(HOUR,), (-HOUR,), (600, -86_400), (HOUR, HOUR, -2 * HOUR)])
async def test_a_step_moves_what_is_shown_and_nothing_that_waits(steps: tuple[float, ...]) -> None:
    """`now` advances evenly; shown times follow the machine's clock from the moment of the step."""
    machine = SteppingClock()
    clock = SteadyClock(machine)
    for number, step in enumerate(steps, 1):
        await anyio.sleep(10)
        machine.skew += step
        assert clock.now() == after(10 * number)
        assert wall_time(clock, clock.now()) == machine.now()
        assert clock.stepped_at == clock.now()
        assert clock.look() == timedelta(seconds=machine.skew)


@pytest.mark.looptime
async def test_a_clock_that_is_slewed_adds_up() -> None:
    """Less than half a second is not a step; it adds up, and shortens no wait."""
    machine = SteppingClock()
    clock = SteadyClock(machine)
    for _ in range(4):
        machine.skew += 0.125
        assert clock.look() == timedelta(seconds=0.5 if machine.skew >= 0.5 else 0)
    machine.skew += 0.4
    assert clock.look() == timedelta(seconds=0.5)
    assert clock.now() == after(0)


@pytest.mark.looptime
async def test_a_machine_that_was_suspended_looks_as_if_its_clock_was_set() -> None:
    """The event loop's clock stops, and so do waits: they are never shortened."""
    machine = SteppingClock()
    clock = SteadyClock(machine)
    due = clock.now() + timedelta(seconds=60)
    await anyio.sleep(10)
    machine.skew += 8 * HOUR
    assert due - clock.now() == timedelta(seconds=50)
    assert wall_time(clock, due) - machine.now() == timedelta(seconds=50)


@pytest.mark.looptime
async def test_another_clock_shows_its_own_time() -> None:
    """With the machine's own clock, as in most tests, `wall_time` changes nothing; other methods are passed on."""
    machine = LoopClock(3)
    assert wall_time(machine, after(5)) == after(5)  # type: ignore[arg-type]
    clock = SteadyClock(machine)
    assert clock.boot() is None
    assert clock.uniform(0, 1) == LoopClock(3).uniform(0, 1)
    await clock.sleep(7)
    assert clock.monotonic() == machine.monotonic() == pytest.approx(7)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says how long it has run, and since which start")
@pytest.mark.looptime
async def test_the_system_says_how_long_it_has_run() -> None:
    """All processes see the same boot, and seconds that never run backwards; so the next process detects a step."""
    one, other = SystemClock().boot(), SystemClock().boot()
    assert one is not None
    assert other is not None
    assert one.id == other.id
    assert 0 < one.seconds <= other.seconds


@pytest.mark.looptime
async def test_a_system_that_does_not_say_it_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the next process knows only the steps that were recorded."""
    monkeypatch.setattr("pathlib.Path.readlink", lambda _self: (_ for _ in ()).throw(OSError("no such file")))
    assert SystemClock().boot() is None


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(66, "66 seconds"), (120, "2 minutes"), (7199, "120 minutes"), (7200, "2 hours"), (200_000, "2 days")],
)
def test_a_length_of_time_in_words(seconds: float, words: str) -> None:
    """In the unit that says enough."""
    assert words == humanized(seconds)
