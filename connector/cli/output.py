"""Formats command output as plain text: tables, durations, times, and text from vendors without control characters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from unicodedata import combining, east_asian_width

__all__ = ["age", "escaped", "iso", "table"]


def escaped(text: str) -> str:
    r"""
    Return `text` on one line, with unprintable characters written as `\x1b`, `\n` or `\u202e`.

    These are control characters, line breaks, bidirectional marks and lone surrogates, which could steer a terminal.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def table(head: Sequence[str], rows: Iterable[Sequence[object]], *, right: Iterable[int] = ()) -> str:
    """
    Return a table with aligned columns, two spaces apart; columns whose number is in `right` are right-aligned.

    Cells are escaped. An empty cell is shown as `-`, so that `awk` finds the same number of columns in every row.
    """
    right_aligned = frozenset(right)
    cells = [[escaped(str(cell)) or "-" for cell in row] for row in (head, *rows)]
    widths = [max(_width(cell) for cell in column) for column in zip(*cells, strict=True)]
    lines = []
    for row in cells:
        parts: list[str] = []
        for number, (cell, width) in enumerate(zip(row, widths, strict=True)):
            gap = " " * (width - _width(cell))
            parts.append(gap + cell if number in right_aligned else cell + gap)
        lines.append("  ".join(parts).rstrip())
    return "\n".join(lines)


def _width(text: str) -> int:
    """Return the number of terminal columns that `text` occupies."""
    if text.isascii():
        return len(text)
    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def iso(at: datetime | None) -> str | None:
    """Return a time as ISO 8601 in UTC, to the millisecond."""
    return None if at is None else at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def age(seconds: float) -> str:
    """Return a duration in its two largest units: `45s`, `5m 10s`, `3h 20m`, `12d 4h`."""
    left = max(0, int(seconds))
    parts: list[str] = []
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count or parts:
            parts.append(f"{count}{unit}" if count else "")
    return " ".join(part for part in parts[:2] if part) or "0s"
