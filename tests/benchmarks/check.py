"""The short form that .ci/run takes: fails when the share of the bare loop falls under the floor (floors.py)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.benchmarks.cases import Setting
from tests.benchmarks.floors import FLOORS, ORDERS, ROUNDS, Floor
from tests.benchmarks.loops import LOOPS
from tests.benchmarks.processes import StandIn
from tests.benchmarks.throughput import row, turns

__all__ = ["check", "short"]

CASES = ("bare", "connector")

Measured = Callable[[str], dict[str, Any]]


def check(measured: Measured, floors: Mapping[str, Floor] = FLOORS) -> tuple[list[dict[str, Any]], list[str]]:
    """
    Measure each shape; return the measurements, and the shapes that fell short.

    A shape that falls short is measured once more, and each of its shares counts at its best: chance can make a share
    worse on both occasions, but nothing makes it better than it is on either.
    """
    rows: list[dict[str, Any]] = []
    short_of: list[str] = []
    for shape, floor in floors.items():
        tries = [measured(shape)]
        if missed(tries, floor):
            tries.append(measured(shape))
        rows += tries
        short_of += [f"{shape}: {what}" for what in missed(tries, floor)]
    return rows, short_of


def missed(tries: list[dict[str, Any]], floor: Floor) -> list[str]:
    """Return which floors were not reached by the best of `tries`."""
    found = []
    for key, what, least in (("rate_of_bare", "rate", floor.rate), ("cpu_of_bare", "CPU", floor.cpu)):
        best = max(each[key] for each in tries)
        if best < least:
            found.append(f"{what} {best:.3f} of the bare loop's, and the floor is {least:.3f}")
    return found


def short(standin: StandIn, folder: Path) -> Measured:
    """Return the measurement of a shape in the short form, on the fastest loop that there is."""

    def measured(shape: str) -> dict[str, Any]:
        setting = Setting(shape, ORDERS, LOOPS[0], folder)
        return row(setting, "connector", turns(setting, standin, ROUNDS, CASES))

    return measured
