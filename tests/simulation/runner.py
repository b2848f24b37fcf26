"""Runs schedules on every core, and reports the violation of one."""

from __future__ import annotations

import logging
import multiprocessing
from collections.abc import Iterator, Sequence

from tests.simulation.bugs import Caught, caught
from tests.simulation.schedule import Result, run

__all__ = ["catch_all", "failure", "run_all"]

CHUNK = 10
"""Schedules that a process takes at once."""


def run_all(seeds: range, processes: int) -> Iterator[Result]:
    """Run the schedules of `seeds` on so many processes; yield the results as they come."""
    if processes <= 1 or len(seeds) <= CHUNK:
        yield from map(run, seeds)
        return
    with multiprocessing.get_context("spawn").Pool(min(processes, len(seeds)), initializer=_silent) as pool:
        yield from pool.imap_unordered(run, seeds, chunksize=CHUNK)


def catch_all(names: Sequence[str], processes: int) -> Iterator[tuple[str, Caught]]:
    """Look for each of the planted bugs, on so many processes."""
    with multiprocessing.get_context("spawn").Pool(processes, initializer=_silent) as pool:
        yield from zip(names, pool.imap(caught, names), strict=True)


def failure(result: Result) -> str:
    """Return the violation of a schedule, and the command that repeats it."""
    lines = [f"{each.invariant} {each.order}: {each.text}" for each in result.violations]
    again = f"again: python -m tests.simulation --schedules 1 --seed {result.seed}"
    return "\n".join([f"seed {result.seed}", *lines, "the last events:", *result.tail, again])


def _silent() -> None:
    logging.disable(logging.CRITICAL)
