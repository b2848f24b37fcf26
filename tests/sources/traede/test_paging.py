"""Polling Traede's export, whose paging is not documented, and its requests (seeds 001 and 002)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from operator import attrgetter
from typing import Any

import msgspec
import pytest

from connector.errors import TransientError, Unmappable
from connector.sources.base import FeedItem
from connector.sources.bisection import Bisection
from connector.sources.traede.paging import items, walk
from connector.sources.traede.time_bisection import TimeBisection
from tests.doubles import LoopClock
from tests.sources.traede.bench import Export, order, production_order, queries, told, traede

BOTH = pytest.mark.parametrize("export", ["orders", "production-orders"])
NOW = datetime(2026, 3, 24, 10, tzinfo=UTC)


def held(export: Export, count: int) -> list[dict[str, Any]]:
    """Return orders 1 to `count` of an export."""
    made = order if export == "orders" else production_order
    return [made(number) for number in range(1, count + 1)]


@BOTH
@pytest.mark.parametrize("pages", [True, False])
@pytest.mark.parametrize("count", [0, 1, 19, 20, 21, 60, 125])
async def test_every_order_is_listed_once(export: Export, pages: bool, count: int) -> None:
    """With a server that pages, and with one that returns everything each time (#7); no page exceeds the limit."""
    async with traede(held(export, count), export, pages=pages, page_size=20) as h:
        found = [page async for page in h.source.fetch(lambda: 0)]
        assert [item.order_id for page in found for item in page.items] == [str(n + 1) for n in range(count)]
        assert all(1 <= len(page.items) <= 20 for page in found)
        asked = [[pair for pair in query if pair[0] in ("page", "limit")] for query in queries(h.vendor)]
        assert asked == [[("page", str(number)), ("limit", "20")] for number in range(len(asked))]
        assert len(asked) <= (2 if not pages else count // 20 + 2)


@BOTH
@pytest.mark.parametrize("pages", [True, False])
async def test_none_is_missed_while_the_feed_shrinks(export: Export, pages: bool) -> None:
    """Each page is marked before the next is read: the rest moves up, and is read all the same."""
    async with traede(held(export, 95), export, pages=pages, page_size=20) as h:
        seen: list[str] = []
        async for page in h.source.fetch(lambda: len(h.vendor.marked)):
            ids = [item.order_id for item in page.items]
            seen += ids
            for start in range(0, len(ids), 10):
                batch = [told(each) for each in ids[start : start + 10]]
                await h.source.acknowledge(batch)
        assert sorted(map(int, seen)) == list(range(1, 96))
        assert len(h.vendor.marked) == 95


async def test_an_order_asks_for_what_the_seed_documents() -> None:
    """Both headers, the system, the lines, the flags as 0 and 1; never `not_exported_since` (#2)."""
    async with traede([order(1)], include_cancelled=True) as h:
        await h.listed()
        (call, *_) = h.vendor.history
    assert call.headers["authorization"] == "Bearer sandbox-token"
    assert call.headers["x-traede-app-key"] == "sandbox-app-key"
    assert call.path == "/v10/orders/export"
    assert call.query == [
        ("system_id", "erp"),
        ("includes[]", "lines"),
        ("include_not_approved", "0"),
        ("include_cancelled", "1"),
        ("include_archived", "0"),
        ("page", "0"),
        ("limit", "60"),
    ]


@pytest.mark.parametrize(
    ("flag", "changes"),
    [
        ("include_not_approved", {"approved_at": None}),
        ("include_cancelled", {"cancelled_at": "2026-01-05 07:44:41"}),
        ("include_archived", {"archived_at": "2026-01-05 07:44:41"}),
    ],
)
async def test_what_is_hidden_is_listed_when_asked_for(flag: str, changes: dict[str, Any]) -> None:
    """By the seed's flags."""
    orders = [order(1), order(2, **changes)]
    async with traede(orders) as h:
        assert [item.order_id for item in await h.listed()] == ["1"]
    asked: dict[str, Any] = {flag: True}
    async with traede(orders, **asked) as h:
        assert [item.order_id for item in await h.listed()] == ["1", "2"]


@BOTH
async def test_another_system_has_not_exported_anything(export: Export) -> None:
    """The name of the system is the cursor: each has its own."""
    async with traede(held(export, 2), export) as h:
        await h.source.acknowledge([told("1")])
        assert [item.order_id for item in await h.listed()] == ["2"]
        made: Any = h.source
        made._own = msgspec.structs.replace(made._own, system_id="other")
        assert [item.order_id for item in await h.listed()] == ["1", "2"]


@BOTH
@pytest.mark.parametrize(
    "since",
    [
        datetime(2026, 3, 24, 10, 0, 0, 999_999),  # noqa: DTZ001 - on purpose: it is in UTC
        datetime(2026, 3, 24, 10, tzinfo=UTC),
        datetime(2026, 3, 24, 12, tzinfo=timezone(timedelta(hours=2))),
    ],
)
async def test_a_replay_asks_since_when_in_utc(export: Export, since: datetime) -> None:
    """`not_exported_since`, to the second, in the form that a raw SQL filter takes (#12)."""
    async with traede(held(export, 1), export) as h:
        await h.refetched(since)
        sent = [value for query in queries(h.vendor) for name, value in query if name == "not_exported_since"]
    assert set(sent) == {"2026-03-24 10:00:00"}


@BOTH
async def test_a_replay_lists_what_was_exported(export: Export) -> None:
    """The orders exported since then, and those not exported at all."""
    async with traede(held(export, 3), export) as h:
        await h.source.acknowledge([told("1")])
        assert [item.order_id for item in await h.refetched(NOW.replace(year=2020))] == ["1", "2", "3"]
        assert [item.order_id for item in await h.refetched(NOW.replace(year=2999))] == ["2", "3"]


async def test_a_replay_finds_what_the_marks_have_archived() -> None:
    """A mark that regulates archives the order: without that flag nothing would be listed again (#14)."""
    async with traede([order(1), order(2)], regulate_inventory=True) as h:
        await h.source.acknowledge([told("1")])
        assert [item.order_id for item in await h.listed()] == ["2"]
        assert [item.order_id for item in await h.refetched(NOW.replace(year=2020))] == ["1", "2"]


def row(number: object) -> FeedItem:
    """Return an item of a page."""
    return FeedItem(str(number), b"{}")


async def ids(read: Callable[[int], list[int]], gone: Callable[[], int] = lambda: 0, limit: int = 2) -> list[str]:
    """Walk pages and return the ids."""

    async def answer(number: int, _limit: int) -> list[FeedItem]:
        return [row(each) for each in read(number)]

    async def created(_number: int, _start: int, _end: int) -> list[FeedItem]:
        raise AssertionError("no page fails")

    bisection: Bisection[FeedItem] = Bisection(LoopClock(), attrgetter("order_id"))
    pages = walk(answer, gone, limit, bisection, TimeBisection(LoopClock()), created)
    return [item.order_id async for page in pages for item in page.items]


async def test_a_feed_that_repeats_itself_ends() -> None:
    """The same page for ever is one page (faults.md #40)."""
    assert await ids(lambda _: [1, 2]) == ["1", "2"]
    assert await ids(lambda number: [1, 2] if number == 0 else [2, 1]) == ["1", "2"]


async def test_smaller_pages_than_were_asked_for() -> None:
    """A server with a limit of its own is read to its end."""
    assert await ids(lambda number: [number * 2, number * 2 + 1] if number < 5 else [], limit=60) == [
        str(number) for number in range(10)
    ]


async def test_an_order_twice_on_a_page_is_one() -> None:
    """And one that moved to the next page, too (faults.md #26, #27)."""
    pages = [[1, 1, 2], [2, 3], []]
    assert await ids(lambda number: pages[number]) == ["1", "2", "3"]


async def test_a_feed_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The orders listed so far are valid."""
    monkeypatch.setattr("connector.sources.traede.paging.MOST_PAGES", 5)
    with pytest.raises(TransientError, match="has not ended after 5 pages"):
        await ids(lambda number: [number])


@pytest.mark.parametrize("order_id", [0, -1, 2**63, 1.5, True, None, "x", "", "1" * 30, "٣"])
async def test_an_order_without_a_usable_id_does_not_lose_the_page(order_id: Any) -> None:
    """It is listed under a hash of its bytes, the same each time, and cannot be mapped (faults.md #42, #44)."""
    raw = msgspec.json.encode([{"order_id": 1}, {"order_id": order_id}, {"order_id": "0002"}])
    found = items(msgspec.json.decode(raw, type=list[msgspec.Raw]), ("order_id", "id"))
    assert (found[0].order_id, found[2].order_id) == ("1", "2")
    assert found[1].order_id.startswith("unreadable-")
    async with traede([]) as h:
        with pytest.raises(Unmappable, match="unreadable order"):
            h.source.to_order(found[1].raw)


@pytest.mark.parametrize(
    "body", [b"{}", b'{"orders": null}', b'{"data": []}', b"[]", b"<html>", b"", b'{"orders": {}}']
)
async def test_an_answer_without_orders_concludes_nothing(body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only an empty list proves that the feed is empty (faults.md #41)."""
    from aiohttp import web

    async with traede([order(1)]) as h:
        monkeypatch.setattr(h.vendor, "answer", lambda *_: web.Response(body=body, content_type="application/json"))
        with pytest.raises(TransientError):
            await h.listed()
