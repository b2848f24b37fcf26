"""
The long run of real processes, for which no test run has the time.

    python -m tests.processes --kills 500 --terms 200 --cancels 200

Every process is real, and so are the sockets (on 127.0.0.1), the signals and the journal. Exit code 1 if anything is
wrong; then the folder with the journal and the processes' log is named, and stays.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from random import Random
from typing import Any, Protocol, TypeVar

from tests.processes.cancels import cancel_in
from tests.processes.disks import Disks, locked
from tests.processes.kills import kill_in, planned
from tests.processes.losses import lose_in, strikes
from tests.processes.taken import points, take_in
from tests.processes.terms import term_in
from tests.processes.windows import WINDOWS
from tests.processes.world import Verdict

__all__ = ["main"]

SHOWN = 5
"""Examples of each kind of fault."""
A_JOURNAL = 25
"""Kills, signals or cancellations that one journal lives through before it is looked at."""


FEW = 10
"""Losses that one journal's folder lives through: damage of one of them may hide that of another."""

P = TypeVar("P")


class Done(Protocol):
    """The result of one journal's life."""

    verdict: Verdict
    complaints: list[str]

    @property
    def good(self) -> bool:
        """True if nothing is wrong."""


D = TypeVar("D", bound=Done)


def main(arguments: list[str]) -> int:
    """Run the modes of the command line; print the results, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.processes", description=(__doc__ or "").strip())
    parser.add_argument("--kills", type=int, default=0, metavar="N", help="kill -9, as often in each window")
    parser.add_argument("--terms", type=int, default=0, metavar="N", help="end by SIGTERM at random moments")
    parser.add_argument("--cancels", type=int, default=0, metavar="N", help="cancel an embedding application")
    parser.add_argument("--losses", type=int, default=0, metavar="N", help="lose or damage the journal, in each way")
    parser.add_argument("--taken", type=int, default=0, metavar="N", help="kill -9 while files are taken away")
    parser.add_argument("--lock", type=float, default=0, metavar="SECONDS", help="lock its journal for so long")
    parser.add_argument("--seed", type=int, default=1, help="the same seed plans the same run; the timing differs")
    parser.add_argument("--jobs", type=int, default=2, help="journals at a time")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    asked = parser.parse_args(arguments)
    if not (asked.kills or asked.terms or asked.cancels or asked.losses or asked.taken or asked.lock):
        parser.error("nothing to do")
    report: dict[str, Any] = {"seed": asked.seed}
    random = Random(asked.seed)
    if asked.kills:
        report["kills"] = asyncio.run(_kills(asked.kills, random, asked.jobs))
    if asked.terms:
        report["terms"] = asyncio.run(_terms(asked.terms, random, asked.jobs))
    if asked.cancels:  # one at a time: they share the event loop with the vendors
        report["cancels"] = asyncio.run(_cancels(asked.cancels, random))
    if asked.losses:
        report["losses"] = asyncio.run(_losses(asked.losses, random, asked.jobs))
    if asked.taken:
        report["taken"] = asyncio.run(_taken(asked.taken, random, asked.jobs))
    if asked.lock:
        report["lock"] = asyncio.run(_lock(asked.lock))
    sys.stdout.write(json.dumps(report, indent=2) + "\n" if asked.json else _text(report))
    return int(any(each["wrong"] for each in report.values() if isinstance(each, dict)))


async def _kills(count: int, random: Random, jobs: int) -> dict[str, Any]:
    began = time.monotonic()
    plan = planned(count, random)
    rounds = [plan[start : start + A_JOURNAL] for start in range(0, count, A_JOURNAL)]
    done = await _each(rounds, random, jobs, kill_in)
    hits = {window.name: sum(one.hits[window.name] for one in done) for window in WINDOWS}
    return {
        "kills": sum(hits.values()),
        "windows": hits,
        "fewest": min(hits.values()),
        "starts": sum(one.starts for one in done),
        **_found(done, began),
    }


async def _terms(count: int, random: Random, jobs: int) -> dict[str, Any]:
    began = time.monotonic()
    done = await _each(_parts(count), random, jobs, term_in)
    return {
        "signals_once": _codes(code for one in done for code in one.once.elements()),
        "signals_twice": _codes(code for one in done for code in one.twice.elements()),
        "longest_seconds": round(max(one.longest for one in done), 2),
        "longest_seconds_after_the_second": round(max(one.longest_twice for one in done), 2),
        **_found(done, began),
    }


async def _cancels(count: int, random: Random) -> dict[str, Any]:
    began = time.monotonic()
    done = await _each(_parts(count), random, 1, cancel_in)
    return {
        "cancelled": _codes(how for one in done for how in one.how.elements()),
        "longest_seconds": round(max(one.longest for one in done), 2),
        **_found(done, began),
    }


async def _losses(count: int, random: Random, jobs: int) -> dict[str, Any]:
    began = time.monotonic()
    plan = strikes(count, random)
    rounds = [plan[start : start + FEW] for start in range(0, count, FEW)]
    done = await _each(rounds, random, jobs, lose_in)
    return {
        "damages": _codes(how for one in done for how in one.hits.elements()),
        "refused": _codes(how for one in done for how in one.refused.elements()),
        "starts": sum(one.starts for one in done),
        "killed": sum(one.killed for one in done),
        **_found(done, began),
    }


async def _taken(count: int, random: Random, jobs: int) -> dict[str, Any]:
    began = time.monotonic()
    plan = points(count, random)
    rounds = [plan[start : start + FEW] for start in range(0, count, FEW)]
    done = await _each(rounds, random, jobs, take_in)
    return {
        "points": _codes(point for one in done for point in one.hits.elements()),
        "starts": sum(one.starts for one in done),
        **_found(done, began),
    }


async def _lock(seconds: float) -> dict[str, Any]:
    began = time.monotonic()

    async def live(_part: int, folder: Path, _random: Random) -> Disks:
        return await locked(folder, seconds)

    return {"locked_for": seconds, **_found(await _each([1], Random(0), 1, live), began)}


async def _each(
    rounds: Sequence[P], random: Random, jobs: int, live: Callable[[P, Path, Random], Awaitable[D]]
) -> list[D]:
    """Let a journal of its own live through each of `rounds`, `jobs` of them at a time."""
    free = asyncio.Semaphore(jobs)

    async def one(part: P, seed: int) -> D:
        async with free:
            folder = Path(tempfile.mkdtemp(prefix="processes-"))
            done = await live(part, folder, Random(seed))
        if done.good:
            shutil.rmtree(folder)
        else:
            done.complaints.append(f"see {folder}")
        return done

    return await asyncio.gather(*(one(part, random.getrandbits(32)) for part in rounds))


def _parts(count: int) -> list[int]:
    return [min(A_JOURNAL, count - start) for start in range(0, count, A_JOURNAL)]


def _codes(codes: Iterable[Any]) -> dict[str, int]:
    return {str(code): count for code, count in sorted(Counter(codes).items())}


def _found(done: Sequence[Done], began: float) -> dict[str, Any]:
    """Return the faults, as numbers and examples, and the time that the check took."""
    counts = {kind: sum(len(one.verdict.kinds[kind]) for one in done) for kind in Verdict().kinds}
    wrong = [f"{kind}: {text}" for one in done for kind, found in one.verdict.wrong.items() for text in found[:SHOWN]]
    return {
        "journals": len(done),
        "orders": sum(one.verdict.orders for one in done),
        **counts,
        "wrong": wrong + [text for one in done for text in one.complaints],
        "seconds": round(time.monotonic() - began, 1),
    }


def _text(report: dict[str, Any], indent: str = "") -> str:
    """Return a report for people."""
    lines = ""
    for name, value in report.items():
        if isinstance(value, dict):
            lines += f"{indent}{name}:\n" + _text(value, indent + "  ")
        else:
            lines += f"{indent}{name.replace('_', ' ')}: {value}\n"
    return lines


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
