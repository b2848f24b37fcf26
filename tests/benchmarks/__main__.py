"""`python -m tests.benchmarks`: measure, print tables, and write JSON."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from tests.benchmarks.cases import Setting
from tests.benchmarks.ceiling import ceiling
from tests.benchmarks.loops import LOOPS
from tests.benchmarks.processes import StandIn, standing_in
from tests.benchmarks.profiling import profile
from tests.benchmarks.report import machine, say, table
from tests.benchmarks.shapes import SHAPES
from tests.benchmarks.throughput import throughput

ALL = ("ceiling", "throughput")

Tell = Callable[[list[dict[str, Any]]], None]


def _numbers(text: str) -> list[int]:
    return [int(each.replace("_", "")) for each in text.split(",")]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--orders", type=_numbers, default=[2_000, 20_000], metavar="N,N", help="2000,20000 by default")
    parser.add_argument("--shape", choices=SHAPES, action="append", help="may be given several times; all by default")
    parser.add_argument("--loop", choices=("uvloop", "asyncio"), action="append", help="likewise")
    parser.add_argument("--rounds", type=int, default=3, help="turns of every case (3)")
    parser.add_argument("--only", choices=ALL, action="append", help="measure only this; may be given several times")
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


def main() -> None:
    """Do what the command line asks for."""
    asked = _arguments()
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
            return
        _measure(asked, wanted, standin, tell)
    if asked.json:
        asked.json.write_bytes(msgspec.json.format(msgspec.json.encode({"machine": about, "figures": rows})) + b"\n")


def _measure(asked: argparse.Namespace, wanted: Sequence[str], standin: StandIn, tell: Tell) -> None:
    if "ceiling" in wanted:
        tell([ceiling(standin, asked.folder)])
    if "throughput" in wanted:
        throughput(_settings(asked), standin, asked.rounds, tell)


if __name__ == "__main__":
    main()
