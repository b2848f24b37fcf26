"""
Two days in a minute or two: outages, one of a day, tokens that expire each hour, crashes, and a clock that jumps.

The rules are those of every schedule. Besides, the receiver is never called more often than its rate limit says, and
hardly at all while it is down.
"""

from __future__ import annotations

from random import Random

import msgspec

from connector.settings import Duration
from connector.settings.model import ProgressSettings
from tests.simulation import profile
from tests.simulation.crashes import ONCE, POINTS, Ending
from tests.simulation.faults import Outage
from tests.simulation.loop import ordered
from tests.simulation.schedule import Result, Schedule, quick

__all__ = ["Days", "run_days"]

HOUR = 3600.0
LIMIT = 60
"""Calls to the receiver in any minute."""
PROBES = 240
"""Calls an hour to a receiver that is down, at most: its longest wait between two tries is half a minute here."""
OFTEN = [
    point
    for point in POINTS
    if point.partition(":")[0] in ("create", "ack", "feed", "login", "orders.ingest", "endpoints.polled")
    or (point.startswith(("deliveries.", "acks.")) and not point.startswith(ONCE))
]
"""The points that a long life passes again and again."""


class Days(msgspec.Struct, frozen=True):
    """The result of the long run."""

    result: Result
    hours: float
    crashes: int
    expired: int
    steps: int
    most_a_minute: int
    during_the_outage: int


def run_days(hours: float, seed: int) -> Days:
    """Run so many virtual hours."""
    with ordered(), quick():
        return _Long(hours, seed).days()


class _Long(Schedule):
    """A long schedule."""

    def __init__(self, hours: float, seed: int) -> None:
        chance = Random(f"{seed}/long")
        many = int(hours * 6)
        make_up = msgspec.structs.replace(
            profile.drawn(chance),
            sources=["shop", "transport", "wholesale"],
            orders={"shop": many, "transport": many, "wholesale": many},
            chaos=hours * HOUR,
            endings=int(hours),
            concurrency=8,
            page_size=50,
            ack_interval=1.0,
            poll_interval=60.0,
            timeout=20.0,
            rate_limit=f"{LIMIT}/min",
            regulate=True,
            unique=False,
            lag=5.0,
            token_life=3600,
            broken=0.02,
            refused=0.02,
            edited=0.05,
            cancelled=0.02,
            partly=0.01,
            withdrawn=0.01,
            shipped=0.3,
            slow_disk=0.02,
            replays=4,
            given_up=0.01,
            outage=False,
            picky=0.02,
            second="",
            loss="",
            look_up_first="auto",
            clock_steps=0,
            afterlife=False,
        )
        super().__init__(seed, make_up=make_up)
        progress = ProgressSettings(interval=Duration(300))
        routes = [msgspec.structs.replace(route, progress=progress) for route in self._own.routes]
        self._own = msgspec.structs.replace(self._own, routes=routes)
        self._hours = hours
        self.faults.rate = 0.02
        day = min(24 * HOUR, hours * HOUR / 2)
        self.outage = Outage("warehouse", hours * HOUR / 8, hours * HOUR / 8 + day)
        self.faults.outages = [
            self.outage,
            Outage("shop", hours * HOUR * 0.7, hours * HOUR * 0.75),
            Outage("wholesale", hours * HOUR * 0.72, hours * HOUR * 0.8),
            Outage("transport", hours * HOUR * 0.02, hours * HOUR * 0.04),
        ]
        self._steps = 0
        for number in range(1, int(hours / 3) + 1):
            self.time.at(number * 3 * HOUR + chance.uniform(0, HOUR), self._step)

    def days(self) -> Days:
        """Run it, and check the result."""
        result = self.run()
        calls = [call for call in self.world.history if call.vendor == "warehouse"]
        down = sum(self.outage.start <= call.begun < self.outage.end for call in calls)
        if down > PROBES * (self.outage.end - self.outage.start) / HOUR:
            self.world.violated("S8", "", f"{down} calls while the receiver was down")
        logins = sum(call.act.kind == "login" and call.applied is not None for call in self.world.history)
        crashes = sum(times for name, times in result.counts.items() if name.startswith("crash "))
        return Days(
            msgspec.structs.replace(result, violations=list(self.world.violations)),
            self._hours,
            crashes,
            logins,
            self._steps,
            self._most_a_minute(),
            down,
        )

    def _drawn(self) -> Ending:
        """An end every hour or two: at a time, or at a point that is passed now and then."""
        if self._chance.random() < 0.4:
            return Ending("point", self._chance.choice(OFTEN), nth=self._chance.randrange(1, 20))
        kind = self._chance.choice(("kill", "kill", "stop", "cancel"))
        return Ending(kind, at=self._chance.uniform(0.2, 1.3) * HOUR)

    def _step(self) -> None:
        """Let the wall clock of our machine jump, by a second or by up to a day; the machine may go down with it."""
        self._steps += 1
        jump = self._chance.choice((1.0, -1.0, 600.0, -600.0, HOUR, -HOUR, 24 * HOUR, -24 * HOUR))
        self.world.set_clock(jump)
        if abs(jump) > 1 and self._chance.random() < 0.5 and self._running is not None:
            self.world.boots += 1
            self._running.die("a restart of the machine")
