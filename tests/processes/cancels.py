"""An application that embeds the connector, and cancels it natively wherever it is. Real sockets, a real file."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import anyio

from connector import Connector, load_settings
from tests.processes.world import Verdict, World, finished

__all__ = ["GRACE", "Cancels", "cancel_in"]

GRACE = 5.0
"""Seconds that a cancelled application may take to end: a call is left at once, a commit is waited for."""
TURNS = 3000
"""Turns of the event loop that may pass before a cancellation; in so many a dozen orders are carried."""
SOON = 40
"""Turns within which a second cancellation comes, while the running work is being left."""
FEW = 4
"""Turns that it takes to close connections, of which each may be the one that is cancelled."""


@dataclass
class Cancels:
    """The result; `how` counts the kinds of work that were cancelled."""

    how: Counter[str] = field(default_factory=Counter)
    longest: float = 0.0
    """Seconds from the cancellation to the end."""
    verdict: Verdict = field(default_factory=Verdict)
    complaints: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """True if nothing is wrong."""
        return self.verdict.good and not self.complaints


async def cancel_in(count: int, folder: Path, random: Random) -> Cancels:
    """Embed a connector `count` times over one journal, and cancel it each time; then let one finish."""
    done = Cancels()
    world = World(folder, most=count)
    before = set(threading.enumerate())
    async with world.serving():
        for _ in range(count):
            world.more()
            await _cancel(world, random, done)
            done.complaints += _left(before)
        done.complaints += await finished(world)
        done.verdict = world.verdict()
    return done


async def _cancel(world: World, random: Random, done: Cancels) -> None:
    """Let an application run for some turns of the loop, and cancel it, or only the task in it that runs."""
    how = random.choice(("the application", "the application, twice", "the application, while it closes", "its task"))
    turns = random.randrange(TURNS) if random.random() < 0.8 else random.randrange(SOON)
    if how == "its task":
        began, ended = await _cancel_task(world, turns)
    else:
        closing = asyncio.Event()
        app = asyncio.ensure_future(_app(world, closing))
        await _pass(turns)
        began = time.monotonic()
        app.cancel()
        if how == "the application, twice":
            await _pass(random.randrange(SOON))
            app.cancel()
        elif how == "the application, while it closes":
            closes = asyncio.ensure_future(closing.wait())
            await asyncio.wait([app, closes], timeout=GRACE, return_when=asyncio.FIRST_COMPLETED)
            closes.cancel()
            await _pass(random.randrange(FEW))
            app.cancel()
        ended = await _end_of(app)
    done.how[how] += 1
    done.longest = max(done.longest, time.monotonic() - began)
    if ended:
        done.complaints.append(f"{how}, cancelled after {turns} turns, {ended}")


class _Told(Connector):
    """A connector that signals when it begins to close."""

    closing: asyncio.Event

    async def aclose(self) -> None:
        """Signal, and close."""
        self.closing.set()
        await super().aclose()


async def _app(world: World, closing: asyncio.Event) -> None:
    """Run a connector as the design shows it, until cancelled."""
    connector = _Told(load_settings(world.folder / "settings.yaml"))
    connector.closing = closing
    async with connector, anyio.create_task_group() as tg:
        tg.start_soon(connector.run)
        await connector.drain()
        await asyncio.Event().wait()


async def _cancel_task(world: World, turns: int) -> tuple[float, str]:
    """Cancel only the task that runs; the application goes on, and leaves the connector when it likes."""
    async with Connector(load_settings(world.folder / "settings.yaml")) as connector:
        task = asyncio.ensure_future(connector.run())
        await _pass(turns)
        began = time.monotonic()
        task.cancel()
        return began, await _end_of(task)


async def _end_of(task: asyncio.Task[None]) -> str:
    """Wait for the end of a task that was cancelled; return the faults of its end."""
    ended, _ = await asyncio.wait([task], timeout=GRACE)
    if not ended:
        task.cancel()
        return f"did not end within {GRACE:g} seconds"
    if task.cancelled():
        return ""
    failure = task.exception()
    return f"ended with {failure!r}" if failure else "swallowed it"


def _left(before: set[threading.Thread]) -> list[str]:
    """Return the resources that nobody closed, and the new threads; those of the event loop stay."""
    found = [thread for thread in set(threading.enumerate()) - before if not thread.name.startswith("asyncio_")]
    for thread in found:
        thread.join(GRACE)
    with warnings.catch_warnings(record=True) as unclosed:
        warnings.simplefilter("always")
        gc.collect()
    return [
        *(f"a thread was left: {thread.name}" for thread in found if thread.is_alive()),
        *(f"a connection was left: {each.message}" for each in unclosed if each.category is ResourceWarning),
    ]


async def _pass(turns: int) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)
