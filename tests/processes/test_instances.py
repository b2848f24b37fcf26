"""One process a journal: a second one goes away at once, and takes over when the first is gone, however it went."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from connector import Connector, JournalBusy, load_settings
from tests.cli.process import Vendors, ended, run, said, started


@pytest.mark.slow
@pytest.mark.fault(108)
async def test_a_second_instance_goes_away_and_takes_over_from_a_killed_one(tmp_path: Path) -> None:
    """
    While one runs, another process and another connector in this one are refused, with 75 and the holder's number.

    After a kill -9 of the holder the next one does the rest; nothing is doubled.
    """
    vendors = Vendors(tmp_path, 30, unique_reference=False)
    async with vendors.serving():
        async with started("run", folder=tmp_path) as holder:
            await said(holder, "started: from shop to warehouse")
            second = await run("run", folder=tmp_path)
            with pytest.raises(JournalBusy, match=f"process {holder.pid} on"):
                async with Connector(load_settings(_absolute(tmp_path))):
                    pass
            holder.send_signal(signal.SIGKILL)
            await ended(holder)
        third = await vendors.run_once()

    assert (75, "") == (second.code, second.out)
    assert f"in use by process {holder.pid} on" in second.err
    assert "Traceback" not in second.err
    assert 0 == third.code
    assert vendors.wanted == vendors.created == vendors.told


def _absolute(folder: Path) -> Path:
    """Return the settings with a journal that is found from any working directory."""
    text = (folder / "settings.yaml").read_text("utf-8")
    other = folder / "elsewhere.yaml"
    other.write_text(text.replace("journal: connector.db", f"journal: {folder / 'connector.db'}"), "utf-8")
    return other
