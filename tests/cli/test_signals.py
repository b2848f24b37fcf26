"""A signal stops a run gracefully; a second one stops it at once, which costs only a look-up."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from asyncio.subprocess import PIPE
from functools import partial
from pathlib import Path

import pytest

from connector.sandbox.server import Fault
from tests.cli.process import PATIENCE, ROOT, Vendors, ended, is_create, run, said, started

GRACE = 20.0
ORDERS = 150


@pytest.mark.slow
@pytest.mark.fault(119)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("mode", [["run", "--once"], ["run"]])
async def test_a_signal_finishes_what_is_under_way(tmp_path: Path, number: signal.Signals, mode: list[str]) -> None:
    """
    After SIGTERM or Ctrl-C calls in progress finish, exit 0; delivered orders are acknowledged, the next run does the
    rest.
    """
    vendors = Vendors(tmp_path, ORDERS, unique_reference=False)
    async with vendors.serving():
        async with started(*mode, folder=tmp_path) as process:
            vendors.at_request(40, partial(process.send_signal, number), is_create)
            first = await ended(process, within=GRACE)
        told, created = vendors.told, vendors.created
        rest = await vendors.run_once()

    assert 0 == first.code, first
    assert 40 <= len(created)
    assert created == told
    assert 0 == rest.code
    assert vendors.wanted == vendors.created == vendors.told
    if "--once" in mode:
        assert "Stopped early" in first.out


@pytest.mark.slow
@pytest.mark.fault(119)
async def test_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    """While the warehouse hangs, the first signal waits for it, the second does not; no order is lost or duplicated."""
    vendors = Vendors(tmp_path, 30, unique_reference=False)
    async with vendors.serving():
        async with started("run", "--once", folder=tmp_path) as process:
            vendors.at_request(5, process.terminate, is_create)
            vendors.warehouse.fault(Fault.HANG, times=8, on=is_create)
            await said(process, "stopping once the calls in progress have finished")
            process.terminate()
            at_once = await ended(process, within=GRACE / 2)
        rest = await vendors.run_once()

    assert 128 + signal.SIGTERM == at_once.code, at_once
    assert 0 == rest.code
    assert vendors.wanted == vendors.created == vendors.told


async def test_a_signal_while_nothing_is_to_do(tmp_path: Path) -> None:
    """Between two polls a signal ends the run at once, with 0."""
    vendors = Vendors(tmp_path, 0)
    async with vendors.serving():
        async with started("run", folder=tmp_path) as process:
            await said(process, "started: from shop to warehouse")
            process.terminate()
            quiet = await ended(process, within=GRACE / 2)
        empty = await run("run", "--once", folder=tmp_path)

    assert 0 == quiet.code
    assert 0 == empty.code


@pytest.mark.slow
@pytest.mark.fault(139)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_before_anything_is_imported(tmp_path: Path, number: signal.Signals) -> None:
    """A signal during the imports, also as process 1 of a container, ends with 0; the next run works."""
    vendors = Vendors(tmp_path, 5)
    async with vendors.serving():
        process = await asyncio.create_subprocess_exec(
            *(*_AS_INIT, sys.executable, "-m", "connector", "run"),
            cwd=tmp_path,
            env={"PATH": os.environ.get("PATH", ""), "PYTHONPATH": str(ROOT)},
            stdout=PIPE,
            stderr=PIPE,
        )
        connector = await _catching(process.pid, number)
        os.kill(connector, number)
        ended_early = await ended(process, within=GRACE)
        created = len(vendors.created)
        after = await vendors.run_once()

    assert (0, 0) == (ended_early.code, created), ended_early
    assert f"{number.name}: stopping during the start" in ended_early.err
    assert 0 == after.code


def _may_be_init() -> bool:
    tried = subprocess.run(["unshare", "--pid", "--fork", "true"], capture_output=True, check=False)  # noqa: S607
    return tried.returncode == 0


_AS_INIT = ("unshare", "--pid", "--fork", "--kill-child") if shutil.which("unshare") and _may_be_init() else ()
"""A prefix that makes a command process 1 of its own namespace, if this user may create one."""


async def _catching(started_as: int, number: signal.Signals) -> int:
    """Wait until the process, or its child, catches a signal; return its number."""
    async with asyncio.timeout(PATIENCE):
        while True:
            for each in [*_children(started_as), *([] if _AS_INIT else [started_as])]:
                if _catches(each, number):
                    return each
            await asyncio.sleep(0.001)


def _children(process: int) -> list[int]:
    try:
        return [int(each) for each in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    except OSError:
        return []


def _catches(process: int, number: signal.Signals) -> bool:
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
        command = Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return False
    caught = next((int(line.split()[1], 16) for line in lines if line.startswith("SigCgt:")), 0)
    term = number if number != signal.SIGINT else signal.SIGTERM  # Python itself catches SIGINT, before us
    return b"connector" in command and bool(caught >> (term - 1) & 1)
