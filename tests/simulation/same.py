"""
Checks that the same seed is the same schedule: runs each seed in two processes, and compares the hashes of the traces.

The processes differ in everything that must not matter: the hashes of texts, the addresses of objects, and, since one
runs the seeds backwards, the schedules that each has run before.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.simulation.schedule import run

__all__ = ["differing"]

TOP = Path(__file__).parents[2]


def differing(seeds: range, timeout: float | None = None) -> Sequence[int]:
    """Return the seeds of which two runs differ, at best none."""
    runs = [_started(number, seeds) for number in (1, 2)]
    try:
        outputs = [run.communicate(timeout=timeout)[0] for run in runs]
    finally:
        for each in runs:
            each.kill()
    if any(each.returncode for each in runs):
        raise RuntimeError("a run of the seeds failed; see above")
    one, two = (dict(line.split() for line in output.splitlines()) for output in outputs)
    return [seed for seed in seeds if one[str(seed)] != two[str(seed)]]


def _started(number: int, seeds: range) -> subprocess.Popen[str]:
    step = 1 if number == 1 else -1
    arguments = [seeds.start, seeds.stop, step]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.simulation.same", *map(str, arguments)],
        env={**os.environ, "PYTHONHASHSEED": str(number)},
        cwd=TOP,
        stdout=subprocess.PIPE,
        text=True,
    )


def _print(start: int, stop: int, step: int) -> None:
    """Print each seed, and the hash of its trace."""
    for seed in range(start, stop)[::step]:
        print(seed, run(seed).digest)  # noqa: T201


if __name__ == "__main__":
    _print(*map(int, sys.argv[1:4]))
