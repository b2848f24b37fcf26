"""Progress display: a table updated in place on a terminal, log lines elsewhere."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import re
import sys
from pathlib import Path

import anyio
import pytest

from connector.cli.counters import RunCounters
from connector.cli.live_counts import show
from connector.events import OrderAcknowledged
from tests.cli.process import ROOT, Vendors
from tests.doubles import LoopClock


@pytest.mark.looptime
async def test_elsewhere_lines_are_few(caplog: pytest.LogCaptureFixture) -> None:
    """Changing counts are logged at most once per interval, which grows to a minute."""
    clock, tally = LoopClock(), RunCounters()
    caplog.set_level("INFO", "connector")
    async with anyio.create_task_group() as tg:
        tg.start_soon(lambda: show(tally, clock, every=1.0))
        for number in range(3600):
            tally.count(
                OrderAcknowledged(at=clock.now(), key=number, source="shop", order_id=str(number), outcome="exported")
            )
            await anyio.sleep(1)
        said = len(caplog.messages)
        await anyio.sleep(600)
        tg.cancel_scope.cancel()

    assert 60 < said < 90
    assert len(caplog.messages) <= said + 1, "nothing moved, nothing is said"
    assert "so far: 3,600 acknowledged" == caplog.messages[-1]


async def test_on_a_terminal_the_log_is_for_people_and_the_table_goes_away(tmp_path: Path) -> None:
    """On a terminal, stderr shows a live table and a readable log; stdout has the same summary as elsewhere."""
    vendors = Vendors(tmp_path, 40)
    outside, inside = pty.openpty()
    async with vendors.serving():
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "connector", "run", "--once"),
            cwd=tmp_path,
            env={"PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "100"},
            stdout=asyncio.subprocess.PIPE,
            stderr=inside,
        )
        os.close(inside)
        screen = asyncio.create_task(asyncio.to_thread(_read, outside))
        async with asyncio.timeout(30):
            out, _ = await process.communicate()
            drawn = (await screen).decode()
    os.close(outside)

    assert 0 == process.returncode
    assert out.startswith(b"shop: 40 new, 40 delivered, 40 acknowledged\n")
    shown = re.sub(r"\x1b\[[0-9;]*m", "", drawn)
    assert re.search(r"source +found +delivered +acknowledged", shown)
    assert re.search(r"shop +40 +40 +40", shown)
    assert re.search(r"Z info +started: from shop to warehouse", shown)
    with pytest.raises(ValueError):
        json.loads(shown.splitlines()[0])
    assert "\x1b[?25h" in drawn, "the cursor is given back"


def _read(terminal: int) -> bytes:
    """Read until the other side is closed, which a terminal reports as an error."""
    chunks = []
    try:
        while chunk := os.read(terminal, 65536):
            chunks.append(chunk)
    except OSError:
        pass
    return b"".join(chunks)
