"""A signal ends a run in good order; a second one ends it at once, and costs nothing but a look-up."""

from __future__ import annotations

import signal
from functools import partial
from pathlib import Path

import pytest

from connector.sandbox.standin import Fault
from tests.cli.process import Vendors, ended, is_create, run, said, started

GRACE = 20.0
ORDERS = 150


@pytest.mark.fault(119)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("mode", [["run", "--once"], ["run"]])
async def test_a_signal_finishes_what_is_under_way(tmp_path: Path, number: signal.Signals, mode: list[str]) -> None:
    """After SIGTERM or Ctrl-C it ends with 0 in good time, all it delivered is told, and the next run does the rest."""
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
        assert "Stopped before the end" in first.out


@pytest.mark.fault(119)
async def test_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    """While the warehouse hangs the first signal waits for it, the second does not; nothing is lost or doubled."""
    vendors = Vendors(tmp_path, 30, unique_reference=False)
    async with vendors.serving():
        async with started("run", "--once", folder=tmp_path) as process:
            vendors.at_request(5, process.terminate, is_create)
            vendors.warehouse.fault(Fault.HANG, times=8, on=is_create)
            await said(process, "finishing what is under way")
            process.terminate()
            at_once = await ended(process, within=GRACE / 2)
        rest = await vendors.run_once()

    assert 128 + signal.SIGTERM == at_once.code, at_once
    assert 0 == rest.code
    assert vendors.wanted == vendors.created == vendors.told


async def test_a_signal_while_nothing_is_to_do(tmp_path: Path) -> None:
    """Between two polls it ends at once, with 0."""
    vendors = Vendors(tmp_path, 0)
    async with vendors.serving():
        async with started("run", folder=tmp_path) as process:
            await said(process, "started: from shop to warehouse")
            process.terminate()
            quiet = await ended(process, within=GRACE / 2)
        empty = await run("run", "--once", folder=tmp_path)

    assert 0 == quiet.code
    assert 0 == empty.code
