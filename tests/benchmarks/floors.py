"""The least that a change may leave of what was reached: the one place that the `perf` job of .ci/run reads."""

from __future__ import annotations

__all__ = ["CPU", "ORDERS", "RATE", "ROUNDS"]

RATE = 0.30
"""Orders a second, as a share of the bare loop's."""
CPU = 0.30
"""Orders a second of the processor's time, likewise; hardly moved by what else the machine does."""
ORDERS = 2_000
"""Orders of one case in the short form."""
ROUNDS = 3
"""Turns of the short form; twice as many if the first ones fall short."""
