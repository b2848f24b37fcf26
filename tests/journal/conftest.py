"""Databases for the tests of the journal."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from connector.journal.engine.connection import Database
from tests.journal.engine.stepped_database import ByHand


@pytest.fixture
async def runner() -> AsyncIterator[ByHand]:
    """Make a database with one table."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        db.execute("CREATE TABLE t (name TEXT PRIMARY KEY) STRICT")
        made = ByHand(db)
        yield made
        made.end()


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    """Open a journal's file, which has a thread of its own."""
    opened = await Database.open(tmp_path / "journal.db")
    yield opened
    await opened.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Say where the journal is."""
    return tmp_path / "journal.db"


@pytest.fixture
def no_thread_is_left() -> Iterator[None]:
    """A connection that nobody closed keeps its thread, and with it the process (faults.md #117)."""
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        thread.join(5)
        assert not thread.is_alive()
