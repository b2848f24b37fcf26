"""`connector run` with `server` in the settings serves health and metrics."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path

import aiohttp

from tests.cli.process import Vendors, ended, started


def _listen_on(folder: Path, port: int) -> None:
    """Add a server on `port` to the settings."""
    path = folder / "settings.yaml"
    path.write_text(path.read_text("utf-8") + f"server: {{host: 127.0.0.1, port: {port}}}\n", "utf-8")


async def test_health_is_served_while_it_runs(tmp_path: Path) -> None:
    """The log names the address, liveness is answered there, and a signal ends the run as without a server."""
    vendors = Vendors(tmp_path, 5)
    async with vendors.serving():
        _listen_on(tmp_path, 0)
        async with started("run", folder=tmp_path) as process, aiohttp.ClientSession() as session:
            assert process.stderr is not None
            said = ""
            async with asyncio.timeout(20):
                while "health and metrics" not in said:
                    said = json.loads(await process.stderr.readline())["event"]
            async with session.get(said.partition("health and metrics: ")[2] + "/health/live") as response:
                status = response.status
            process.terminate()
            code = (await ended(process, within=10)).code

    assert (200, 0) == (status, code)


async def test_a_port_in_use_is_a_mistake_in_the_settings(tmp_path: Path) -> None:
    """A port in use is exit 78 and a line with the address, before any order is processed."""
    vendors = Vendors(tmp_path, 5)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        async with vendors.serving():
            _listen_on(tmp_path, taken.getsockname()[1])
            refused = await vendors.run_once()

    assert 78 == refused.code
    assert "server: cannot listen on 127.0.0.1" in refused.err
    assert "Traceback" not in refused.err
    assert [] == vendors.writes
