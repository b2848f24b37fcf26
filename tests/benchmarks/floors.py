"""The least shares of the baselines that a change may leave: the one place that the `perf` job of .ci/run reads."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["FLOORS", "ORDERS", "ROUNDS", "Floor"]


class Floor(NamedTuple):
    """Shares of the bare loop: orders a second, and orders a second of processor time. 1 is as good as it."""

    rate: float
    cpu: float


FLOORS = {
    "patch": Floor(rate=0.25, cpu=0.33),
    "fifties": Floor(rate=0.21, cpu=0.21),
}
"""By shape: one call an order, where the calls weigh most, and fifty, where our own work does."""
ORDERS = 2_000
"""Orders of one case in the short form."""
ROUNDS = 3
"""Turns of the short form; as many again for a shape that falls short."""
