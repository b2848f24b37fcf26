"""Measures the time until something can begin: importing the library, and the command line's help."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Any

from tests.benchmarks.processes import child

__all__ = ["startup"]

STARTS = {
    "python": ["-c", "pass"],
    "what it is built on": ["-c", "import aiohttp, anyio, msgspec, sqlite3"],
    "import connector": ["-c", "import connector"],
    "Connector": ["-c", "from connector import Connector"],
    "connector --help": ["-m", "connector", "--help"],
    "connector --version": ["-m", "connector", "--version"],
}
"""The programs that are started; the first two are the baselines."""
TURNS = 5
"""Starts in a turn: a single one says little."""


def startup(folder: Path, rounds: int) -> list[dict[str, Any]]:
    """Return the median milliseconds of each start, its end included, and those of the processor."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in STARTS}
    for arguments in STARTS.values():
        child(arguments, folder)  # compiles what has to be, once
    for _ in range(rounds * TURNS):
        for name, arguments in STARTS.items():
            finished = child(arguments, folder)
            taken[name].append((finished.seconds, finished.cpu))
    seconds = {name: median(each[0] for each in found) for name, found in taken.items()}
    return [
        {
            "measurement": "startup",
            "case": name,
            "ms": seconds[name] * 1000,
            "cpu_ms": median(each[1] for each in found) * 1000,
            "ms_over_python": (seconds[name] - seconds["python"]) * 1000,
        }
        for name, found in taken.items()
    ]
