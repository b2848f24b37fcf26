"""One order that makes its page fail, at each vendor, over the wire: it is named, and all the others are listed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import pytest
from aiohttp import web

from connector.errors import TransientError
from connector.sandbox.server import decode, reply
from connector.sources.base import FeedItem, Page, UnreadableRow
from tests.contracts.source_harness import SourceHarness
from tests.sources.ewarehousing.bench import ewarehousing
from tests.sources.propeller.bench import order, propeller
from tests.sources.traede.bench import order as sales_order
from tests.sources.traede.bench import production_order, told, traede
from tests.sources.zendera.bench import shipment, zendera

How = Literal["500", "page", "half"]
LISTS = ("items", "orders", "production_orders", "shipments")
IDS = ("id", "order_id", "production_order_id", "orderId")


def breaking(vendor: Any, bad: set[str], how: How = "500") -> None:
    """Let every answer fail that lists an order of `bad`, by any of its ids: with an error, or with no JSON."""
    answer: Callable[..., web.Response] = vendor.answer

    def spoilt(request: web.Request, body: bytes) -> web.Response:
        response = answer(request, body)
        if response.status != 200 or not bad:
            return response
        said = decode(bytes(response.body))  # type: ignore[arg-type]
        rows: list[Any] = next(
            (said[key] for key in LISTS if isinstance(said, dict) and isinstance(said.get(key), list)), []
        )
        if not any(str(row.get(key)) in bad for row in rows for key in IDS):
            return response
        if how == "500":
            return reply(500, {"error": "Internal Server Error"})
        text = b"<html>" if how == "page" else bytes(response.body)[:-9]  # type: ignore[arg-type]
        return web.Response(status=200, body=text, content_type="application/json")

    vendor.answer = spoilt


async def polled(h: SourceHarness) -> tuple[list[FeedItem], list[UnreadableRow]]:
    """Poll; a page fails once before it is narrowed. Whatever pause follows has passed."""
    for _ in range(6):
        if h.source.endpoint is not None and h.source.endpoint.breaker.state == "open":
            h.source.endpoint.breaker.resume("a pause has passed")
        try:
            pages: list[Page] = await h.pages()
        except TransientError:
            continue
        return [item for page in pages for item in page.items], [row for page in pages for row in page.unreadable]
    raise AssertionError("the feed cannot be read")


@pytest.mark.fault(136)
@pytest.mark.parametrize("how", ["500", "page", "half"])
@pytest.mark.parametrize("bad", [1, 25, 73, 149])
async def test_propeller(bad: int, how: How) -> None:
    """The rest of the feed is listed, and the position and the neighbours say which order it is."""
    async with propeller([order(number) for number in range(1, 150)], page_size=50) as h:
        breaking(h.vendor, {str(bad)}, how)
        items, unreadable = await polled(h)
        await polled(h)
    assert [int(item.order_id) for item in items] == [number for number in range(1, 150) if number != bad]
    (row,) = unreadable
    assert row.position == bad - 1
    assert row.after == (str(bad - 1) if bad > 1 else "")


@pytest.mark.fault(136)
@pytest.mark.parametrize("export", ["orders", "production-orders"])
@pytest.mark.parametrize("bad", [1, 61, 149])
async def test_traede(export: Any, bad: int) -> None:
    """Both exports take the size of a page."""
    made = sales_order if export == "orders" else production_order
    async with traede([made(number) for number in range(1, 150)], export, page_size=60) as h:
        breaking(h.vendor, {str(bad)})
        items, unreadable = await polled(h)
    assert [int(item.order_id) for item in items] == [number for number in range(1, 150) if number != bad]
    assert [row.position for row in unreadable] == [bad - 1]


async def test_what_cannot_be_read_has_not_left_a_feed() -> None:
    """That Traede does not show an order proves nothing while a row cannot be read: it may be that one."""
    async with traede([sales_order(number) for number in range(1, 30)], page_size=60) as h:
        breaking(h.vendor, {"7"})
        known: Any = None
        for _ in range(4):
            try:
                known = await h.known([told("7"), told("8"), told("99")])
            except TransientError:
                continue
        assert known == {"8": False}


@pytest.mark.fault(136)
async def test_zendera() -> None:
    """The whole reading goes on without it; all other orders are listed, but for the two that it may belong to."""
    async with zendera([shipment(number) for number in range(1, 60)], page_size=50) as h:
        breaking(h.vendor, {"30"})
        items, unreadable = await polled(h)
    assert sorted(int(item.order_id) for item in items) == [*range(1, 29), *range(32, 60)]
    assert [(row.position, row.after, row.before) for row in unreadable] == [(29, "29", "31")]


async def test_an_order_that_may_lack_an_unreadable_shipment_waits() -> None:
    """The unreadable row may be a shipment of its neighbours, even if no other order has several shipments."""
    shipments = [
        shipment(number, id=number * 10 + part) for number in range(1, 12) for part in range(1 + (number == 5))
    ]
    async with zendera(shipments, page_size=5) as h:
        answer = h.vendor.answer

        def spoilt(request: web.Request, body: bytes) -> web.Response:
            response = answer(request, body)
            broken = b'"id":51,' in bytes(response.body)  # type: ignore[arg-type]
            return reply(500, {}) if broken and request.method == "GET" else response

        h.vendor.answer = spoilt  # type: ignore[method-assign]
        items, (row,) = await polled(h)
    assert sorted(int(item.order_id) for item in items) == [1, 2, 3, 4, 7, 8, 9, 10, 11]
    assert (row.after, row.before) == ("5", "6")
    assert row.reason.endswith("5 and 6 wait: it may be a shipment of theirs")


async def test_an_order_waits_whose_first_shipment_ends_the_page_before() -> None:
    """The neighbour behind an unreadable row may be on the next page."""
    shipments = [
        shipment(number, id=number * 10 + part) for number in range(1, 12) for part in range(1 + (number == 5))
    ]
    async with zendera(shipments, page_size=5) as h:
        answer = h.vendor.answer

        def spoilt(request: web.Request, body: bytes) -> web.Response:
            response = answer(request, body)
            broken = b'"id":50,' in bytes(response.body)  # type: ignore[arg-type]
            return reply(500, {}) if broken and request.method == "GET" else response

        h.vendor.answer = spoilt  # type: ignore[method-assign]
        items, (row,) = await polled(h)
    assert sorted(int(item.order_id) for item in items) == [1, 2, 3, 6, 7, 8, 9, 10, 11]
    assert (row.position, row.after, row.before) == (4, "4", "5")


@pytest.mark.fault(136)
async def test_ewarehousing() -> None:
    """Each order is read by a call of its own; one that fails is named by its id, and left alone for a while."""
    ids = [str(number) for number in range(1, 30)]
    async with ewarehousing(ids) as h:
        answer, calls = h.vendor.answer, 0

        def spoilt(request: web.Request, body: bytes) -> web.Response:
            nonlocal calls
            if request.path == "/wms/orders/7/":
                calls += 1
                return reply(500, {})
            return answer(request, body)

        h.vendor.answer = spoilt  # type: ignore[method-assign]
        items, unreadable = await polled(h)
        for _ in range(5):
            await polled(h)
        assert {item.order_id for item in items} == {*ids} - {"7"}
        assert [str(row) for row in unreadable] == ["order 7"]
        assert calls == 2


@pytest.mark.fault(136)
@pytest.mark.parametrize("page_base", [0, 1])
@pytest.mark.parametrize("bad", ["1", "2", "7", "29"])
async def test_a_row_of_ewarehousings_list(page_base: int, bad: str) -> None:
    """Whatever number its first page has, a row that breaks the list is read around."""
    ids = [str(number) for number in range(1, 30)]
    async with ewarehousing(ids, page_base=page_base) as h:
        answer = h.vendor.answer

        def spoilt(request: web.Request, body: bytes) -> web.Response:
            response = answer(request, body)
            if request.path != "/wms/orders/" or response.status != 200:
                return response
            rows = decode(bytes(response.body))  # type: ignore[arg-type]
            return reply(500, {}) if any(row["id"] == bad for row in rows) else response

        h.vendor.answer = spoilt  # type: ignore[method-assign]
        items, unreadable = await polled(h)
    assert {item.order_id for item in items} == {*ids} - {bad}
    assert len(unreadable) == 1


async def test_ewarehousing_that_shows_no_order_at_all_is_down() -> None:
    """Then none of them is to blame."""
    async with ewarehousing(["1", "2", "3"]) as h:
        answer = h.vendor.answer

        def spoilt(request: web.Request, body: bytes) -> web.Response:
            alone = request.path.startswith("/wms/orders/") and request.path != "/wms/orders/"
            return reply(500, {}) if alone else answer(request, body)

        h.vendor.answer = spoilt  # type: ignore[method-assign]
        for _ in range(4):
            with pytest.raises(TransientError):
                await h.pages()
