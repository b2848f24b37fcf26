"""Journals in files: opened, filled, refused, and tampered with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from connector.clock import SystemClock
from connector.errors import JournalError
from connector.journal.sqlite import SqliteJournal
from tests.contracts.journal_bench import arrival, ingest

__all__ = ["content", "filled", "opened", "put", "refused", "until_stalled"]


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[SqliteJournal]:
    """Open a journal, and close it."""
    journal = await SqliteJournal.open(path, SystemClock())
    try:
        yield journal
    finally:
        await journal.aclose()


async def refused(path: Path, words: str) -> JournalError:
    """Open a journal that must be refused with these words."""
    with pytest.raises(JournalError, match=words) as caught:
        await (await SqliteJournal.open(path, SystemClock())).aclose()
    return caught.value


async def filled(path: Path) -> None:
    """Write a journal of some forty pages."""
    async with opened(path) as journal:
        for number in range(40):
            await ingest(journal, arrival(str(number), raw=b"x" * 4000))


async def until_stalled(journal: SqliteJournal) -> None:
    """Wait until something waits for the disk."""
    while journal.stalled is None:  # noqa: ASYNC110 - its thread has no event for that
        await asyncio.sleep(0)


def put(path: Path, content: bytes, *, at: int | None = None) -> None:
    """Write `content` in the place of the file, or over its bytes from `at` on."""
    if at is not None:
        before = path.read_bytes()
        content = before[:at] + content + before[at + len(content) :]
    path.write_bytes(content)


def content(path: Path) -> bytes:
    """Return the file's content."""
    return path.read_bytes()
