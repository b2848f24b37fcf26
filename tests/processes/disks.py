"""Disks that are full, locked or away under a real process; its own reports meanwhile, and the state afterwards."""

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

from connector.cli.exit_codes import LATER
from tests.processes.filling import BALLAST, NAMED
from tests.processes.launch import LOG, launched, to_its_end
from tests.processes.terms import GRACE
from tests.processes.world import Verdict, World, finished

__all__ = ["Disks", "How", "Trouble", "filled", "locked", "started_on", "tmpfs"]

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
    """The result."""

    verdict: Verdict
    complaints: list[str]

    @property
    def good(self) -> bool:
        """True if nothing is wrong."""
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


async def started_on(folder: Path, trouble: Trouble, *, known: bool) -> Disks:
    """
    Start a connector on a small file system at `folder / "disk"` that is full, or read-only, until it has said so.

    `known`: there is a journal already, which a connector has used. Then the readers are asked as well.
    """
    world = World(folder, most=2)
    disk = folder / "disk"
    complaints: list[str] = []
    async with world.serving():
        settings = folder / "settings.yaml"
        settings.write_text(
            settings.read_text("utf-8").replace(str(world.journal), str(disk / "connector.db")), "utf-8"
        )
        world.journal = disk / "connector.db"
        if known:
            world.more()
            await to_its_end(folder, "run", "--once")
        world.more()
        _spoil(disk, trouble)
        if known:
            complaints += await _named(folder, "status", trouble)
        async with launched(folder, "run") as process:
            await _until(lambda: _said(folder, f"{SAYS[trouble]}"))
            await _until(lambda: _said(folder, "the start waits 60 seconds"))
            if process.returncode is not None:
                complaints.append(f"it did not wait, and ended with {process.returncode}")
            _mend(disk, trouble)
            await _until(lambda: _said(folder, "the journal can be used now"))
            await _until(lambda: _said(folder, "started: from"))
            process.terminate()
            async with asyncio.timeout(GRACE + PATIENCE):
                if code := await process.wait():
                    complaints.append(f"it ended with {code}")
        complaints += await finished(world)
        return Disks(world.verdict(), complaints)


Trouble = Literal["full", "read-only"]
SAYS = {"full": "the disk is full", "read-only": "the file system is read-only"}


def _spoil(disk: Path, trouble: Trouble) -> None:
    if trouble == "read-only":
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)  # noqa: S607 - where it is differs
        return
    with (disk / BALLAST).open("wb", 0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))


def _mend(disk: Path, trouble: Trouble) -> None:
    if trouble == "read-only":
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)  # noqa: S607 - where it is differs
    else:
        (disk / BALLAST).unlink()


async def _named(folder: Path, command: str, trouble: Trouble) -> list[str]:
    """Let a command read the journal; return the faults of its output."""
    before = (folder / LOG).stat().st_size
    code = await to_its_end(folder, command)
    text = (folder / LOG).read_text("utf-8")[before:]
    good = code == 0 or (code == LATER and SAYS[trouble] in text)
    return [] if good and "Traceback" not in text else [f"{command} ended with {code}: {text[-200:]}"]


def _said(folder: Path, text: str) -> bool:
    return text in (folder / LOG).read_text("utf-8", "replace")


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
    """End it in good order, when it has done some work since; return the faults."""
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
