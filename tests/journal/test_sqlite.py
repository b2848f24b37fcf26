"""The journal in a file keeps the contract of all journals, and its records when it is opened again."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from connector.clock import SystemClock
from connector.journal.sqlite import SqliteJournal
from tests.contracts.journal import JournalContract
from tests.contracts.journal_bench import arrival, at, delivered, found, ingest, intend, rows


class TestSqliteJournal(JournalContract):
    """On a real file, with its thread."""

    journal = SqliteJournal
    path: Path

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.path = tmp_path / "journal.db"

    @asynccontextmanager
    async def open(self) -> AsyncIterator[SqliteJournal]:
        """Open the file."""
        journal = await SqliteJournal.open(self.path, SystemClock())
        try:
            yield journal
        finally:
            await journal.aclose()

    async def test_what_was_recorded_is_there_when_it_is_opened_again(self) -> None:
        """Orders, deliveries, acknowledgements, and the journal's identity."""
        async with self.open() as journal:
            key = await found(journal)
            ack = await delivered(journal, key)
            assert await intend(journal, await found(journal, "2"))
            identity = await rows(journal, "SELECT value FROM identity WHERE name = 'journal'")
            assert len(identity) == 1
        async with self.open() as journal:
            assert await rows(journal, "SELECT value FROM identity WHERE name = 'journal'") == identity
            assert await journal.acks.due("shop", "pending", at(99)) == [ack]
            assert await journal.recover(at(10), {"wms": 30.0}, 300.0) == 1
            assert await ingest(journal, arrival("1"), arrival("2"), arrival("3")) == ["known", "known", "new"]

    async def test_a_cancelled_close_has_closed(self) -> None:
        """A caller that gets the cancellation may open the file again at once."""
        for _ in range(20):
            journal = await SqliteJournal.open(self.path, SystemClock())
            closing = asyncio.create_task(journal.aclose())
            await asyncio.sleep(0)
            closing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await closing
            with contextlib.closing(sqlite3.connect(self.path)) as other:  # not even a lock is left
                assert other.execute("PRAGMA journal_mode = delete").fetchone() == ("delete",)
            other.close()

    async def test_closing_at_the_same_time_is_closing_once(self) -> None:
        """Both return when it is closed."""
        async with self.open() as journal:
            await asyncio.gather(journal.aclose(), journal.aclose())
