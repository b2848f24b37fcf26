"""`kill -9` at any moment costs nothing but a look-up."""

from __future__ import annotations

import signal
from pathlib import Path
from random import Random

from tests.cli.process import Vendors, started

KILLS = 12
ORDERS = 150


async def test_killed_again_and_again_every_order_still_ends_up_once(tmp_path: Path) -> None:
    """
    Killed twelve times while it works, each time while a request is on its way, it then finishes the work.

    The warehouse would take an order twice, and yet has each one once; every one is marked.
    """
    random = Random(7)
    vendors = Vendors(tmp_path, ORDERS, unique_reference=False)
    async with vendors.serving():
        for _ in range(KILLS):
            async with started("run", "--once", folder=tmp_path) as process:
                vendors.at_request(random.randint(1, 26), process.kill)
                await process.wait()
            assert -signal.SIGKILL == process.returncode
        before = len(vendors.created)
        ended = await vendors.run_once()

    assert 0 < before < ORDERS, "the kills came in the middle"
    assert 0 == ended.code, ended
    assert vendors.wanted == vendors.created
    assert vendors.wanted == vendors.told
