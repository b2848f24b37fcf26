"""Many rows in few statements are the same rows."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from connector.journal.engine import bulk


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    """Make a table of numbers."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as made:
        made.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT NOT NULL) STRICT")
        yield made


@pytest.mark.parametrize("count", [0, 1, 2, 3, 63, 64, 65, 127, 128, 129, 300])
def test_every_row_is_written_once_and_counted(db: sqlite3.Connection, count: int) -> None:
    """However many there are, and whatever parts they are cut into."""
    insert = "INSERT INTO t (a, b) SELECT * FROM (VALUES {}) WHERE column1 IS NOT NULL"
    assert bulk.execute_values(db, insert, [(n, str(n)) for n in range(count)]) == count
    assert db.execute("SELECT a, b FROM t ORDER BY a").fetchall() == [(n, str(n)) for n in range(count)]
    every = list(range(count))
    assert sorted(bulk.select_keys(db, "SELECT a FROM t WHERE b <> ? AND a IN ({})", every, "0")) == [
        (n,) for n in every if n
    ]
    assert bulk.update_keys(db, "UPDATE t SET b = ? WHERE a IN ({})", [*every, 1000], "x") == count


def test_few_statements_serve_any_number_of_rows(db: sqlite3.Connection) -> None:
    """Statements that run at full speed stay prepared: a text for each power of two, and one for each 128 rows."""
    texts: list[str] = []
    db.set_trace_callback(texts.append)
    for count in range(1, 300):
        bulk.update_keys(db, "DELETE FROM t WHERE a IN ({})", range(count))
    assert len({text.count(",") for text in texts}) == 8
    assert len(texts) == sum(-(-count // 128) for count in range(1, 300))


def test_a_change_of_another_number_of_rows_is_taken_back(db: sqlite3.Connection) -> None:
    """All of it, or nothing; earlier changes of the transaction stay."""
    db.execute("BEGIN")
    db.execute("INSERT INTO t VALUES (1, 'a'), (2, 'b')")
    assert not bulk.all_or_nothing(
        db, 3, lambda: bulk.update_keys(db, "UPDATE t SET b = ? WHERE a IN ({})", [1, 2, 3], "x")
    )
    assert db.execute("SELECT b FROM t").fetchall() == [("a",), ("b",)]
    assert bulk.all_or_nothing(db, 2, lambda: bulk.update_keys(db, "UPDATE t SET b = ? WHERE a IN ({})", [1, 2], "x"))
    db.execute("COMMIT")
    assert db.execute("SELECT b FROM t").fetchall() == [("x",), ("x",)]
