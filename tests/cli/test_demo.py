"""`connector demo`, as a process of its own."""

from __future__ import annotations

import asyncio
import re
import signal
from pathlib import Path

from tests.cli.process import ended, run, started


def _environ(folder: Path) -> dict[str, str]:
    """Return an environment whose temporary files, and settings that must not matter, are seen."""
    (folder / "tmp").mkdir()
    (folder / "work").mkdir()
    return {"TMPDIR": str(folder / "tmp"), "EWH_USERNAME": "nobody", "CONNECTOR_JOURNAL": str(folder / "work" / "x.db")}


def _left(folder: Path) -> list[Path]:
    return [path for place in ("tmp", "work") for path in (folder / place).iterdir()]


async def test_the_demo_shows_a_lost_answer_and_proves_that_each_order_is_there_once(tmp_path: Path) -> None:
    """It delivers 117 orders, the one whose answer was lost too, compares the vendors' records, and exits with 0."""
    environ = _environ(tmp_path)
    ended = await run("demo", folder=tmp_path / "work", environ=environ)

    assert 0 == ended.code, ended
    assert "117 of 117 orders are in the warehouse once, 0 are there twice" in ended.out
    assert "117 of 117 are marked as exported in the shop, 0 that should not be" in ended.out
    assert "is held, it waits for a person: missing field: shipping_address" in ended.out
    assert "Another pass over the shop wrote nothing." in ended.out
    lost = re.search(r"order (\d+): THE ANSWER TO ITS CREATE WAS LOST", ended.out)
    assert lost
    assert f"order {lost[1]}: looked up, and found in the warehouse as ORD" in ended.out
    assert f"One order's way, shop-{lost[1]}:" in ended.out
    assert "connector sandbox" in ended.out.partition("Next:")[2]
    assert [] == _left(tmp_path)


async def test_the_demo_takes_a_number_of_orders_and_a_seed(tmp_path: Path) -> None:
    """`--orders` and `--seed` choose what is in the shop; a handful has nothing wrong with it."""
    environ = _environ(tmp_path)
    ended = await run("demo", "--orders", "4", "--seed", "9", folder=tmp_path / "work", environ=environ)

    assert 0 == ended.code, ended
    assert "4 of 4 orders are in the warehouse once" in ended.out


async def test_an_interrupted_demo_leaves_no_file(tmp_path: Path) -> None:
    """Ctrl-C in the middle ends it and takes its journal away."""
    environ = _environ(tmp_path)
    async with started("demo", "--orders", "500", folder=tmp_path / "work", environ=environ) as process:
        assert process.stdout is not None
        async with asyncio.timeout(20):
            while b"THE ANSWER" not in await process.stdout.readline():
                assert process.returncode is None
        process.send_signal(signal.SIGINT)
        interrupted = await ended(process)

    assert 128 + signal.SIGINT == interrupted.code, interrupted
    assert [] == _left(tmp_path)
