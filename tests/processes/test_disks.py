"""
A real process over a disk that fails it: it waits, says so, goes on, and nothing is lost or done twice.

A lock of another program takes as long as SQLite waits by itself: `python -m tests.processes --lock 30` has it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.processes.disks import Trouble, filled, started_on, tmpfs

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux sets the limits of another process")


@LINUX
@pytest.mark.fault(105)
async def test_a_process_that_may_not_write_waits_until_it_may(tmp_path: Path) -> None:
    """Before each of the five transactions of an order's life; meanwhile it is not ready."""
    done = await filled(tmp_path, "limit")

    assert done.complaints == []
    assert done.verdict.wrong == {}


@pytest.mark.fault(105)
async def test_a_full_disk_is_waited_for(tmp_path: Path) -> None:
    """The same on a real file system without any room left, for the journal, its lock and the log."""
    with tmpfs(tmp_path) as allowed:
        if not allowed:
            pytest.skip("this user may not mount a file system")
        done = await filled(tmp_path, "disk")

    assert done.complaints == []
    assert done.verdict.wrong == {}


@pytest.mark.fault(146)
@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("trouble", ["full", "read-only"])
async def test_a_start_on_a_disk_that_refuses(tmp_path: Path, trouble: Trouble, known: bool) -> None:
    """It names the cause, waits, and goes on once there is room; so do `status` and the lock. Nothing is lost."""
    (tmp_path / "disk").mkdir()
    with tmpfs(tmp_path / "disk") as allowed:
        if not allowed:
            pytest.skip("this user may not mount a file system")
        done = await started_on(tmp_path, trouble, known=known)

    assert done.complaints == []
    assert done.verdict.wrong == {}
