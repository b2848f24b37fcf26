"""A Traede that ignores `page` and `limit` is read around an order that it cannot give out, by `created_at`."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

from connector.errors import TransientError
from connector.sandbox.server import reply
from connector.sources.base import FeedItem
from connector.sources.traede.filters import Filter
from connector.sources.traede.source import TraedeOrders
from tests.contracts.source_harness import SourceHarness
from tests.sources.test_unreadable_rows import breaking, polled
from tests.sources.traede.bench import TraedeHarness, order, production_order, queries, told, traede

CALLS = 100
"""Enough to find one order of a list whose times are not known."""


def made(number: int, export: str = "orders") -> dict[str, Any]:
    """Return an order that was created in the minute of its number."""
    at = f"2026-06-01 {number // 60:02d}:{number % 60:02d}:07"
    return (order if export == "orders" else production_order)(number, created_at=at)


def ids(items: list[FeedItem]) -> list[int]:
    """Return the numbers of orders."""
    return sorted(int(item.order_id) for item in items)


@pytest.mark.fault(136)
@pytest.mark.parametrize("export", ["orders", "production-orders"])
@pytest.mark.parametrize("bad", [1, 74, 149])
async def test_all_others_are_listed(export: Any, bad: int) -> None:
    """The order is named by the second of its creation, as its id is unknown."""
    async with traede([made(number, export) for number in range(1, 150)], export, pages=False, page_size=60) as h:
        breaking(h.vendor, {str(bad)})
        items, (row,) = await polled(h)
        assert len(queries(h.vendor)) < CALLS
    assert ids(items) == [number for number in range(1, 150) if number != bad]
    assert row.reason.startswith(f"created at 2026-06-01 {bad // 60:02d}:{bad % 60:02d}:07 UTC: ")


@pytest.mark.fault(136)
async def test_several_are_left_out_and_a_page_is_no_larger_than_its_limit() -> None:
    """Each has a second of its own; other orders of the same second wait with it."""
    held = [made(number) for number in range(1, 150)]
    held.append(order(150, created_at=made(30)["created_at"]))
    async with traede(held, pages=False, page_size=20) as h:
        breaking(h.vendor, {"30", "31", "140"})
        items, unreadable = await polled(h)
        pages = await h.pages()
    assert ids(items) == [number for number in range(1, 150) if number not in (30, 31, 140)]
    assert len(unreadable) == 3
    assert max(len(page.items) for page in pages) <= 20
    assert [len(page.unreadable) for page in pages] == [3] + [0] * (len(pages) - 1)


@pytest.mark.fault(136)
async def test_what_is_known_costs_no_failing_call_and_is_listed_once_it_can_be() -> None:
    """An unreadable second is tried again after a while; then the list is read as a whole again."""
    async with traede([made(number) for number in range(1, 50)], pages=False) as h:
        bad = {"7"}
        breaking(h.vendor, bad)
        await polled(h)
        before = len(queries(h.vendor))
        items, unreadable = await polled(h)
        assert (len(items), len(unreadable)) == (48, 1)
        assert len(queries(h.vendor)) - before < 8

        bad.clear()
        assert isinstance(h.source, TraedeOrders)
        for each in h.source._time_bisections.values():
            for known in each._bad.values():
                known.due = 0.0
        items, unreadable = await polled(h)
        assert (len(items), unreadable) == (49, [])
        before = len(queries(h.vendor))
        await polled(h)
    assert not any("created_at" in value for query in queries(h.vendor)[before:] for _, value in query)


async def test_own_filters_hold_as_well() -> None:
    """Orders that the settings leave out are not listed because the list is read by time."""
    only = [Filter(key="created_at", operator="gte", value="2026-06-01 00:20:00")]
    async with traede([made(number) for number in range(1, 50)], pages=False, filters=only) as h:
        breaking(h.vendor, {"30"})
        items, _ = await polled(h)
    assert ids(items) == [number for number in range(20, 50) if number != 30]


async def test_what_cannot_be_read_has_not_left_a_feed() -> None:
    """An order that is not listed may be the one that cannot be read: nothing is known of its mark."""
    async with traede([made(number) for number in range(1, 30)], pages=False) as h:
        breaking(h.vendor, {"7"})
        known: Any = None
        for _ in range(6):
            resumed(h)
            try:
                known = await h.known([told("7"), told("8"), told("99")])
            except TransientError:
                continue
        assert known == {"8": False}


async def test_an_outage_is_not_taken_for_an_order() -> None:
    """Where nothing is answered nothing is read in parts: one call a walk, and all is there when it is over."""
    async with traede([made(number) for number in range(1, 50)], pages=False) as h:
        answer = h.vendor.answer
        h.vendor.answer = lambda request, body: reply(500, {})  # type: ignore[method-assign]
        for _ in range(6):
            resumed(h)
            before = len(queries(h.vendor))
            with pytest.raises(TransientError):
                await h.pages()
            assert len(queries(h.vendor)) - before <= 3
        h.vendor.answer = answer  # type: ignore[method-assign]
        for _ in range(2):
            resumed(h)
            with suppress(TransientError):
                pages = await h.pages()
        assert (len(pages), len(pages[0].items), list(pages[0].unreadable)) == (1, 49, [])


async def test_a_filter_without_effect_is_not_relied_on() -> None:
    """A Traede that ignores the filter, too, cannot be read: no part counts as the whole, and it is tried once."""
    async with traede([made(number) for number in range(1, 50)], pages=False) as h:
        answer = h.vendor.answer

        def deaf(request: Any, body: bytes) -> Any:
            if "created_at" not in request.query_string:
                return reply(500, {})
            plain = [(key, value) for key, value in request.query.items() if not key.startswith("filter")]
            return answer(request.clone(rel_url=request.rel_url.with_query(plain)), body)

        h.vendor.answer = deaf  # type: ignore[method-assign]
        for _ in range(8):
            resumed(h)
            with pytest.raises(TransientError):
                await h.pages()
        asked = [query for query in queries(h.vendor) if any("created_at" in value for _, value in query)]
    assert len(asked) == 1


def resumed(h: SourceHarness | TraedeHarness) -> None:
    """Let the pause pass that follows failures."""
    assert h.source.endpoint is not None
    h.source.endpoint.breaker._until = 0.0
