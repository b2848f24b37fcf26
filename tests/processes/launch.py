"""Starting the real command as a process of its own, as it is or with an end that is planned."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

__all__ = ["LOG", "PATIENCE", "launched", "to_its_end"]

ROOT = Path(__file__).resolve().parents[2]
LOG = "process.log"
"""What all processes of a folder said, stdout and stderr."""
PATIENCE = 40.0
"""Seconds after which a process that does not end has failed."""


@asynccontextmanager
async def launched(folder: Path, *command: str, point: str = "", number: int = 1) -> AsyncIterator[Process]:
    """Start `connector COMMAND` in `folder`, to die at `point` if given; one that still runs at the end is killed."""
    through = ["-m", "tests.processes.child", point, str(number)] if point else ["-m", "connector"]
    with (folder / LOG).open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, *through, *command),
            cwd=folder,
            env={"PATH": os.environ.get("PATH", ""), "PYTHONPATH": str(ROOT)},
            stdin=DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def to_its_end(folder: Path, *command: str, within: float = PATIENCE) -> int:
    """Run `connector COMMAND` in `folder` to its end; return its exit code."""
    async with launched(folder, *command) as process, asyncio.timeout(within):
        return await process.wait()
