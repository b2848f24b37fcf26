"""The cases that no test shows, each with the reason."""

from __future__ import annotations

__all__ = ["PENDING", "UNSHOWN"]

UNSHOWN: dict[tuple[str, int], str] = {
    (
        "fault",
        24,
    ): "needs a power cut, or a disk that forgets what was not synced; tests show that every commit is synced "
    "(WAL, synchronous=FULL, read back at the start) and survives kill -9",
    ("fault", 114): "a disk that says it has synced and has not cannot be told from one that has: assumption A6 of "
    "docs/guarantees.md; look-up before create and the feed bound the damage",
    ("attack", 33): "the dependencies are audited outside the tests; .ci/constraints.txt pins what is tested",
}
"""By kind and number: why a test cannot show it, and the evidence in its place."""

PENDING: dict[str, frozenset[int]] = {"fault": frozenset(), "attack": frozenset()}
"""Not shown yet, or not marked yet: a debt. A new mark on a test needs no change here."""
