"""The cases that are compared, each in a process of its own: the bare loops, the connector, its command line."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.benchmarks.processes import Finished, StandIn, child, result
from tests.benchmarks.shapes import settings

__all__ = ["CASES", "Figures", "Setting", "command", "drained", "measure"]

ONLY_ASYNCIO = "import sys; sys.modules['uvloop'] = None; from connector.cli import main; main()"
"""The command line as it is where uvloop is not installed."""


class Setting(NamedTuple):
    """One measurement: so many orders of a shape, on an event loop, with files below `folder`."""

    shape: str
    orders: int
    loop: str
    folder: Path


class Figures(NamedTuple):
    """The cost of one case in one turn. `busy` is the share of the time that the stand-in was at work, from 0 to 1."""

    rate: float
    cpu_per_1000: float
    rss: float
    busy: float
    calls: int
    cpu_loop_per_1000: float | None = None
    """Seconds of the thread that runs the event loop alone, where the case measures them."""


def _bare(setting: Setting, url: str, folder: Path) -> Finished:
    return child(["-m", "tests.benchmarks.bare", url, setting.shape, setting.loop], folder)


def _mapped(setting: Setting, url: str, folder: Path) -> Finished:
    return child(["-m", "tests.benchmarks.bare", url, setting.shape, setting.loop, "mapped"], folder)


def _kept(setting: Setting, url: str, folder: Path) -> Finished:
    return child(["-m", "tests.benchmarks.kept", url, setting.shape, setting.loop, str(folder)], folder)


def drained(setting: Setting, url: str, folder: Path) -> Finished:
    """Run the connector once; a journal that is in `folder` is used."""
    return child(["-m", "tests.benchmarks.drained", str(settings(setting.shape, url, folder)), setting.loop], folder)


def command(setting: Setting, url: str, folder: Path) -> Finished:
    """Run `connector run --once`."""
    file = str(settings(setting.shape, url, folder))
    start = ["-c", ONLY_ASYNCIO] if setting.loop == "asyncio" else ["-m", "connector"]
    return child([*start, "--settings", file, "run", "--once"], folder)


CASES: dict[str, Callable[[Setting, str, Path], Finished]] = {
    "bare": _bare,
    "mapped": _mapped,
    "kept": _kept,
    "connector": drained,
    "command": command,
}
"""By name. The figures of all but the last leave out their start, as they say themselves; the command's have all."""


def measure(case: str, setting: Setting, standin: StandIn) -> Figures:
    """
    Run one case once, against a feed of its own.

    Raises `RuntimeError` if any order was not created once and acknowledged once: a run that loses orders is not fast.
    """
    with tempfile.TemporaryDirectory(prefix="connector-benchmark-", dir=setting.folder) as name:
        standin.reset(setting.shape, setting.orders)
        before = standin.state()["cpu"]
        finished = CASES[case](setting, standin.url, Path(name))
        state = standin.state()
    orders = setting.orders
    if not state["created_once"] == state["told_once"] == orders:
        raise RuntimeError(f"{case} did not deliver every order once: {state}")
    calls = sum(state["calls"].values())
    if case == "command":
        used = {"seconds": finished.seconds, "cpu": finished.cpu, "rss": finished.rss}
    else:
        used = result(finished)
    return Figures(
        rate=orders / used["seconds"],
        cpu_per_1000=used["cpu"] / orders * 1000,
        rss=used["rss"],
        busy=(state["cpu"] - before) / used["seconds"],
        calls=calls,
        cpu_loop_per_1000=used["cpu_loop"] / orders * 1000 if "cpu_loop" in used else None,
    )
