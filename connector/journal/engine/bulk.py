"""
Statements for many rows at once.

Between two statements the database thread lets the event loop run, and has to wait for its turn again: a statement for
each row costs several times as much as one statement for many rows.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any

__all__ = ["CHUNK", "all_or_nothing", "chunks", "distinct", "execute_values", "select_keys", "update_keys"]

CHUNK = 500
"""Orders read at once: a reader that pauses (a pager) must not hold the journal's file at an old moment."""

LARGEST = 128
"""Rows of one statement. Fewer are filled up to a half, a quarter ... of it, so that its eight texts stay prepared."""


def chunks(keys: Sequence[int], size: int = CHUNK) -> Iterator[Sequence[int]]:
    """Cut `keys` into portions."""
    for start in range(0, len(keys), size):
        yield keys[start : start + size]


def distinct(db: sqlite3.Connection, column: str, table: str, where: str = "1") -> list[str]:
    """Return the values of a column that is the first of an index with the words `where`, one step for each."""
    return [
        name
        for (name,) in db.execute(
            f"WITH RECURSIVE each (name) AS (SELECT min({column}) FROM {table} WHERE {where}"  # noqa: S608
            f" UNION ALL SELECT (SELECT min({column}) FROM {table} WHERE {where} AND {column} > each.name)"
            " FROM each WHERE each.name IS NOT NULL) SELECT name FROM each WHERE name IS NOT NULL"
        )
    ]


def all_or_nothing(db: sqlite3.Connection, expected: int, change: Callable[[], int]) -> bool:
    """Make a change of `expected` rows; roll it back if it was of another number. Return whether it stands."""
    db.execute("SAVEPOINT whole")
    stands = change() == expected
    if not stands:
        db.execute("ROLLBACK TO whole")
    db.execute("RELEASE whole")
    return stands


def execute_values(db: sqlite3.Connection, statement: str, rows: Sequence[Sequence[Any]], *others: Any) -> int:
    """
    Run `statement`, in which `{}` stands for rows of values as in VALUES, after the values of `others`.

    Return how many rows of the database it changed. No two of `rows` may be about the same row of the database. There
    may be rows of NULL after them, which the statement must pass over.
    """
    changed = 0
    for part, size in _parts(rows):
        columns = len(part[0])
        given = [*others, *(value for row in part for value in row), *[None] * ((size - len(part)) * columns)]
        changed += db.execute(_text(statement, size, columns), given).rowcount
    return changed


def update_keys(db: sqlite3.Connection, statement: str, keys: Sequence[Any], *others: Any) -> int:
    """As `execute_values`, for a statement that ends with keys, `key IN ({})`, after the values of `others`."""
    changed = 0
    for part, size in _parts(keys):
        changed += db.execute(_listed(statement, size), [*others, *_filled(part, size)]).rowcount
    return changed


def select_keys(db: sqlite3.Connection, question: str, keys: Sequence[Any], *others: Any) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a query with a list of keys: `key IN ({})`, after the values of `others`."""
    for part, size in _parts(keys):
        yield from db.execute(_listed(question, size), [*others, *_filled(part, size)])


def _parts(rows: Sequence[Any]) -> Iterator[tuple[Sequence[Any], int]]:
    """Cut `rows` into parts of at most `LARGEST`; yield each with the size of the statement that takes it."""
    for start in range(0, len(rows), LARGEST):
        part = rows[start : start + LARGEST]
        yield part, 1 << (len(part) - 1).bit_length()


def _filled(keys: Sequence[Any], size: int) -> Sequence[Any]:
    """Name the last key once more for each that is missing: a list of keys means the same with it twice."""
    return [*keys, *[keys[-1]] * (size - len(keys))]


@lru_cache(maxsize=512)
def _text(statement: str, rows: int, columns: int) -> str:
    row = f"({', '.join('?' * columns)})"
    return statement.replace("{}", ", ".join([row] * rows))


@lru_cache(maxsize=512)
def _listed(statement: str, keys: int) -> str:
    return statement.replace("{}", ", ".join("?" * keys))
