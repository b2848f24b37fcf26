"""Plain text output for people."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.cli.output import age, escaped, iso, table


def test_columns_line_up() -> None:
    """Columns are as wide as their widest cell, numbers are right-aligned, and empty cells are dashes."""
    text = table(["NAME", "N", "LAST"], [["a", 1, ""], ["long name", 1000, "x"]], right=[1])

    assert ["NAME          N  LAST", "a             1  -", "long name  1000  x"] == text.splitlines()


def test_wide_and_combining_characters() -> None:
    """Characters of two columns, or of none, count as such."""
    text = table(["A", "B"], [["日本", "x"], ["e\u0301", "x"], ["abcd", "x"]])

    assert ["A     B", "日本  x", "e\u0301     x", "abcd  x"] == text.splitlines()


@given(st.lists(st.lists(st.text(st.characters()), min_size=2, max_size=2), max_size=5))
def test_no_cell_leaves_its_line(rows: list[list[str]]) -> None:
    """A row is one line of printable characters, with any text in its cells."""
    lines = table(["A", "B"], rows).split("\n")

    assert len(rows) + 1 == len(lines)
    assert all(line.isprintable() for line in lines)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Gärtner & Söhne 日本 C:\\x", "Gärtner & Söhne 日本 C:\\x"),
        ("\x1b[31m", r"\x1b[31m"),
        ("a\nb\tc", r"a\nb\tc"),
        ("\x9b\x7f\u202e\u2028\ud800", r"\x9b\x7f\u202e\u2028\ud800"),
    ],
)
def test_escapes(text: str, shown: str) -> None:
    """Printable characters stay as they are; all others are escaped."""
    assert shown == escaped(text)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-3, "0s"),
        (0.9, "0s"),
        (59, "59s"),
        (60, "1m"),
        (310, "5m 10s"),
        (3600, "1h"),
        (86_460, "1d"),
        (90_000, "1d 1h"),
    ],
)
def test_age(seconds: float, shown: str) -> None:
    """A duration shows its two largest units, without a zero."""
    assert shown == age(seconds)


def test_iso() -> None:
    """A time is in UTC with a Z, to the millisecond."""
    assert "2026-03-24T09:00:00.120Z" == iso(datetime(2026, 3, 24, 9, 0, 0, 120_000, tzinfo=UTC))
    assert iso(None) is None
