"""
`python -m tests.processes --kills 500`: what no test run has the time for. Exit code 1 if anything is wrong.

Every process is real, and so are the sockets (on 127.0.0.1), the signals and the journal.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time

from tests.processes.kills import Kills, kills
from tests.processes.windows import WINDOWS

__all__ = ["main"]

SHOWN = 5
"""Examples of each kind of what is wrong."""


def main(arguments: list[str]) -> int:
    """Do what was asked for; print what came of it, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.processes", description=(__doc__ or "").strip())
    parser.add_argument("--kills", type=int, default=0, metavar="N", help="kill -9 so often, in every window")
    parser.add_argument("--seed", type=int, default=1, help="the same seed plans the same run; the timing differs")
    parser.add_argument("--jobs", type=int, default=2, help="journals at a time")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    asked = parser.parse_args(arguments)
    if not asked.kills:
        parser.error("nothing to do")
    good = True
    report: dict[str, object] = {"seed": asked.seed}
    if asked.kills:
        began = time.monotonic()
        done = asyncio.run(kills(asked.kills, asked.seed, jobs=asked.jobs))
        good = good and done.good
        report["kills"] = figures(done, time.monotonic() - began)
    sys.stdout.write(json.dumps(report, indent=2) + "\n" if asked.json else text(report))
    return 0 if good else 1


def figures(done: Kills, seconds: float) -> dict[str, object]:
    """Return what came of the kills, as numbers and examples."""
    return {
        "kills": done.hits.total(),
        "windows": {window.name: done.hits[window.name] for window in WINDOWS},
        "passed_by": done.missed.total(),
        "starts": done.starts,
        "orders": done.verdict.orders,
        **{name: len(found) for name, found in done.verdict.kinds.items()},
        "examples": {name: found[:SHOWN] for name, found in done.verdict.wrong.items()},
        "complaints": done.complaints[:SHOWN],
        "seconds": round(seconds, 1),
    }


def text(report: dict[str, object], indent: str = "") -> str:
    """Return a report for people."""
    lines = ""
    for name, value in report.items():
        if isinstance(value, dict):
            lines += f"{indent}{name}:\n" + text(value, indent + "  ")
        else:
            lines += f"{indent}{name}: {value}\n"
    return lines


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
