"""Zendera gets failures for errors in the order, and never for errors in our reading or mapping."""

from __future__ import annotations

import logging
import sqlite3
from pathlib import Path
from typing import ClassVar

import anyio
import pytest

from connector.journal.base import Journal
from connector.journal.sqlite import MemoryJournal
from tests.doubles import FailingSource
from tests.flow.bench import Bench

pytestmark = pytest.mark.looptime


class Failing(FailingSource):
    """A source that accepts failures, and counts them."""

    ack_limit: ClassVar[int] = 50


def bench_of(poll_interval: float = 5) -> tuple[Bench, Failing]:
    """Return a bench whose source accepts failures."""
    bench = Bench(poll_interval=poll_interval)
    shop = bench.sources["shop"] = Failing("shop", bench.clock)
    return bench, shop


async def states(journal: Journal) -> dict[str, str]:
    """Return the state of every order."""

    def read(db: sqlite3.Connection) -> dict[str, str]:
        return dict(db.execute("SELECT order_id, state FROM order_states JOIN orders USING (key)").fetchall())

    return await journal.read(read)  # type: ignore[attr-defined, no-any-return]


@pytest.mark.fault(140)
async def test_what_all_orders_lack_is_our_mistake(caplog: pytest.LogCaptureFixture) -> None:
    """No order could be read: all are held, no failure is reported, and one line reports it."""
    bench, shop = bench_of()
    shop.put(*map(str, range(20)), missing="order_lines")
    journal = MemoryJournal()
    with caplog.at_level(logging.WARNING):
        async with bench.running(journal) as connector:
            await anyio.sleep(100)
            found = await states(journal)
            connector.stop()
    assert set(found.values()) == {"held"}
    assert not shop.told
    assert len([line for line in caplog.messages if "cannot be mapped" in line]) == 1


@pytest.mark.fault(140)
async def test_what_one_order_lacks_is_told_once_another_could_be_mapped() -> None:
    """That proves that orders can be read; the strike is for the dispatcher to see."""
    bench, shop = bench_of()
    shop.put("1", "2", missing="street")
    journal = MemoryJournal()
    async with bench.running(journal) as connector:
        await anyio.sleep(60)
        assert not shop.told
        shop.put("3")
        await anyio.sleep(60)
        found = await states(journal)
        connector.stop()
    assert found == {"1": "rejected", "2": "rejected", "3": "acknowledged"}
    assert shop.told == {"1": 1, "2": 1, "3": 1}
    assert shop.messages["1"] == "missing field: street"


async def test_orders_listed_together_bear_each_other_out() -> None:
    """In one page, before or after it; in a new journal, in which orders are looked up first."""
    bench, shop = bench_of()
    shop.put("1")
    shop.put("2", missing="street")
    shop.put("3")
    await bench.drained()
    assert shop.told == {"1": 1, "2": 1, "3": 1}
    assert [outcome for order_id, outcome, _ in shop.outcomes if order_id == "2"] == ["failed"]


async def test_that_waits_through_a_restart(tmp_path: Path) -> None:
    """Both the hold and its confirmation are in the journal."""
    bench, shop = bench_of()
    shop.put("1", missing="street")
    opened = bench.journal(tmp_path)
    await bench.drained(await opened())
    assert not shop.told
    shop.put("2")
    await bench.drained(await opened())
    assert shop.told == {"1": 1, "2": 1}


async def test_an_order_that_was_corrected_meanwhile_is_delivered() -> None:
    """It is read anew, and no failure is reported."""
    bench, shop = bench_of()
    shop.put("1", missing="street")
    journal = MemoryJournal()
    async with bench.running(journal) as connector:
        await anyio.sleep(30)
        shop.put("1")
        await anyio.sleep(30)
        shop.put("2")
        await anyio.sleep(30)
        found = await states(journal)
        connector.stop()
    assert found == {"1": "acknowledged", "2": "acknowledged"}
    assert [outcome for _, outcome, _ in shop.outcomes] == ["exported", "exported"]


async def test_what_a_person_has_left_alone_is_not_told() -> None:
    """Nor an order that was released and is held again for another reason."""
    bench, shop = bench_of()
    shop.put("1", missing="street")
    journal = MemoryJournal()
    async with bench.running(journal) as connector:
        await anyio.sleep(30)

        def leave(db: sqlite3.Connection) -> None:
            db.execute("UPDATE deliveries SET state = 'skipped' WHERE state = 'held'")

        await journal.store.write(leave)
        shop.put("2")
        await anyio.sleep(60)
        found = await states(journal)
        connector.stop()
    assert found == {"1": "skipped", "2": "acknowledged"}
    assert shop.told == {"2": 1}


async def test_a_mapping_that_fails_for_all_tells_nobody() -> None:
    """The order can be read, but not mapped to the receiver's request."""
    bench, shop = bench_of()
    shop.put("1", "2", "3", notes="unmappable")
    journal = MemoryJournal()
    async with bench.running(journal) as connector:
        await anyio.sleep(60)
        assert set((await states(journal)).values()) == {"held"}
        assert not shop.told
        shop.put("4")
        await anyio.sleep(60)
        found = await states(journal)
        connector.stop()
    assert found == {"1": "rejected", "2": "rejected", "3": "rejected", "4": "acknowledged"}
    assert shop.told == {"1": 1, "2": 1, "3": 1, "4": 1}
