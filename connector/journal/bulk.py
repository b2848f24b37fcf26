"""
Many rows in few statements.

Between two steps of a statement the database thread lets the event loop run, and has to wait for its turn again: a
statement a row costs several times what the same row costs in a statement of many.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any

__all__ = ["each", "listed", "values", "whole"]

LARGEST = 64
"""Rows of one statement. With its halves, it makes seven texts of each statement, which stay prepared."""


def whole(db: sqlite3.Connection, expected: int, change: Callable[[], int]) -> bool:
    """Make a change of `expected` rows; take it back if it was of another number. Tell whether it stands."""
    db.execute("SAVEPOINT whole")
    stands = change() == expected
    if not stands:
        db.execute("ROLLBACK TO whole")
    db.execute("RELEASE whole")
    return stands


def values(db: sqlite3.Connection, statement: str, rows: Sequence[Sequence[Any]], *others: Any) -> int:
    """
    Run `statement`, in which `{}` stands for rows of values as in VALUES, after the values of `others`.

    Return how many rows of the database it changed. No two of `rows` may be about the same row of the database.
    """
    changed = 0
    for part in _parts(rows):
        text = _text(statement, len(part), len(part[0]))
        changed += db.execute(text, [*others, *(value for row in part for value in row)]).rowcount
    return changed


def each(db: sqlite3.Connection, statement: str, keys: Sequence[Any], *others: Any) -> int:
    """As `values`, for a statement whose last values are a list of keys, after those of `others`: `key IN ({})`."""
    changed = 0
    for part in _parts(keys):
        changed += db.execute(_listed(statement, len(part)), [*others, *part]).rowcount
    return changed


def listed(db: sqlite3.Connection, question: str, keys: Sequence[Any], *others: Any) -> Iterator[tuple[Any, ...]]:
    """Yield the rows that answer a question about a list of keys: `key IN ({})`, after the values of `others`."""
    for part in _parts(keys):
        yield from db.execute(_listed(question, len(part)), [*others, *part])


def _parts(rows: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Cut `rows` into parts of `LARGEST`, and the rest into a half, a quarter ... of it."""
    start, size = 0, LARGEST
    while start < len(rows):
        while size > len(rows) - start:
            size //= 2
        yield rows[start : start + size]
        start += size


@lru_cache(maxsize=512)
def _text(statement: str, rows: int, columns: int) -> str:
    row = f"({', '.join('?' * columns)})"
    return statement.replace("{}", ", ".join([row] * rows))


@lru_cache(maxsize=512)
def _listed(statement: str, keys: int) -> str:
    return statement.replace("{}", ", ".join("?" * keys))
