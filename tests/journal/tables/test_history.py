"""The journal does not grow without bound, and forgets no order."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from connector.ack import Confirmed
from connector.journal.engine.codec import millis
from connector.journal.records import AckResult, Delivered, Intent, Listing, Settlement
from connector.journal.sqlite import MemoryJournal, SqliteJournal
from connector.journal.tables import history as retention
from tests.contracts.journal_bench import arrival, at, rows
from tests.journal.files import opened


async def finished(journal: SqliteJournal, *order_ids: str) -> None:
    """Take orders to their end, in one commit a step; each leaves a line of history, for it was found there."""
    page = [arrival(each, raw=b"x" * 2000) for each in order_ids]
    taken = await journal.orders.ingest("shop", page, Listing(asked_at=at()), at())
    keys = [each.key for each in taken]
    assert all(await journal.deliveries.intend([Intent(key, "wms", "a", b"#" * 32) for key in keys], at()))
    await journal.deliveries.settle(
        [Settlement(key, "wms", Delivered(f"id-{key}", f"R{key}", adopted=True)) for key in keys], at()
    )
    assert all(await journal.acks.claim(keys, at()))
    await journal.acks.settle([AckResult(key, Confirmed(), at()) for key in keys], at())


@pytest.mark.fault(118)
async def test_history_goes_and_orders_stay() -> None:
    """After its time the history of a finished order is removed, in portions; the order is still known by its key."""
    journal = MemoryJournal()
    await finished(journal, *map(str, range(30)))
    await journal.orders.ingest("shop", [arrival("held", state="held", cause="x")], Listing(asked_at=at()), at())
    assert await journal.holds.release("x", at()) == 1  # which is a line of history, of an order that is not at its end
    assert await journal.history.prune(at(-1), 100) == 0
    assert await journal.history.prune(at(10), 20) == 20
    assert await journal.history.prune(at(10), 20) == 10
    assert await journal.history.prune(at(10), 20) == 0
    assert await rows(journal, "SELECT what FROM history") == [("released",)]

    again = await journal.orders.ingest(
        "shop", [arrival(str(each)) for each in range(30)], Listing(asked_at=at(-5)), at(20)
    )

    assert {each.what for each in again} == {"known"}


@pytest.mark.fault(118, 121)
async def test_a_look_ends_where_the_lines_are_too_young(monkeypatch: pytest.MonkeyPatch) -> None:
    """A journal of ten thousand young lines is not gone through each minute; one of a wrong clock hides none."""
    monkeypatch.setattr(retention, "YOUNG", 3)
    journal = MemoryJournal()
    await finished(journal, *map(str, range(20)))
    await rows(journal, "UPDATE history SET at = ? WHERE id IN (1, 2, 4, 5)", millis(at(1000)))
    assert await journal.history.prune(at(10), 100) == 16
    await finished(journal, *map(str, range(20, 40)))
    await rows(journal, "UPDATE history SET at = ? WHERE id < 7", millis(at(1000)))

    assert await journal.history.prune(at(10), 100) == 0
    assert await rows(journal, "SELECT count(*) FROM history") == [(24,)]


async def pages(journal: SqliteJournal) -> int:
    """Return the bytes that the journal takes up, its log aside."""
    ((count,),) = await rows(journal, "PRAGMA page_count")
    return int(count) * 4096


@pytest.mark.fault(118)
async def test_what_is_left_of_an_order_is_small(path: Path) -> None:
    """Its content is gone with the source's confirmation, its room is used again, and the log stays short."""
    async with opened(path) as journal:
        for start in range(0, 400, 50):
            await finished(journal, *map(str, range(start, start + 50)))
        before = await pages(journal)
        for start in range(400, 1600, 50):
            await finished(journal, *map(str, range(start, start + 50)))
        assert (await pages(journal) - before) / 1200 < 1000
        assert await rows(journal, "SELECT count(*) FROM payloads") == [(0,)]
        log = path.with_name("journal.db-wal")
        assert os.stat(log).st_size < 8 * 1024 * 1024  # noqa: PTH116
