"""Disks that are full, locked or away under a real process; what it says of itself meanwhile, and what comes of it."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import sqlite3
import subprocess
from asyncio.subprocess import Process
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import aiohttp

from tests.processes.filling import BALLAST, NAMED
from tests.processes.launch import launched
from tests.processes.terms import GRACE
from tests.processes.world import Verdict, World, finished

__all__ = ["Disks", "How", "filled", "locked", "tmpfs"]

How = Literal["disk", "limit"]

GLANCE = 0.05
"""Seconds between two looks at the health."""
PATIENCE = 60.0
"""Seconds within which it must say that it waits, or does not any more."""
SIZE = "2m"


@contextmanager
def tmpfs(folder: Path) -> Iterator[bool]:
    """Mount a small file system at `folder`; yield whether that was allowed."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=0700", "tmpfs", str(folder)]
    allowed = os.geteuid() == 0 and subprocess.run(mount, capture_output=True, check=False).returncode == 0
    try:
        yield allowed
    finally:
        if allowed:
            subprocess.run(["umount", str(folder)], check=True)  # noqa: S607 - where it is differs


@dataclass
class Disks:
    """What came of it."""

    verdict: Verdict
    complaints: list[str]

    @property
    def good(self) -> bool:
        """Whether nothing is wrong."""
        return self.verdict.good and not self.complaints


async def filled(folder: Path, how: How) -> Disks:
    """Run a connector whose disk fills up before each named transaction."""
    world = World(folder, most=len(NAMED), port=_free_port())
    async with world.serving(), launched(folder, "run", through=["tests.processes.filling", how]) as process:

        def full() -> bool:
            return _limit(process) == 0 if how == "limit" else (folder / BALLAST).exists()

        def make_room() -> None:
            if how == "disk":
                (folder / BALLAST).unlink()
            else:
                _, hard = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
                resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (hard, hard))

        for _ in NAMED:
            world.more()
            await _until(full)
            await _says(world, 503)
            make_room()
        await _says(world, 200)
        complaints = await _ended(process, world)
        return Disks(world.verdict(), complaints)


async def locked(folder: Path, seconds: float) -> Disks:
    """Run a connector whose journal another program locks for so long."""
    world = World(folder, most=2, port=_free_port())
    async with world.serving(), launched(folder, "run") as process:
        world.more()
        await _says(world, 200)
        with closing(sqlite3.connect(world.journal, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            world.more()
            held = asyncio.ensure_future(asyncio.sleep(seconds))
            await _says(world, 503)
            await held
            other.execute("ROLLBACK")
        await _says(world, 200)
        complaints = await _ended(process, world)
        return Disks(world.verdict(), complaints)


async def _ended(process: Process, world: World) -> list[str]:
    """End it in good order, when it has done some work since; return what was wrong."""
    process.terminate()
    async with asyncio.timeout(GRACE + PATIENCE):
        code = await process.wait()
    return [*([f"it ended with {code}"] if code else []), *await finished(world)]


async def _says(world: World, status: int) -> None:
    """Wait until its health says so."""
    async with asyncio.timeout(PATIENCE), aiohttp.ClientSession() as session:
        while True:
            with suppress(aiohttp.ClientConnectorError):  # it has not started yet
                async with session.get(f"http://127.0.0.1:{world.port}/health/ready") as response:
                    if response.status == status:
                        return
            await asyncio.sleep(GLANCE)


async def _until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not true():  # noqa: ASYNC110 - another process makes it so
            await asyncio.sleep(GLANCE)


def _limit(process: Process) -> int:
    return resource.prlimit(process.pid, resource.RLIMIT_FSIZE)[0]


def _free_port() -> int:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port
