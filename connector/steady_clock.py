"""
Time within one process: whatever the machine's clock is set to meanwhile, what waits waits as long as it was meant to.

The flow computes with `SteadyClock.now`, which goes on evenly from what the machine's clock showed at the start. Times
that are sent, kept as a record, or shown to people are those of the machine's clock: `shown` turns the one into the
other. In the journal the deadlines stay as the flow computed them, and one row says by how much the machine's clock is
ahead (`connector.journal.engine.clock_steps`): so a step of it moves nothing, cuts nothing short, and races with
nothing.

Even is what the event loop goes by (`Clock.monotonic`), which on Linux stands still while the machine is suspended. To
the flow a suspension is thus a step ahead: what was waited for is waited for afterwards, for as long as was left.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from connector.clock import Boot, Clock, KnowsBoot

__all__ = ["SLEWED", "SteadyClock", "humanized", "wall_time"]

SLEWED = timedelta(seconds=0.5)
"""What the machine's clock may gain or lose before it is noted: less is left to add up, as where it is slewed."""


class SteadyClock:
    """`machine`'s time, without its steps."""

    def __init__(self, machine: Clock) -> None:
        self._machine = machine
        self._start, self._began = machine.now(), machine.monotonic()
        self.ahead = timedelta()
        """By how much the machine's clock was ahead of this one at the last look."""
        self.stepped_at: datetime | None = None
        """When that changed last, by this clock; None if it never did."""

    def now(self) -> datetime:
        """Return a time that goes on evenly. For deadlines; see `wall_time` for what leaves the process."""
        return self._start + timedelta(seconds=self._machine.monotonic() - self._began)

    def look(self) -> timedelta:
        """Return by how much the machine's clock is ahead of this one."""
        now = self.now()
        ahead = self._machine.now() - now
        if abs(ahead - self.ahead) >= SLEWED:
            self.ahead, self.stepped_at = ahead, now
        return self.ahead

    def shown(self, at: datetime) -> datetime:
        """Return what the machine's clock shows, as it stands now, at a time of this one."""
        return at + self.look()

    def boot(self) -> Boot | None:
        """See `KnowsBoot.boot`."""
        return self._machine.boot() if isinstance(self._machine, KnowsBoot) else None

    def monotonic(self) -> float:
        """See `Clock.monotonic`."""
        return self._machine.monotonic()

    async def sleep(self, seconds: float) -> None:
        """See `Clock.sleep`."""
        await self._machine.sleep(seconds)

    def uniform(self, low: float, high: float) -> float:
        """See `Clock.uniform`."""
        return self._machine.uniform(low, high)


def wall_time(clock: Clock, at: datetime) -> datetime:
    """Return a time of `clock` as people, and other systems, are to see it."""
    return clock.shown(at) if isinstance(clock, SteadyClock) else at


def humanized(seconds: float) -> str:
    """Return a length of time in words, in the largest unit of which it has two."""
    for size, unit in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"
