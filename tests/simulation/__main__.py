"""
The simulation on the command line: `python -m tests.simulation --schedules 10000 --seed 1`.

Exit code 0 if every invariant held and enough was seen, 1 otherwise.
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import sys
import time
from collections.abc import Iterator, Sequence

import msgspec

from tests.simulation.bugs import BUGS, MOST
from tests.simulation.coverage import UNREACHED, Summary, lacking, summed
from tests.simulation.long import run_days
from tests.simulation.runner import catch_all, failure, run_all
from tests.simulation.same import differing
from tests.simulation.schedule import Result

MUCH = 10_000
"""Schedules from which on a run has to have seen everything."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the mode that the command line names; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--schedules", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0, help="of the first schedule; the next ones follow")
    parser.add_argument("--processes", type=int, default=multiprocessing.cpu_count())
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--bugs", action="store_true", help="put faults into the connector, and see them found")
    parser.add_argument("--same", type=int, help="run so many seeds twice, and compare the traces")
    parser.add_argument("--hours", type=float, help="one run of so many virtual hours instead")
    asked = parser.parse_args(arguments)
    logging.disable(logging.CRITICAL)
    if asked.bugs:
        return show_bugs(asked.processes)
    if asked.same:
        return show_same(range(asked.seed, asked.seed + asked.same))
    if asked.hours:
        return show_days(asked.hours, asked.seed)
    started = time.perf_counter()
    summary = summed(_told(run_all(range(asked.seed, asked.seed + asked.schedules), asked.processes)))
    seconds = time.perf_counter() - started
    missing = lacking(summary) if asked.schedules >= MUCH else []
    if asked.json:
        content = {**msgspec.to_builtins(summary), "seconds": round(seconds, 1), "lacking": missing}
        print(msgspec.json.format(msgspec.json.encode(content)).decode())  # noqa: T201
    else:
        print(shown(summary, seconds, missing))  # noqa: T201
    return 1 if summary.violating or missing else 0


def show_bugs(processes: int) -> int:
    """Print the schedule in which each planted bug was found."""
    missed = 0
    for name, found in catch_all(list(BUGS), processes):
        missed += not found.at
        print(f"{found.at or 'not found':>9}  {name:22} {found.what[:100]}")  # noqa: T201
    print(f"{len(BUGS) - missed} of {len(BUGS)} bugs found within {MOST} schedules")  # noqa: T201
    return 1 if missed else 0


def show_same(seeds: range) -> int:
    """Print the number of seeds that are the same schedule in two processes."""
    others = differing(seeds)
    print(f"{len(seeds) - len(others)} of {len(seeds)}")  # noqa: T201
    if others:
        print("differ: " + " ".join(map(str, others)), file=sys.stderr)  # noqa: T201
    return 1 if others else 0


def show_days(hours: float, seed: int) -> int:
    """Print the result of the long run."""
    started = time.perf_counter()
    days = run_days(hours, seed)
    counts = days.result.counts
    if days.result.violations:
        print(failure(days.result), file=sys.stderr)  # noqa: T201
    print(  # noqa: T201
        f"{hours:g} virtual hours in {time.perf_counter() - started:.1f} s: {counts['orders']} orders, "
        f"{counts['deliveries']} deliveries, {counts['calls']} calls, {days.crashes} ends of the process, "
        f"{days.expired} log-ins, {days.steps} steps of the clock, at most {days.most_a_minute} calls to the receiver "
        f"in a minute, {days.during_the_outage} while it was down"
    )
    return 1 if days.result.violations else 0


def shown(summary: Summary, seconds: float, missing: Sequence[str]) -> str:
    """Return the summary as text."""
    lines = [
        f"{summary.schedules} schedules in {seconds:.1f} s ({summary.schedules / seconds:.1f} a second)",
        f"{summary.orders} orders, {summary.deliveries} deliveries, {summary.calls} calls",
        ", ".join(f"{name}: {times}" for name, times in summary.worst.items()),
        f"violating schedules: {' '.join(map(str, summary.violating)) or 'none'}",
    ]
    for title, table in (
        ("endings", summary.crashes),
        ("faults", summary.faults),
        ("worlds", summary.worlds),
        ("ways", summary.edges),
    ):
        lines.append(f"{sum(table.values())} {title}:")
        lines += [f"  {times:8} {name}{_why(name, times)}" for name, times in sorted(table.items())]
    if missing:
        lines.append("too seldom: " + ", ".join(missing))
    return "\n".join(lines)


def _why(name: str, times: int) -> str:
    return f"  ({UNREACHED[name]})" if not times and name in UNREACHED else ""


def _told(results: Iterator[Result]) -> Iterator[Result]:
    """Print every violation as soon as it is found."""
    for result in results:
        if result.violations:
            print(failure(result), file=sys.stderr)  # noqa: T201
        yield result


if __name__ == "__main__":
    sys.exit(main())
