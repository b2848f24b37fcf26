"""The state of the disk at each event on the wire. Real file, real thread, real time."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from connector.ack import Acknowledgement, AckOutcome
from connector.app import Connector
from connector.journal.sqlite import SqliteJournal
from connector.receivers.base import Delivery, Receipt
from tests.flow.bench import Bench


async def test_the_intent_is_on_disk_before_the_first_byte_of_a_create(tmp_path: Path) -> None:
    """When a create reaches the receiver, another connection to the file sees its intent, with the body's hash."""
    bench = Bench()
    bench.shop.put("1", "2", "3")
    seen: list[tuple[str, int, bool]] = []
    create = bench.wms.create

    async def looking(delivery: Delivery) -> Receipt:
        with closing(sqlite3.connect(f"file:{tmp_path / 'journal.db'}?mode=ro", uri=True)) as reader:
            row = reader.execute(
                "SELECT d.state, d.attempts, d.payload_hash IS NOT NULL FROM deliveries d JOIN orders USING (key)"
                " WHERE external_id = ?",
                (delivery.external_id,),
            ).fetchone()
        seen.append(row)
        return await create(delivery)

    bench.wms.create = looking  # type: ignore[method-assign]
    await bench.drained(await SqliteJournal.open(tmp_path / "journal.db", bench.clock))

    assert [("intent", 1, 1)] * 3 == seen


async def test_the_acknowledgement_is_marked_as_being_sent_before_it_is(tmp_path: Path) -> None:
    """When the source is called, another connection to the file sees the delivery, and its acknowledgement as sent."""
    bench = Bench()
    bench.shop.put("1", "2", "3")
    seen: list[tuple[str, str]] = []
    acknowledge = bench.shop.acknowledge

    async def looking(batch: Sequence[Acknowledgement]) -> Mapping[str, AckOutcome]:
        with closing(sqlite3.connect(f"file:{tmp_path / 'journal.db'}?mode=ro", uri=True)) as reader:
            seen.extend(
                reader.execute(
                    "SELECT d.state, o.ack_state FROM deliveries d JOIN orders o USING (key) WHERE key = ?", (ack.key,)
                ).fetchone()
                for ack in batch
            )
        return await acknowledge(batch)

    bench.shop.acknowledge = looking  # type: ignore[method-assign]
    await bench.drained(await SqliteJournal.open(tmp_path / "journal.db", bench.clock))

    assert [("delivered", "sending")] * 3 == seen


@pytest.mark.fault(115, 117)
@pytest.mark.parametrize("broken", [None, OSError("the plug is gone")])
async def test_what_does_not_close_keeps_nothing_else_open(tmp_path: Path, broken: OSError | None) -> None:
    """After a native cancellation while one connection closes slowly, or fails, all others and the file are closed."""
    bench = Bench("wms", "erp", sources=("shop", "depot"))
    closing_it = asyncio.Event()
    closed: list[str] = []

    async def badly() -> None:
        closing_it.set()
        if broken is not None:
            raise broken
        await asyncio.Event().wait()

    async def well(name: str) -> None:
        closed.append(name)

    ends: dict[str, Any] = {**bench.sources, **bench.receivers}
    for name, end in ends.items():
        end.aclose = badly if name == "shop" else partial(well, name)
    journal = await bench.journal(tmp_path)()

    async def app() -> None:
        async with Connector(
            bench.settings, sources=bench.sources, receivers=bench.receivers, journal=journal, clock=bench.clock
        ):
            pass

    task = asyncio.create_task(app())
    await closing_it.wait()
    if broken is None:
        task.cancel()
    with pytest.raises(asyncio.CancelledError if broken is None else OSError):
        await task

    assert {"depot", "wms", "erp"} == set(closed)
    try:
        await (await bench.journal(tmp_path)()).aclose()
    finally:
        await journal.aclose()
