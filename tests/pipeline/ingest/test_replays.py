"""Replays that other processes request through the journal are executed once, and answered."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator
from datetime import datetime, timedelta

import anyio
import pytest

from connector.errors import TransientError
from connector.journal.engine.codec import millis
from connector.journal.records import ReplayAnswer
from connector.journal.sqlite import MemoryJournal
from connector.journal.tables import replays as requests
from connector.sources.base import Page
from tests.doubles import EPOCH, MemorySource
from tests.flow.bench import Bench


class Kept(MemoryJournal):
    """A journal that survives its connector."""

    async def aclose(self) -> None:
        """Stay open."""


class SlowSource(MemorySource):
    """Takes an hour for the second page of a replay."""

    async def _walk_all(self) -> AsyncGenerator[Page]:
        async for page in super()._walk_all():
            yield page
            await anyio.sleep(3600)
            yield page


async def asked(journal: MemoryJournal, since: datetime = EPOCH, source: str = "shop") -> int:
    """Request a replay as another process does."""
    return await journal.store.write(lambda db: requests.add(source, millis(since), millis(EPOCH), db))


async def answer_to(journal: MemoryJournal, request: int) -> ReplayAnswer | None:
    """Return the answer to a request."""
    return await journal.read(lambda db: requests.answered(request, db))


@pytest.mark.looptime
async def test_a_request_is_served_by_the_running_connector_and_answered() -> None:
    """The poll lists exported orders, and finds no new one; none is delivered or acknowledged twice."""
    bench, journal = Bench(), MemoryJournal()
    bench.shop.put("1", "2", "3")
    async with bench.running(journal) as connector:
        await connector.drain()
        request = await asked(journal)
        assert request == await asked(journal)
        connector.look()
        await anyio.sleep(1)
        assert await answer_to(journal, request) == ReplayAnswer(listed=3)
        assert await asked(journal) != request
    assert Counter({"1": 1, "2": 1, "3": 1}) == bench.shop.told
    assert bench.wms.count() == Counter({"shop-1": 1, "shop-2": 1, "shop-3": 1})


@pytest.mark.looptime
async def test_a_request_that_nobody_answered_is_served_at_the_next_start() -> None:
    """A drain waits for it, and for the orders that it lists."""
    bench, journal = Bench(), Kept()
    bench.shop.put("1")
    await bench.drained(journal)
    bench.shop.archive["2"] = {"id": "2"}
    request = await asked(journal)

    await bench.drained(journal)

    assert await answer_to(journal, request) == ReplayAnswer(listed=2, fresh=1)
    assert bench.wms.count() == Counter({"shop-1": 1, "shop-2": 1})


@pytest.mark.looptime
async def test_a_request_that_a_stop_cuts_off_stands() -> None:
    """Half a poll is no answer; the next start runs the whole replay."""
    bench, journal = Bench(), Kept()
    slow = SlowSource("shop", bench.clock)
    bench.sources["shop"] = slow
    slow.put("1")
    request = await asked(journal)
    async with bench.running(journal):
        await anyio.sleep(60)
    assert await answer_to(journal, request) is None

    bench.sources["shop"] = quick = MemorySource("shop", bench.clock)
    quick.put("1")
    await bench.drained(journal)
    assert await answer_to(journal, request) == ReplayAnswer(listed=1)


@pytest.mark.looptime
async def test_what_cannot_be_done_is_the_answer() -> None:
    """A missing source, one that cannot list exported orders, and a failed poll: each error is the answer."""

    class Forgetful(MemorySource):
        refetch = None  # type: ignore[assignment]

    class Broken(MemorySource):
        async def _walk_all(self) -> AsyncGenerator[Page]:
            raise TransientError("the shop is away")
            yield

    bench, journal = Bench(sources=("shop", "depot")), MemoryJournal()
    bench.sources["shop"] = Broken("shop", bench.clock)
    bench.sources["depot"] = Forgetful("depot", bench.clock)
    wishes = [await asked(journal, source=name) for name in ("nowhere", "depot", "shop")]
    async with bench.running(journal):
        await anyio.sleep(30)
        said = [await answer_to(journal, request) for request in wishes]
    assert [each.error if each else None for each in said] == [
        "the running connector has no source nowhere; restart it",
        "source depot cannot list exported orders again",
        "the shop is away",
    ]


async def test_an_answer_is_given_once_and_forgotten_after_a_month() -> None:
    """A second answer changes nothing."""
    journal = MemoryJournal()
    request = await asked(journal)
    assert [each.id for each in await journal.replays.unanswered()] == [request]
    assert await journal.replays.answer(request, ReplayAnswer(listed=1), EPOCH)
    assert not await journal.replays.answer(request, ReplayAnswer(listed=2), EPOCH)
    assert await answer_to(journal, request) == ReplayAnswer(listed=1)
    later = millis(EPOCH + timedelta(days=31))
    await journal.store.write(lambda db: requests.add("shop", later, later, db))
    assert await answer_to(journal, request) is None
    await journal.aclose()
