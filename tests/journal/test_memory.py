"""The journal in memory keeps the contract of all journals."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.journal.sqlite import MemoryJournal
from tests.contracts.journal import JournalContract
from tests.contracts.journal_bench import arrival, ingest


class TestMemoryJournal(JournalContract):
    """In memory, without a thread."""

    journal = MemoryJournal

    @asynccontextmanager
    async def open(self) -> AsyncIterator[MemoryJournal]:
        """Open one."""
        journal = MemoryJournal()
        try:
            yield journal
        finally:
            await journal.aclose()


IDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)


@pytest.mark.attack(19)
@settings(deadline=None)
@given(st.lists(IDS, unique=True, max_size=8), st.lists(IDS, unique=True, max_size=8))
def test_any_text_is_an_id(before: list[str], after: list[str]) -> None:
    """With any order ids of a vendor, the journal recognises its orders, and keeps them apart."""

    async def holds() -> None:
        async with TestMemoryJournal().open() as journal:
            assert await ingest(journal, *map(arrival, before)) == ["new"] * len(before)
            assert await ingest(journal, *map(arrival, after)) == [
                "known" if order_id in before else "new" for order_id in after
            ]

    asyncio.run(holds())
