"""`connector sandbox`, as a process of its own, with `connector run --once` against it."""

from __future__ import annotations

import asyncio
import re
import socket
from asyncio.subprocess import Process
from importlib import resources
from pathlib import Path

from tests.cli.process import ended, run, started

FREE = ("--port-propeller", "0", "--port-ewarehousing", "0")


async def _told(process: Process) -> str:
    """Return what it says up to the first count of what the vendors hold."""
    assert process.stdout is not None
    lines = []
    async with asyncio.timeout(20):
        async for line in process.stdout:
            lines.append(line.decode())
            if "orders left in the shop" in lines[-1]:
                break
    return "".join(lines)


async def test_the_sandbox_is_all_that_a_run_needs(tmp_path: Path) -> None:
    """It writes the settings, says which variables other ports need, and a run delivers its orders; SIGTERM ends it."""
    async with started("sandbox", "--orders", "30", *FREE, folder=tmp_path) as process:
        text = await _told(process)
        environ = dict(pair.split("=") for pair in re.findall(r"[A-Z_]+_URL=\S+", text))
        delivered = await run("run", "--once", folder=tmp_path, environ=environ)
        process.terminate()
        sandbox = await ended(process)

    assert "client_id sandbox, client_secret sandbox-secret" in text
    assert "Wrote settings.yaml" in text
    assert "30 orders left in the shop, 0 in the warehouse" in text
    template = resources.files("connector.settings") / "template.yaml"
    assert template.read_text("utf-8") == _content(tmp_path / "settings.yaml")
    assert "shop: 30 new, 27 delivered, 27 acknowledged\n" in delivered.out
    assert 1 == delivered.code, "an order without an address is held"
    assert 0 == sandbox.code


async def test_a_settings_file_that_is_there_is_left_alone(tmp_path: Path) -> None:
    """What somebody has written is not overwritten, and that is said; so is a journal that knows these orders."""
    _write(tmp_path / "settings.yaml", "mine: true\n")
    _write(tmp_path / "connector.db", "")
    async with started("sandbox", *FREE, folder=tmp_path) as process:
        text = await _told(process)

    assert "mine: true\n" == _content(tmp_path / "settings.yaml")
    assert "settings.yaml is there already, and was left as it is." in text
    assert "connector.db remembers" in text


async def test_the_vendors_say_what_they_have_seen(tmp_path: Path) -> None:
    """When orders move, a line says how many are left in the shop and how many are in the warehouse."""
    async with started("sandbox", "--orders", "30", *FREE, folder=tmp_path) as process:
        text = await _told(process)
        environ = dict(pair.split("=") for pair in re.findall(r"[A-Z_]+_URL=\S+", text))
        await run("run", "--once", folder=tmp_path, environ=environ)
        after = await _told(process)

    assert re.fullmatch(r"\d+ orders left in the shop, \d+ in the warehouse \(\d+ calls\)\n", after)
    assert "30 orders left" not in after


async def test_a_port_in_use_is_said_in_a_line(tmp_path: Path) -> None:
    """A port that is taken is exit 1, with the option that chooses another one."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        ended = await run("sandbox", "--port-propeller", "0", "--port-ewarehousing", port, folder=tmp_path)

    assert 1 == ended.code
    assert f"Error: port {port} is in use; choose another one with --port-ewarehousing\n" == ended.err
    assert not _exists(tmp_path / "settings.yaml")


async def test_more_exceptions_than_orders_is_a_mistake_of_usage(tmp_path: Path) -> None:
    """Three orders of two is exit 2."""
    ended = await run("sandbox", "--orders", "2", "--quotations", "3", *FREE, folder=tmp_path)

    assert 2 == ended.code
    assert "--quotations" in ended.err


def _content(path: Path) -> str:
    return path.read_text("utf-8")


def _write(path: Path, text: str) -> None:
    path.write_text(text, "utf-8")


def _exists(path: Path) -> bool:
    return path.exists()
