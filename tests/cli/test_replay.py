"""`connector replay` beside a running connector, with the real commands."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from connector.sandbox.server import Fault
from tests.cli.process import Vendors, ended, run, said, started

REPLAY = ("replay", "shop", "--since", "2026-01-01T00:00:00Z")


def requests(folder: Path) -> list[tuple[str, int | None, str | None]]:
    """Return every request with its number of listed orders and its error."""
    with closing(sqlite3.connect(folder / "connector.db")) as db:
        return db.execute("SELECT source, listed, error FROM replays ORDER BY id").fetchall()


async def until(done: Callable[[], bool]) -> None:
    """Wait for an effect of another process; the time limit of the test ends the wait."""
    while not done():
        await _turn()


async def _turn() -> None:
    await asyncio.sleep(0.02)


async def test_a_running_connector_replays_what_another_process_asks_for(tmp_path: Path) -> None:
    """The command prints the result; a changed order is updated at the warehouse once, and none is duplicated."""
    vendors = Vendors(tmp_path, 12)
    async with vendors.serving(), started("run", "--quiet", folder=tmp_path) as process:
        await until(lambda: len(vendors.shop.marked) == 12)
        order_id, order = next(iter(vendors.shop.orders.items()))
        order["addresses"][-1]["street"] = "Nieuwe Kade"

        replayed = await run(*REPLAY, folder=tmp_path)

        assert replayed.code == 0, replayed.err
        assert replayed.out.startswith("12 orders listed, 0 of them new; update: 1 ")
        (record,) = vendors.warehouse.by_external_id(f"shop-{order_id}")
        await until(lambda: record["shipping_address"]["street"] == "Nieuwe Kade")
        process.terminate()
        assert (await ended(process)).code == 0

    assert vendors.wanted == vendors.created == vendors.told
    assert [call.method for call in vendors.warehouse.history].count("PATCH") == 1
    assert requests(tmp_path) == [("shop", 12, "")]


@pytest.mark.slow
async def test_a_request_outlives_who_made_it_and_who_should_have_served_it(tmp_path: Path) -> None:
    """
    While the shop does not respond, the request survives Ctrl-C, the end of the wait, and the end of the connector.

    The next run serves it.
    """
    vendors, awake = Vendors(tmp_path, 3), list[bool]()
    async with vendors.serving():
        assert (await vendors.run_once()).code == 0
        vendors.shop.fault(Fault.HANG, times=1000, on=lambda _: not awake)
        before = len(vendors.shop.history)
        async with started("run", "--quiet", folder=tmp_path) as process:
            await until(lambda: len(vendors.shop.history) > before)
            over = await run(*REPLAY, "--wait", "0", folder=tmp_path)
            assert (over.code, over.out) == (75, "")
            assert "no answer yet; the request is in the journal" in over.err
            async with started(*REPLAY, folder=tmp_path) as impatient:
                await said(impatient, "waiting for it to do the replay")
                impatient.send_signal(signal.SIGINT)
                stopped = await ended(impatient)
            assert stopped.code == 130
            assert "the request is in the journal" in stopped.err
            async with started(*REPLAY, folder=tmp_path) as patient:
                await said(patient, "waiting for it to do the replay")
                process.kill()
                assert (await ended(patient)).code == 75
        assert requests(tmp_path) == [("shop", None, None)]
        awake.append(True)
        assert (await vendors.run_once()).code == 0
        assert requests(tmp_path) == [("shop", 3, "")]

    assert vendors.wanted == vendors.created == vendors.told


async def test_a_replay_needs_a_time_with_its_zone_and_says_what_it_cannot_see(tmp_path: Path) -> None:
    """A time without a zone is a usage error, because it is another time on another machine."""
    vendors = Vendors(tmp_path, 1)
    async with vendors.serving():
        refused = await run(*REPLAY[:-1], "2026-01-01T00:00:00", folder=tmp_path)
        planned = await run(*REPLAY, "--dry-run", folder=tmp_path)
    assert refused.code == 2
    assert "has no time zone" in refused.err
    assert "not covered by a replay: orders whose export status was taken back" in planned.err
