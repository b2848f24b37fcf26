"""`connector sandbox` as a process of its own, with `connector run --once` against it."""

from __future__ import annotations

import asyncio
import re
import socket
from asyncio.subprocess import Process
from importlib import resources
from pathlib import Path

import pytest

from tests.cli.process import ended, run, started

VENDORS = ("propeller", "traede", "zendera", "ewarehousing", "webhook")
FREE = tuple(word for vendor in VENDORS for word in (f"--port-{vendor}", "0"))
FEW = ("--orders", "30", "--wholesale", "7", "--production", "5", "--transport", "6")


async def _told(process: Process) -> str:
    """Return the output up to the first line of counts."""
    assert process.stdout is not None
    lines = []
    async with asyncio.timeout(20):
        async for line in process.stdout:
            lines.append(line.decode())
            if "left to export:" in lines[-1]:
                break
    return "".join(lines)


async def test_the_sandbox_is_all_that_a_run_needs(tmp_path: Path) -> None:
    """It writes the settings, prints the variables for other ports, and serves a run; SIGTERM ends it."""
    async with started("sandbox", *FEW, *FREE, folder=tmp_path) as process:
        text = await _told(process)
        environ = dict(pair.split("=") for pair in re.findall(r"[A-Z_]+_URL=\S+", text))
        delivered = await run("run", "--once", folder=tmp_path, environ=environ)
        process.terminate()
        sandbox = await ended(process)

    assert "client_id sandbox, client_secret sandbox-secret" in text
    assert "Wrote settings.yaml" in text
    assert "app_key sandbox-app-key" in text
    assert "left to export: 30 in shop, 7 in wholesale, 5 in production, 6 in transport; received: 0 by " in text
    template = resources.files("connector.settings") / "template.yaml"
    assert template.read_text("utf-8") == _content(tmp_path / "settings.yaml")
    assert "shop: 30 new, 27 delivered, 27 acknowledged\n" in delivered.out
    assert "wholesale: 7 new, 7 delivered, 7 acknowledged\n" in delivered.out
    assert "production: 5 new, 5 delivered, 5 acknowledged\n" in delivered.out
    assert "transport: 6 new, 6 delivered, 6 acknowledged\n" in delivered.out
    assert 5 == _content(tmp_path / "orders.jsonl").count("\n")
    assert 1 == delivered.code, "an order without an address is held"
    assert 0 == sandbox.code


async def test_a_settings_file_that_is_there_is_left_alone(tmp_path: Path) -> None:
    """An existing settings file is not overwritten, which is printed; so is an old journal."""
    _write(tmp_path / "settings.yaml", "mine: true\n")
    _write(tmp_path / "connector.db", "")
    async with started("sandbox", *FREE, folder=tmp_path) as process:
        text = await _told(process)

    assert "mine: true\n" == _content(tmp_path / "settings.yaml")
    assert "settings.yaml exists already, and is unchanged." in text
    assert "connector.db knows orders of an earlier sandbox" in text


async def test_the_vendors_say_what_they_have_seen(tmp_path: Path) -> None:
    """When orders move, a line counts the orders left in each feed and those at the receivers."""
    async with started("sandbox", *FEW, *FREE, folder=tmp_path) as process:
        text = await _told(process)
        environ = dict(pair.split("=") for pair in re.findall(r"[A-Z_]+_URL=\S+", text))
        await run("run", "--once", folder=tmp_path, environ=environ)
        after = await _told(process)
        while "30 in shop" in after:  # on a busy machine the first line comes before the first order is told
            after = await _told(process)

    number = r"[1-9]\d*"
    assert re.fullmatch(
        rf"left to export: .*; received: {number} by the warehouse, \d+ by the erp \({number} calls\)\n", after
    )


@pytest.mark.parametrize("vendor", VENDORS)
async def test_a_port_in_use_is_said_in_a_line(tmp_path: Path, vendor: str) -> None:
    """A port in use is exit 1, and the message names the option for another port."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        ended = await run("sandbox", *FREE, f"--port-{vendor}", port, folder=tmp_path)

    assert 1 == ended.code
    assert f"Error: port {port} is in use; choose another port with --port-{vendor}\n" == ended.err
    assert not _exists(tmp_path / "settings.yaml")


async def test_more_exceptions_than_orders_is_a_mistake_of_usage(tmp_path: Path) -> None:
    """Three exceptions among two orders are exit 2."""
    ended = await run("sandbox", "--orders", "2", "--quotations", "3", *FREE, folder=tmp_path)

    assert 2 == ended.code
    assert "--quotations" in ended.err


def _content(path: Path) -> str:
    return path.read_text("utf-8")


def _write(path: Path, text: str) -> None:
    path.write_text(text, "utf-8")


def _exists(path: Path) -> bool:
    return path.exists()
