"""`kill -9` in every window, again and again over the same journal, and the fate of every order afterwards."""

from __future__ import annotations

import asyncio
import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random

from tests.processes.gate import Trap
from tests.processes.launch import PATIENCE, launched
from tests.processes.windows import WINDOWS, Window
from tests.processes.world import Verdict, World, finished, unsound

__all__ = ["Kills", "kill_in", "planned"]

TRIES = 4
"""Times that a window is waited for; it may be passed by if there was too little work for it to come up."""
SHIFTS = (0, 0, 0, 0, 3600, -3600, 86_400, -86_400)
"""Seconds by which the clock of a process may be off: after a reboot, a change of time, a flat battery."""
GIVEN_UP = 15.0
"""Seconds without a kill after which a run that polls for ever is ended."""


@dataclass
class Kills:
    """The result: how often the process was killed in which window, and the faults afterwards."""

    hits: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    starts: int = 0
    verdict: Verdict = field(default_factory=Verdict)
    complaints: list[str] = field(default_factory=list)
    """Faults of the processes themselves."""

    @property
    def good(self) -> bool:
        """True if nothing is wrong."""
        return self.verdict.good and not self.complaints


def planned(count: int, random: Random) -> list[Window]:
    """Return `count` windows, each as often as every other one, in a random order."""
    plan = [WINDOWS[number % len(WINDOWS)] for number in range(count)]
    random.shuffle(plan)
    return plan


async def kill_in(windows: Sequence[Window], folder: Path, random: Random) -> Kills:
    """Kill one connector after another in `windows`, all over the journal in `folder`; then let one finish."""
    done = Kills()
    world = World(folder, most=len(windows) * TRIES + 1)
    world.more()
    unsound_then: list[str] = []
    async with world.serving():
        for window in windows:
            await _kill(window, world, random, done)
            unsound_then += _unsound_now(world)
        world.gate.losing = 0
        done.complaints += await finished(world)
        done.starts += 2
        done.verdict = world.verdict()
        done.verdict.unsound += unsound_then
    return done


async def _kill(window: Window, world: World, random: Random, done: Kills) -> None:
    """Start the connector until it is killed in `window`, or for so long that it will never be."""
    for tries in range(TRIES):
        world.more()
        world.gate.losing = 2 if window.doubt else 0
        number = 1 if tries else random.randint(1, window.deep)
        point = random.choice(window.points) if window.points else ""
        once = ["--once"] if window.doubt or random.random() < 0.5 else []
        shift = random.choice(SHIFTS)
        async with launched(world.folder, "run", *once, "--quiet", point=point, number=number, shift=shift) as process:
            done.starts += 1
            if not point:
                world.gate.trap = Trap(window.call, window.moment, partial(_end, process), number)
            try:
                async with asyncio.timeout(PATIENCE if once else GIVEN_UP):
                    code = await process.wait()
            except TimeoutError:
                code = 0
            world.gate.trap = None
        if code == -signal.SIGKILL:
            done.hits[window.name] += 1
            return
        done.missed[window.name] += 1
        if code not in (0, 1):
            done.complaints.append(f"instead of being killed ({window.name}) it ended with {code}")
    done.complaints.append(f"it never came to {window.name}")


def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()


def _unsound_now(world: World) -> list[str]:
    """Look for damage in a copy: to open the file itself would put it in order before the next start can."""
    if not world.journal.exists():
        return []
    with tempfile.TemporaryDirectory(prefix="copy-") as folder:
        for each in world.folder.glob("connector.db*"):
            if not each.name.endswith((".lock", "-shm")):
                shutil.copy(each, folder)
        return unsound(Path(folder) / world.journal.name)
