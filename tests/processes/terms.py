"""SIGTERM at any moment, and sometimes a second one: the process ends in time and in order, and nothing is lost."""

from __future__ import annotations

import asyncio
import signal
import time
from asyncio.subprocess import Process
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from tests.processes.gate import Trap
from tests.processes.launch import PATIENCE, launched
from tests.processes.world import Verdict, World, finished

__all__ = ["AT_ONCE", "GRACE", "Terms", "term_in"]

GRACE = 20.0
"""Seconds within which a stop in good order ends the process."""
AT_ONCE = 5.0
"""Seconds within which a second signal does: most of them a busy machine needs to end a process."""
DEEP = 60
"""Requests that the vendors get at most before the signal."""
LATER = 0.03
"""Seconds that the signal may come after that request: not all that happens is a request."""
TWICE = 0.25
"""The share of the runs that get a second signal."""


@dataclass
class Terms:
    """The result; `once` and `twice` are the exit codes of the runs that got one signal, and two."""

    once: Counter[int] = field(default_factory=Counter)
    twice: Counter[int] = field(default_factory=Counter)
    longest: float = 0.0
    longest_twice: float = 0.0
    """Seconds from the last signal to the end of the process."""
    verdict: Verdict = field(default_factory=Verdict)
    complaints: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """True if nothing is wrong."""
        return self.verdict.good and not self.complaints


async def term_in(count: int, folder: Path, random: Random) -> Terms:
    """Start a connector `count` times over one journal, and end each with SIGTERM; then let one finish."""
    done = Terms()
    world = World(folder, most=count)
    async with world.serving():
        for _ in range(count):
            world.more()
            await _term(world, random, done)
        done.complaints += await finished(world)
        done.verdict = world.verdict()
    return done


async def _term(world: World, random: Random, done: Terms) -> None:
    """Start a run, and end it after some of its requests and some milliseconds."""
    once = random.random() < 0.3
    twice = random.random() < TWICE
    reached = asyncio.Event()
    world.gate.trap = Trap("any", "passing", reached.set, random.randint(1, DEEP))
    async with launched(world.folder, "run", *(["--once"] if once else []), "--quiet") as process:
        await _first(reached.wait(), process.wait())
        await asyncio.sleep(random.uniform(0, LATER))
        _terminate(process)
        if twice:
            await asyncio.sleep(random.uniform(0, LATER))
            _terminate(process)
        began = time.monotonic()
        async with asyncio.timeout(PATIENCE):
            code = await process.wait()
        took = time.monotonic() - began
    world.gate.trap = None
    # A run of its own may have ended before, with 1 for the orders without an address; and a signal that comes when
    # nothing is left to do but to leave ends the process as it ends any other.
    good = {0, 1, -signal.SIGTERM} if once else {0}
    if twice:
        done.twice[code] += 1
        done.longest_twice = max(done.longest_twice, took)
        good |= {128 + signal.SIGTERM, -signal.SIGTERM}
    else:
        done.once[code] += 1
        done.longest = max(done.longest, took)
    if code not in good:
        done.complaints.append(f"after {1 + twice} signals it ended with {code}")
    if took > (AT_ONCE if twice else GRACE):
        done.complaints.append(f"after {1 + twice} signals it took {took:.1f} seconds to end")


async def _first(*waits: Coroutine[Any, Any, Any]) -> None:
    """Wait for the first of `waits`."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED, timeout=PATIENCE)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


def _terminate(process: Process) -> None:
    if process.returncode is None:
        process.terminate()
