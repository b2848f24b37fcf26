"""
Measure the connector beside a bare loop that makes the same calls; print tables, and write JSON.

Shares are of the bare loop: 1 is as good as it. On a busy machine believe the share of processor time.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from tests.benchmarks.backlog import COMMANDS, feed, started
from tests.benchmarks.cases import Setting
from tests.benchmarks.ceiling import ceiling
from tests.benchmarks.check import check, short
from tests.benchmarks.idle import idle
from tests.benchmarks.journal import journal
from tests.benchmarks.latency import latency
from tests.benchmarks.loops import LOOPS
from tests.benchmarks.processes import StandIn, standing_in
from tests.benchmarks.profiling import profile
from tests.benchmarks.report import machine, say, table
from tests.benchmarks.shapes import SHAPES
from tests.benchmarks.startup import startup
from tests.benchmarks.throughput import throughput

# A backlog of a million takes a quarter of an hour: it is measured when it is asked for.
ALL = ("ceiling", "throughput", "latency", "idle", "journal", "startup")

Tell = Callable[[list[dict[str, Any]]], None]


def _numbers(text: str) -> list[int]:
    return [int(each.replace("_", "")) for each in text.split(",")]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--orders", type=_numbers, default=[2_000, 20_000], metavar="N,N", help="2000,20000 by default")
    parser.add_argument("--shape", choices=SHAPES, action="append", help="may be given several times; all by default")
    parser.add_argument("--loop", choices=("uvloop", "asyncio"), action="append", help="likewise")
    parser.add_argument("--rounds", type=int, default=3, help="turns of every case (3)")
    parser.add_argument(
        "--only",
        choices=(*ALL, "backlog"),
        action="append",
        help="only this; may be given several times",
    )
    parser.add_argument("--check", action="store_true", help="only the short form; exit 1 below the floors (floors.py)")
    parser.add_argument("--profile", action="store_true", help="only print where a drain spends its time")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="where journals are written")
    return parser.parse_args()


def _settings(asked: argparse.Namespace) -> list[Setting]:
    loops = [loop for loop in LOOPS if loop in (asked.loop or LOOPS)]
    return [
        Setting(shape, orders, loop, asked.folder)
        for orders in asked.orders
        for shape in asked.shape or SHAPES
        for loop in loops
    ]


def main() -> int:
    """Run the measurements that the command line names; return the exit code."""
    asked = _arguments()
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))  # so that what runs is ended first
    rows: list[dict[str, Any]] = []
    wanted = asked.only or ALL

    def tell(found: list[dict[str, Any]]) -> None:
        rows.extend(found)
        say(table(found) + "\n")

    about = machine(asked.folder)
    say(table([about]) + "\n")
    with standing_in() as standin:
        if asked.profile:
            for setting in _settings(asked):
                say(f"{setting.shape}, {setting.orders:,} orders, {setting.loop}\n{profile(setting, standin)}")
            return 0
        if asked.check:
            found, short_of = check(short(standin, asked.folder))
            tell(found)
            say("".join(f"too slow: {each}\n" for each in short_of))
            return 1 if short_of else 0
        _measure(asked, wanted, standin, tell)
    if asked.json:
        asked.json.write_bytes(msgspec.json.format(msgspec.json.encode({"machine": about, "figures": rows})) + b"\n")
    return 0


def _measure(asked: argparse.Namespace, wanted: Sequence[str], standin: StandIn, tell: Tell) -> None:
    if "ceiling" in wanted:
        tell([ceiling(standin, asked.folder)])
    if "throughput" in wanted:
        throughput(_settings(asked), standin, asked.rounds, tell)
    for loop in [loop for loop in LOOPS if loop in (asked.loop or LOOPS[:1])]:
        if "latency" in wanted:
            tell(latency(standin, asked.folder, loop, asked.rounds))
        if "idle" in wanted:
            tell(idle(standin, asked.folder, loop, asked.rounds))
        if "journal" in wanted:
            tell(journal(standin, asked.folder, loop, asked.rounds))
    if "backlog" in wanted:
        for orders in asked.orders:
            found = started(standin, asked.folder, orders)
            tell(found[: -len(COMMANDS)])
            tell(found[-len(COMMANDS) :])
            tell([feed(standin, asked.folder, orders, shape) for shape in ("patch", "tens")])
    if "startup" in wanted:
        with tempfile.TemporaryDirectory(prefix="connector-benchmark-", dir=asked.folder) as name:
            tell(startup(Path(name), asked.rounds))


if __name__ == "__main__":
    sys.exit(main())
