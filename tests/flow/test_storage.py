"""A journal that cannot be written: everything waits, continues when it can, and no order is lost or duplicated."""

from __future__ import annotations

import logging
from collections import Counter

import anyio
import pytest

from connector.app import STALLED, Connector
from connector.cli.exit_codes import LATER, TROUBLE, code_of
from connector.errors import JournalError, JournalStalled
from connector.journal.engine.opening import patiently
from connector.journal.engine.stall import GIVE_UP
from connector.journal.sqlite import MemoryJournal
from tests.flow.bench import Bench
from tests.flow.full import Filling, Trouble

pytestmark = pytest.mark.looptime

WRITES = ("orders.ingest", "deliveries.intend", "deliveries.settle", "acks.claim", "acks.settle")
"""The transactions of an order's life."""


def ids(count: int) -> list[str]:
    """Return `count` order ids."""
    return [str(number) for number in range(1, count + 1)]


def first_of(failure: BaseException) -> BaseException:
    """Return the root cause in an exception group."""
    return first_of(failure.exceptions[0]) if isinstance(failure, BaseExceptionGroup) else failure


@pytest.mark.fault(105, 106)
@pytest.mark.parametrize("method", WRITES)
@pytest.mark.parametrize("trouble", ["full", "read-only"])
async def test_everything_waits_for_the_disk_and_goes_on(
    trouble: Trouble, method: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Every transaction may find the disk full, or read-only: all work is done once when it is writable again."""
    bench = Bench()
    bench.shop.put(*ids(60))
    journal = Filling(trouble, method, call=2)
    async with bench.running(journal) as connector:
        await journal.until_stalled()
        await anyio.sleep(60)
        asked = len(bench.wms.creates) + len(bench.wms.finds_of) + len(bench.shop.calls)
        await anyio.sleep(600)
        stall = journal.stalled
        assert stall is not None
        assert {"full": "disk is full", "read-only": "readonly"}[trouble] in stall.why
        assert asked == len(bench.wms.creates) + len(bench.wms.finds_of) + len(bench.shop.calls)
        journal.mend()
        with anyio.fail_after(120):
            await connector.drain()
        assert journal.stalled is None

    assert Counter(f"shop-{n}" for n in ids(60)) == bench.wms.count()
    assert Counter(f"shop-{n}" for n in ids(60)) == Counter(bench.wms.creates)
    assert [] == bench.wms.finds_of
    assert Counter(ids(60)) == bench.shop.told
    said = [(record.levelno, record.message) for record in caplog.records if "journal" in record.message]
    assert [logging.ERROR, logging.WARNING] == [level for level, _ in said]
    assert "everything waits until it can" in said[0][1]
    assert "again, after 66" in said[1][1]


@pytest.mark.fault(105)
async def test_a_disk_that_stays_full_is_asked_now_and_then() -> None:
    """Pauses of up to five seconds, shared by all that wait: an hour costs a thousand or two tries, and no more."""
    bench = Bench(concurrency=16)
    bench.shop.put(*ids(400))
    journal = Filling("full", "deliveries.settle")
    async with bench.running(journal):
        await journal.until_stalled()
        before = journal.store.commits.commits
        await anyio.sleep(3600)
        assert 600 < journal.store.commits.commits - before < 5000
        journal.mend()


@pytest.mark.fault(105)
@pytest.mark.parametrize("method", WRITES)
async def test_a_drain_gives_up_after_a_minute(method: str) -> None:
    """`run --once` ends with 75, and states file and reason; another run with space finishes without a duplicate."""
    bench = Bench()
    bench.shop.put(*ids(60))
    journal = Filling("full", method, call=2)

    start = bench.clock.monotonic()
    with pytest.raises(BaseExceptionGroup) as caught:
        await bench.drained(journal)

    failure = first_of(caught.value)
    assert isinstance(failure, JournalStalled)
    assert "memory: the journal cannot be written: database or disk is full, for 60 seconds" in str(failure)
    assert LATER == code_of(failure)
    assert GIVE_UP <= bench.clock.monotonic() - start < GIVE_UP + 20


@pytest.mark.fault(105)
async def test_a_start_gives_up_after_a_minute() -> None:
    """A connector that finds the disk full at its start reports it and ends, so that it can be started again later."""
    bench = Bench()
    bench.shop.put("1")
    journal = Filling("read-only")
    journal.spoil()

    start = bench.clock.monotonic()
    with pytest.raises(JournalStalled, match="readonly"):
        await bench.drained(journal)

    assert GIVE_UP <= bench.clock.monotonic() - start < GIVE_UP + 5
    assert [] == bench.wms.creates


@pytest.mark.fault(105, 139)
@pytest.mark.parametrize("method", WRITES)
async def test_a_stop_ends_in_time_although_the_disk_is_full(method: str) -> None:
    """Calls under way cannot be recorded, so the stop does not wait: they are logged, and looked up later."""
    bench = Bench()
    bench.shop.put(*ids(60))
    journal = Filling("full", method, call=2)
    connector = Connector(
        bench.settings, sources=bench.sources, receivers=bench.receivers, journal=journal, clock=bench.clock
    )
    async with connector, anyio.create_task_group() as tg:
        tg.start_soon(connector.run)
        await journal.until_stalled()
        before = bench.clock.monotonic()
        connector.stop()

    assert bench.clock.monotonic() - before <= 2 * STALLED + 1
    assert "disk is full" in connector.cut_short


@pytest.mark.fault(139)
async def test_a_stall_that_passes_costs_a_stop_nothing() -> None:
    """A lock of a second keeps no call under way from its end."""
    bench = Bench()
    bench.shop.put(*ids(60))
    journal = Filling("full", "deliveries.settle", call=2)
    connector = Connector(
        bench.settings, sources=bench.sources, receivers=bench.receivers, journal=journal, clock=bench.clock
    )
    async with connector, anyio.create_task_group() as tg:
        tg.start_soon(connector.run)
        await journal.until_stalled()
        connector.stop()
        await anyio.sleep(1)
        journal.mend()

    assert connector.cut_short == ""
    assert 0 < len(bench.wms.creates) == sum(bench.shop.told.values())


@pytest.mark.fault(146)
async def test_opening_is_tried_for_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    """The cause is logged at once, and once; trouble of more than a minute ends the start, with 75."""
    bench = Bench()
    tries = 0

    async def attempt() -> int:
        nonlocal tries
        tries += 1
        if bench.clock.monotonic() - start < passes_after:
            raise JournalStalled("j.db.lock: cannot open the lock file: the file system is read-only")
        return tries

    passes_after, start = 30.0, bench.clock.monotonic()
    assert await patiently(attempt, bench.clock) > 5
    assert "the file system is read-only; the start waits 60 seconds for that to pass" in caplog.text
    assert 2 == len(caplog.records)
    passes_after, start = 1000.0, bench.clock.monotonic()
    with pytest.raises(JournalStalled, match="is read-only, for 60 seconds; nothing is lost") as caught:
        await patiently(attempt, bench.clock)
    assert GIVE_UP <= bench.clock.monotonic() - start < GIVE_UP + 6
    assert LATER == code_of(caught.value)


@pytest.mark.fault(105)
async def test_a_caller_that_is_cancelled_does_not_wait_for_the_disk() -> None:
    """It returns at once, and its write is not made later behind its back."""
    journal = Filling("full")
    journal.spoil()
    bench = Bench()
    with anyio.move_on_after(10) as scope:
        await journal.endpoints.polled("shop", bench.clock.now(), "")
    assert not scope.cancelled_caught  # SQLite finds room for a row in the page that it has

    journal = Filling("read-only")
    journal.spoil()
    with anyio.move_on_after(10) as scope:
        await journal.endpoints.polled("shop", bench.clock.now(), "")
    assert scope.cancelled_caught
    assert journal.stalled is None
    journal.mend()
    await anyio.sleep(60)
    assert [(0,)] == await journal.read(lambda db: db.execute("SELECT count(*) FROM sources").fetchall())


@pytest.mark.fault(105, 116)
async def test_what_does_not_pass_ends_the_run() -> None:
    """A journal that breaks its own rules, or lost its table, cannot recover: the run ends with an error."""
    bench = Bench()
    bench.shop.put("1")
    journal = MemoryJournal()

    async def broken() -> None:
        async with bench.running(journal):
            await journal.read(lambda db: db.execute("DROP TABLE payloads").fetchall())
            await anyio.sleep(3600)

    with pytest.raises(BaseExceptionGroup) as caught:
        await broken()

    failure = first_of(caught.value)
    assert isinstance(failure, JournalError)
    assert "no such table" in str(failure)
    assert TROUBLE == code_of(failure)


@pytest.mark.fault(116)
async def test_a_connection_that_was_closed_by_mistake_ends_the_run() -> None:
    """Without its journal the connector does not continue."""
    bench = Bench()
    bench.shop.put("1")
    journal = MemoryJournal()

    async def closed() -> None:
        async with bench.running(journal):
            await anyio.sleep(5)
            await journal.store.database.close()
            await anyio.sleep(3600)

    with pytest.raises(BaseExceptionGroup) as caught:
        await closed()

    assert isinstance(first_of(caught.value), JournalError)
