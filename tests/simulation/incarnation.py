"""One process: a connector on the journal that its predecessors left, from its start to whatever end it comes to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import Any

import anyio

from connector.app import Connector
from connector.clock import Boot
from connector.http.endpoint import Endpoint
from connector.journal.engine.sentinel import identify
from connector.journal.sqlite import SqliteJournal
from connector.receivers.base import Receiver
from connector.settings import Settings
from connector.sources.base import Source
from tests.doubles import EPOCH
from tests.simulation.crashes import Ending
from tests.simulation.disk import PATH
from tests.simulation.faults import Faults
from tests.simulation.leaks import Leaks
from tests.simulation.loop import Loop, Stuck, Time
from tests.simulation.misnaming import misread
from tests.simulation.probe import Probe
from tests.simulation.store import Store
from tests.simulation.vendors.plugin import NAME, OddPlugin
from tests.simulation.wire import Session
from tests.simulation.world import World

__all__ = ["Incarnation", "WallClock"]


class WallClock:
    """The connector's clock: virtual, with a wall clock that may be wrong by `World.skew` seconds."""

    def __init__(self, time: Time, world: World, chance: Random) -> None:
        self._time = time
        self._world = world
        self._random = chance

    def now(self) -> datetime:
        """Return the time on the machine's clock."""
        return EPOCH + timedelta(seconds=self._time.now + self._world.skew)

    def boot(self) -> Boot | None:
        """Return how long the machine has run."""
        return Boot(str(self._world.boots), self._time.now)

    def monotonic(self) -> float:
        """Return the virtual time."""
        return self._time.now

    async def sleep(self, seconds: float) -> None:
        """Wait on the loop."""
        await anyio.sleep(seconds)

    def uniform(self, low: float, high: float) -> float:
        """Return a number of this process's own generator."""
        return self._random.uniform(low, high)


class Incarnation:
    """The `number`th process of a schedule."""

    def __init__(
        self,
        number: int,
        seed: str,
        world: World,
        own: Settings,
        faults: Faults,
        leaks: Leaks,
        ending: Ending | None,
    ) -> None:
        self.number = number
        self.time = world.time
        self.alive = True
        self.ending = ending
        self.stopped_at: float | None = None
        self.ends: list[Callable[[], None]] = []
        self._world = world
        self._settings = own
        self._faults = faults
        self._leaks = leaks
        self._seed = f"{seed}/{number}"
        self._passed = 0
        self._replays: list[asyncio.Task[Any]] = []
        self._store = Store(world.journal, self, Random(f"{self._seed}/store"), world.profile.slow_disk)
        self._loop = Loop(self.time)
        self._loop.set_exception_handler(self._unforeseen)
        self._main: asyncio.Task[None] | None = None
        self.connector: Connector | None = None
        self._probe: Probe | None = None

    def passes(self, point: str) -> bool:
        """See `Process.passes`."""
        if not self.alive:
            return True
        if self._due(point):
            self.die(point)
            return True
        return False

    def passes_in(self, point: str) -> bool:
        """See `Process.passes_in`."""
        return self.alive and self._due(point)

    def _due(self, point: str) -> bool:
        if self.ending is None or self.ending.point != point:
            return False
        self._passed += 1
        return self._passed >= self.ending.nth

    def die(self, point: str) -> None:
        """Be killed, at once and without a word."""
        if self.alive:
            self.alive = False
            self._world.counts[f"crash {point}"] += 1
            self._world.note(f"{self.number} killed at {point}")
            for end in self.ends:
                end()
            if self._loop.is_running():
                self._loop.stop()

    def _waited_long(self) -> None:
        if self.ending is not None:  # nobody is killed any more once the world has healed
            self.die("anywhere")

    def stop(self) -> None:
        """Request the end."""
        if self.alive and self.connector is not None and self.stopped_at is None:
            self._world.counts["crash stop"] += 1
            self._world.note(f"{self.number} stops")
            self.stopped_at = self.time.now
            self.connector.stop()
            self.time.after(25.0, self._must_have_ended)

    def cancel(self) -> None:
        """Be cancelled natively, wherever it is."""
        if self.alive and self._main is not None and self.stopped_at is None:
            self._world.counts["crash cancel"] += 1
            self._world.note(f"{self.number} is cancelled")
            self.stopped_at = self.time.now
            self._main.cancel()
            self.time.after(25.0, self._must_have_ended)

    def replay(self, source: str) -> None:
        """Request a replay of everything that a source ever exported."""
        connector = self.connector
        if self.alive and self.stopped_at is None and connector is not None and connector.running:
            self._world.counts["replays"] += 1
            self._world.note(f"{self.number} replays {source}")
            self._replays.append(self._loop.create_task(connector.replay(source, EPOCH)))

    def ask(self) -> None:
        """Request the health page and the metrics."""
        if self.alive and self._probe is not None:
            self._probe.ask()

    def _must_have_ended(self) -> None:
        if self.alive:
            self._world.violated("L7", "", "it does not end")
            self.die("the end that it did not come to")

    def run(self) -> str:
        """Run to the end; return `killed`, `ended` or the error of which it died."""
        self._world.note(f"{self.number} starts")
        self._plan()
        loop = self._loop
        self._main = loop.create_task(self._live())
        self._main.add_done_callback(self._over)
        try:
            loop.run_forever()
        except Stuck as exc:
            self._world.violated("STUCK", "", str(exc))
            self.alive = False
        if not self.alive:
            self._store.end()
        how = self._end()
        loop.close()
        self._world.note(f"{self.number} {how}")
        return how

    def _end(self) -> str:
        main = self._main
        assert main is not None
        main.remove_done_callback(self._over)
        if not self.alive:
            self._loop.bury()
            return "killed"
        left = [task for task in asyncio.all_tasks(self._loop) if task is not main and task not in self._replays]
        failure = None if main.cancelled() else main.exception()
        if failure is not None:
            self._world.violated("DIED", "", f"{failure!r} {_inner(failure)!r}")
            self._leaks.seek(repr(_inner(failure)), "what the process died of")
        if left:
            self._world.violated("L7", "", f"{len(left)} tasks are left")
        if self._store.db.in_transaction:
            self._world.violated("S13", "", "a transaction is open after the end")
        if self.stopped_at is not None and self.time.now - self.stopped_at > 21:
            self._world.violated("L7", "", f"the end took {self.time.now - self.stopped_at:.1f} s")
        self.alive = False
        self._store.end()
        self._loop.bury()
        return "ended"

    def _unforeseen(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """An error that the event loop would only log is a violation."""
        if self.alive:
            self._world.violated("LOOP", "", f"{context.get('message')} {context.get('exception')!r}")

    def _over(self, _task: asyncio.Task[None]) -> None:
        self._loop.stop()

    def _plan(self) -> None:
        if self.ending is not None and self.ending.kind == "point" and self.ending.at:
            self.time.after(self.ending.at, self._waited_long)
        elif self.ending is not None and self.ending.kind != "point":
            act = {"kill": lambda: self.die("anywhere"), "stop": self.stop, "cancel": self.cancel}[self.ending.kind]
            self.time.after(self.ending.at, act)

    async def _live(self) -> None:
        chance = Random(f"{self._seed}/clock")
        clock = WallClock(self.time, self._world, chance)
        journal = await self._opened(clock)
        odd = {name: OddPlugin(Random(f"{self._seed}/{name}")) for name in self._settings.sources if name == NAME}
        connector = Connector(self._settings, sources=odd, journal=journal, clock=clock)
        misread(self._world, connector.sources.values())
        if self._world.readings is not None:
            self._world.readings.documented(connector.sources.values())
        ends: dict[str, Source | Receiver] = {**connector.sources, **connector.receivers}
        for name, end in ends.items():
            if name in odd:
                continue
            endpoint = end.endpoint
            assert isinstance(endpoint, Endpoint)
            session = Session(
                name,
                self,
                self.number,
                self._world,
                self._faults,
                Random(f"{self._seed}/{name}"),
                self._world.profile.timeout,
            )
            endpoint._session = session  # type: ignore[assignment]
        self.connector = connector
        async with connector, anyio.create_task_group() as beside:
            self._probe = Probe(connector, self._leaks.seek)
            beside.start_soon(self._probe.run, name="ask the health page")
            await connector.run()
            beside.cancel_scope.cancel()

    async def _opened(self, clock: WallClock) -> SqliteJournal:
        """Do the same as `SqliteJournal.open`, with the files of the simulated disk."""
        disk = self._world.disk
        journal = SqliteJournal(self._store, clock=clock)  # type: ignore[arg-type]
        noted = await journal.store.commits.transact(partial(identify, PATH, disk.start))
        journal.store.sentinel = disk  # type: ignore[assignment]
        await journal.store.remember(noted)
        disk.accept = disk.told = False  # who is killed before that is told again
        return journal


def _inner(exc: BaseException) -> BaseException:
    while isinstance(exc, BaseExceptionGroup):
        exc = exc.exceptions[0]
    return exc
