"""Tables for people, and where the figures come from."""

from __future__ import annotations

import os
import platform
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from tests.benchmarks.loops import LOOPS

__all__ = ["machine", "say", "table"]

SYNCS = 20
HEADINGS = {
    "orders_per_second": "orders/s",
    "cpu_seconds_per_1000": "CPU s/1000",
    "cpu_loop_seconds_per_1000": "of it loop",
    "peak_mib": "peak MiB",
    "calls_per_order": "calls/order",
    "standin_busy": "stand-in busy",
    "rate_of_bare": "rate of bare",
    "cpu_of_bare": "CPU of bare",
}
"""Names of the JSON's keys in a table; other keys go by their own names."""


def table(rows: Iterable[dict[str, Any]]) -> str:
    """Return rows with the same keys as an aligned table; `rounds` and `measurement` are left to the JSON."""
    shown = [{k: _text(v) for k, v in row.items() if k not in ("rounds", "measurement")} for row in rows]
    if not shown:
        return ""
    lines = [[HEADINGS.get(key, key.replace("_", " ")) for key in shown[0]], *(list(row.values()) for row in shown)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(_aligned(line, widths) for line in lines) + "\n"


def _aligned(line: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(text.rjust(width) for text, width in zip(line, widths, strict=True)).rstrip()


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if value >= 1000 else f"{value:.3f}" if value < 10 else f"{value:.1f}"
    return f"{value:,}" if isinstance(value, int) else "" if value is None else str(value)


def machine(folder: Path) -> dict[str, Any]:
    """Return the conditions of the figures: versions, cores, load, and the sync time of the disk below `folder`."""
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "loops": ", ".join(LOOPS),
        "aiohttp": version("aiohttp"),
        "sqlite": sqlite3.sqlite_version,
        "sync_ms": _sync(folder),
    }


def _sync(folder: Path) -> float:
    """Return the median milliseconds of an fsync: next to nothing where the folder is in memory."""
    taken = []
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        for _ in range(SYNCS):
            file.write(b"x" * 4096)
            file.flush()
            start = time.perf_counter()
            os.fsync(file.fileno())
            taken.append(time.perf_counter() - start)
    return median(taken) * 1000


def say(text: str) -> None:
    """Print to stdout."""
    sys.stdout.write(text)
    sys.stdout.flush()
