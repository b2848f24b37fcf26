"""Orders a second and their cost, of the connector and of its command line, beside the bare loop."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from statistics import median
from typing import Any

from tests.benchmarks.cases import CASES, Figures, Setting, measure
from tests.benchmarks.processes import StandIn

__all__ = ["compare", "row", "throughput", "turns"]

Rounds = dict[str, list[Figures]]


def turns(setting: Setting, standin: StandIn, rounds: int, cases: Sequence[str] = tuple(CASES)) -> Rounds:
    """Run the cases in turns, `rounds` times: a load that slows the machine for a while slows all of them."""
    found: Rounds = {case: [] for case in cases}
    for _ in range(rounds):
        for case in cases:
            found[case].append(measure(case, setting, standin))
    return found


def compare(rounds: Rounds, case: str) -> tuple[float, float]:
    """
    Return the shares of the bare loop that `case` reaches: orders a second, and orders a second of processor time.

    1 is as good as the bare loop. Each is the median over the turns, a turn compared with the bare loop of that turn.
    """
    pairs = list(zip(rounds["bare"], rounds[case], strict=True))
    rate = median(own.rate / bare.rate for bare, own in pairs)
    return rate, median(bare.cpu_per_1000 / own.cpu_per_1000 for bare, own in pairs)


def row(setting: Setting, case: str, rounds: Rounds) -> dict[str, Any]:
    """Return the medians of one case, and its shares, as they are printed and as they stand in the JSON."""
    own = rounds[case]
    rate, cpu = compare(rounds, case)
    loops = [each.cpu_loop_per_1000 for each in own if each.cpu_loop_per_1000 is not None]
    return {
        "measurement": "throughput",
        "shape": setting.shape,
        "orders": setting.orders,
        "loop": setting.loop,
        "case": case,
        "orders_per_second": median(each.rate for each in own),
        "cpu_seconds_per_1000": median(each.cpu_per_1000 for each in own),
        "cpu_loop_seconds_per_1000": median(loops) if loops else None,
        "peak_mib": median(each.rss for each in own),
        "calls_per_order": median(each.calls for each in own) / setting.orders,
        "standin_busy": median(each.busy for each in own),
        "rate_of_bare": rate,
        "cpu_of_bare": cpu,
        "rounds": [each._asdict() for each in own],
    }


def throughput(
    settings: Iterable[Setting], standin: StandIn, rounds: int, tell: Callable[[list[dict[str, Any]]], None]
) -> list[dict[str, Any]]:
    """Measure each setting, and `tell` its rows as soon as they are measured; return all rows."""
    rows = []
    for setting in settings:
        print(f"... {setting.shape}, {setting.orders:,} orders, {setting.loop}", file=sys.stderr)  # noqa: T201
        found = turns(setting, standin, rounds)
        own = [row(setting, case, found) for case in CASES]
        tell(own)
        rows += own
    return rows
