"""Starting the real command as a process of its own, as it is or with an end that is planned."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

__all__ = ["LOG", "PATIENCE", "launched", "to_its_end"]

ROOT = Path(__file__).resolve().parents[2]
LOG = "process.log"
"""The output of all processes of a folder, stdout and stderr."""
PATIENCE = 40.0
"""Seconds after which a process that does not end has failed."""


@asynccontextmanager
async def launched(
    folder: Path, *command: str, point: str = "", number: int = 1, shift: int = 0, through: Sequence[str] = ()
) -> AsyncIterator[Process]:
    """
    Start `connector COMMAND` in `folder`; one that still runs when the block is left is killed.

    It dies at `point` if one is given (see child.py), and its clock is off by `shift` seconds; or it is started
    `through` another module and its arguments.
    """
    if point or shift:
        through = ["tests.processes.child", point or "-", str(number)]
    with (folder / LOG).open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", *(through or ["connector"]), *command),
            cwd=folder,
            env={"PATH": os.environ.get("PATH", ""), "PYTHONPATH": str(ROOT), "SHIFT": str(shift)},
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
