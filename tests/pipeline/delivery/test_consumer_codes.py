"""Orders that wait for a code, and the ways to release them."""

from __future__ import annotations

from collections import Counter
from typing import Any

import anyio
import msgspec
import pytest

from connector.events import OrderHeld
from connector.journal.sqlite import MemoryJournal
from connector.settings.model import TotalsSettings
from tests.flow.bench import Bench

pytestmark = pytest.mark.looptime


class Kept(MemoryJournal):
    """A journal that survives its connector, as a file does."""

    async def aclose(self) -> None:
        """Stay open for the next connector."""


def with_table(bench: Bench, table: dict[str, str]) -> None:
    """Let the route look up the order's note in a table."""
    mapping: Any = {"notes": "=lookup('methods', notes)"}
    bench.settings.routes[0] = msgspec.structs.replace(bench.settings.routes[0], mapping=mapping)
    bench.settings = msgspec.structs.replace(bench.settings, tables={"methods": table})


async def test_a_missing_code_holds_all_that_need_it_and_adding_it_releases_them() -> None:
    """They share one cause that names the code; `reload` with the code, or a restart with it, delivers them all."""
    bench = Bench()
    with_table(bench, {"post": "P"})
    bench.shop.put("1", notes="post")
    bench.shop.put("2", "3", notes="boat")
    bench.shop.put("4", notes="train")
    journal = Kept()
    async with bench.running(journal) as connector:
        await connector.drain()
        causes = Counter(event.cause for event in bench.events if isinstance(event, OrderHeld))
        assert Counter({"missing code: methods/boat": 2, "missing code: methods/train": 1}) == causes

        with_table(bench, {"post": "P", "boat": "B"})
        assert 2 == (await connector.reload(bench.settings)).released
        await connector.drain()
        assert Counter(["shop-1", "shop-2", "shop-3"]) == bench.wms.count()

    with_table(bench, {"post": "P", "boat": "B", "train": "T"})
    await bench.drained(journal)

    assert Counter(f"shop-{number}" for number in range(1, 5)) == bench.wms.count()
    assert {} == bench.shop.feed
    await MemoryJournal.aclose(journal)


async def test_a_mapping_that_cannot_be_used_changes_nothing() -> None:
    """A reload with an error leaves the mappings unchanged."""
    bench = Bench()
    with_table(bench, {"post": "P"})
    bench.shop.put("1", notes="post")
    async with bench.running(MemoryJournal()) as connector:
        broken = msgspec.structs.replace(bench.settings.routes[0], mapping="no_such_module:function")
        with pytest.raises(Exception, match="no_such_module"):
            await connector.reload(msgspec.structs.replace(bench.settings, routes=[broken]))
        await connector.drain()

    assert Counter(["shop-1"]) == bench.wms.count()


async def test_a_missing_code_is_never_told_as_failed() -> None:
    """An error in our own settings costs no strike at a source that counts them."""
    from tests.doubles import FailingSource

    bench = Bench()
    bench.sources["shop"] = source = FailingSource("shop", bench.clock)
    with_table(bench, {})
    source.put("1", notes="boat")

    await bench.drained()

    assert [] == source.outcomes


async def test_sums_that_do_not_add_up_are_noted_or_hold() -> None:
    """`report` delivers the order and adds a note to its history."""
    bench = Bench()
    bench.settings.routes[0] = msgspec.structs.replace(bench.settings.routes[0], totals=TotalsSettings())
    bench.shop.put("1", unit_price="5.00", total="7.00")
    journal = MemoryJournal()
    async with bench.running(journal) as connector:
        with anyio.fail_after(600):
            await connector.drain()
        notes = await journal.read(lambda db: db.execute("SELECT detail FROM history WHERE what = 'remark'").fetchall())

    assert [("wms: lines 5.00 make 5.00, the order states 7.00",)] == notes
    assert Counter(["shop-1"]) == bench.wms.count()
