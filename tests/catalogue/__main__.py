"""
The table of the catalogue: `python -m tests.catalogue [fault|attack] [--missing]`.

One line a case: its number, its description, and the number of tests that show it; below it each of them, or why none
does.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict

from tests.catalogue.marks import KINDS, marks, titles
from tests.catalogue.unshown import UNSHOWN

__all__ = ["table"]


def table(kind: str, *, missing: bool = False) -> str:
    """Return the table of one kind; with `missing`, only the cases that no test shows."""
    shown: defaultdict[int | None, dict[str, None]] = defaultdict(dict)
    for mark in marks():
        if mark.kind == kind:
            shown[mark.number][mark.test] = None
    lines = []
    for number, title in titles(kind).items():
        if missing and shown[number]:
            continue
        reason = UNSHOWN.get((kind, number), "not shown yet")
        lines += [f"{kind} {number:3}  {title}", *(f"{'':{len(kind) + 6}}{test}" for test in shown[number] or [reason])]
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.catalogue", description="What can go wrong, and its tests.")
    parser.add_argument("kind", nargs="?", choices=list(KINDS), help="only this list (default: all)")
    parser.add_argument("--missing", action="store_true", help="only what no test shows")
    asked = parser.parse_args()
    sys.stdout.write(
        "\n\n".join(table(kind, missing=asked.missing) for kind in ([asked.kind] if asked.kind else KINDS)) + "\n"
    )
