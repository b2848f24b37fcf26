"""The cases that no test shows, each with the reason."""

from __future__ import annotations

__all__ = ["PENDING", "UNSHOWN"]

UNSHOWN: dict[tuple[str, int], str] = {}
"""By kind and number: why a test cannot show it, and what does instead."""

PENDING: dict[str, frozenset[int]] = {"fault": frozenset(range(1, 125)), "attack": frozenset(range(1, 35))}
"""Not shown yet, or not marked yet: a debt. Whoever marks a test need not touch this."""
