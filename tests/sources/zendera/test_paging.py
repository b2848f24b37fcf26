"""Reading Zendera's whole feed, and making orders of its shipments (vendors.md 6, seed 003, #3 and #4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import msgspec
import pytest
from aiohttp import web
from aioresponses import CallbackResult, aioresponses

from connector.errors import TransientError
from connector.sandbox.server import Fault, encode
from connector.sandbox.zendera.app import ZenderaStandIn
from connector.sandbox.zendera.shipments import zendera_shipments
from connector.sources.base import FeedItem
from tests.sources.zendera.bench import BASE, PATHS, offline, shipment, told, zendera


class Moving(ZenderaStandIn):
    """A feed that changes before each page is answered; `move` gets the number of the call."""

    move: Callable[[int], None] = staticmethod(lambda number: None)

    def answer(self, request: web.Request, body: bytes) -> web.Response:
        """Let it happen, then answer."""
        if request.path == PATHS["fetch"]:
            self.move(sum(call.path == PATHS["fetch"] for call in self.history))
        return super().answer(request, body)


def contents(items: list[FeedItem]) -> dict[str, list[int]]:
    """Return the shipment ids of each listed order."""
    return {item.order_id: [int(s["id"]) for s in msgspec.json.decode(item.raw).get("shipments", [])] for item in items}


def pages(number: int, *listed: Any, total: Any = None, of: Any = None) -> dict[str, Any]:
    """Return a page of a server with few keys."""
    found = {"shipments": list(listed), "page": number, "total": total, "totalPages": of}
    return {key: value for key, value in found.items() if value is not None}


async def items(*answers: Any) -> list[FeedItem]:
    """Walk a feed that gives `answers`, one after the other, then empty pages."""
    source, calls = offline(), iter(answers)

    def reply(*_: Any, **__: Any) -> Any:
        return CallbackResult(body=encode(next(calls, {})))

    with aioresponses() as vendor:
        for number in range(1, 10):
            vendor.get(f"{BASE}/v1/orders/export?page={number}&perPage=50", callback=reply, repeat=True)
        try:
            return [item async for page in source.fetch(lambda: 0) for item in page.items]
        finally:
            await source.aclose()


async def answered(*answers: Any) -> dict[str, list[int]]:
    """Walk such a feed; return the shipment ids of each listed order."""
    return contents(await items(*answers))


@pytest.mark.parametrize("ids_as_text", [False, True])
async def test_shipments_of_one_order_are_one_order(ids_as_text: bool) -> None:
    """They may be on different pages, in any order, their ids numbers or text; the order is listed once, whole."""
    shipments = [shipment(order, id=number) for number, order in enumerate([7, 8, 9, 8, 10, 11, 12, 8, 7], 1)]
    async with zendera(reversed(shipments), ids_as_text=ids_as_text, page_size=2) as h:
        listed = await h.pages()
    assert contents([item for page in listed for item in page.items]) == {
        "7": [1, 9],
        "8": [2, 4, 8],
        "9": [3],
        "10": [5],
        "11": [6],
        "12": [7],
    }
    assert {page.total for page in listed} == {6}


async def test_an_order_is_the_same_bytes_whatever_page_it_came_on() -> None:
    """Its shipments are in the order of their ids, 9 before 10; the vendor's own bytes are kept."""
    raws: set[bytes] = set()
    for ids in ([9, 10], [10, 9]):
        async with zendera([shipment(1, id=number, cashOnDelivery=None) for number in ids], page_size=1) as h:
            (item,) = await h.listed()
            raws.add(item.raw)
            assert contents([item]) == {"1": [9, 10]}
            assert h.source.to_order(item.raw).metadata["shipment_ids"] == "9, 10"
    assert len(raws) == 1


@pytest.mark.fault(41)
@pytest.mark.parametrize("answer", [{}, {"shipments": []}, {"page": 1, "perPage": 50}, {"shipments": None}])
async def test_what_is_absent_is_empty(answer: Any) -> None:
    """Protobuf leaves out empty values: a feed without orders has no `shipments`."""
    assert await answered(answer) == {}


@pytest.mark.fault(47)
@pytest.mark.parametrize("answer", [{"error": "Unavailable", "code": 14}, {"message": "try later"}, [], "x", None])
async def test_an_error_under_a_200_is_no_empty_feed(answer: Any) -> None:
    """Nothing is concluded from it."""
    with pytest.raises(TransientError):
        await answered(answer)


@pytest.mark.parametrize("fault", [Fault.SERVER_ERROR, Fault.HTML, Fault.THROTTLE])
async def test_half_a_reading_is_none(fault: Fault) -> None:
    """When the last page cannot be read, nothing is listed: the first pages may hold halves of orders."""
    async with zendera(zendera_shipments(12, split=0)) as h:
        h.vendor.fault(fault, on=lambda request: request.query.get("page") == "3")
        with pytest.raises(TransientError):
            await anext(h.source.fetch(lambda: 0))


@pytest.mark.fault(28)
async def test_a_feed_that_moves_is_read_again() -> None:
    """An order taken out between two pages moves the others up: the reading that missed one is not used."""
    shipments = [shipment(number) for number in range(1, 13)]
    async with zendera(shipments, standin=Moving) as h:
        assert isinstance(h.vendor, Moving)

        def move(call: int) -> None:
            if call == 2:
                h.vendor.exported.add("2")

        h.vendor.move = move
        assert sorted(contents(await h.listed()), key=int) == [str(n) for n in range(1, 13) if n != 2]
        assert h.calls(PATHS["fetch"]) == 6


async def test_a_feed_that_never_rests_lists_what_it_holds() -> None:
    """
    An order that two readings in a row listed with the same shipments is whole; a new one waits for the next poll.

    The stated total exceeds the listed orders, so that the producer polls again soon.
    """
    shipments = [shipment(number) for number in range(1, 13)]
    async with zendera(shipments, standin=Moving) as h:
        assert isinstance(h.vendor, Moving)
        h.vendor.move = lambda call: h.vendor.shipments.append(shipment(100 + call))
        listed = await h.pages()
        found = contents([item for page in listed for item in page.items])
        assert set(found) >= {str(number) for number in range(1, 13)}
        assert all(page.total is not None and page.total > len(found) for page in listed)


async def test_an_order_of_which_a_shipment_comes_and_goes_is_not_listed() -> None:
    """Half an order would be delivered as if it were whole."""
    async with zendera([shipment(number) for number in range(1, 13)], standin=Moving) as h:
        assert isinstance(h.vendor, Moving)

        def move(call: int) -> None:
            if call % 3 == 2:
                h.vendor.shipments.append(shipment(1, id=900 + call))

        h.vendor.move = move
        assert "1" not in contents(await h.listed())


async def test_a_feed_of_which_nothing_rests_is_tried_later() -> None:
    """Nothing is listed when no two readings agree on anything."""
    async with zendera([shipment(number) for number in range(1, 13)], standin=Moving) as h:
        assert isinstance(h.vendor, Moving)

        def move(call: int) -> None:
            h.vendor.shipments = [shipment(1000 * call + number) for number in range(12 + call)]

        h.vendor.move = move
        with pytest.raises(TransientError, match="changed while it was read"):
            await h.listed()


async def test_nothing_is_acknowledged_while_the_feed_is_read() -> None:
    """Our own acknowledgements would move the pages under us: they wait until the last one was read."""
    async with zendera([shipment(number) for number in range(1, 13)]) as h:
        async with anyio.create_task_group() as tg:
            tg.start_soon(h.listed)
            await anyio.lowlevel.checkpoint()
            tg.start_soon(h.source.acknowledge, [told("1", "exported")])
        paths = [call.path for call in h.vendor.history]
    assert paths == [PATHS["fetch"]] * 3 + [PATHS["ack"]]


async def test_a_total_that_is_not_of_shipments_is_believed_twice() -> None:
    """A feed that lists the same twice does rest, whatever total it states; an empty one that states one does not."""
    one, two = shipment(1), shipment(2)
    assert await answered(*[pages(1, one, two, total=9, of=1), {}] * 2) == {"1": [700001], "2": [700002]}
    with pytest.raises(TransientError):
        await answered(*[{"total": 9}] * 3)


async def test_without_totals_the_feed_ends_on_an_empty_page() -> None:
    """Pages are read until one is empty, twice, as no total proves that all were listed."""
    answers = [pages(1, shipment(1)), pages(2, shipment(2)), {}]
    assert await answered(*answers, *answers) == {"1": [700001], "2": [700002]}


async def test_without_totals_one_reading_of_several_pages_proves_nothing() -> None:
    """An order that moved up between two of its pages shows in the next reading."""
    missed = [pages(1, shipment(1)), pages(2, shipment(3)), {}]
    whole = [pages(1, shipment(1), shipment(2)), pages(2, shipment(3)), {}]
    assert set(await answered(*missed, *whole, *whole)) == {"1", "2", "3"}


async def test_a_shipment_that_changes_while_it_is_read_counts_once() -> None:
    """It is listed on one page, changed, and listed on the next: the order does not get its parcels twice."""
    old, new = shipment(1, notes="old"), shipment(1, notes="new")
    moved = [pages(1, old, total=2, of=2), pages(2, new, total=2, of=2)]
    rest = [pages(1, new, total=2, of=2), pages(2, shipment(2), total=2, of=2)]
    found = await items(*moved, *rest)
    assert contents(found) == {"1": [700001], "2": [700002]}
    assert b'"new"' in found[0].raw


@pytest.mark.fault(40)
async def test_a_server_that_ignores_the_page_ends_the_walk() -> None:
    """A page that brings nothing new is the last one."""
    same = pages(1, shipment(1), shipment(2), total=2, of=50)
    assert await answered(*[same] * 3) == {"1": [700001], "2": [700002]}


async def test_a_server_with_smaller_pages_is_read_to_its_end() -> None:
    """`perPage` is a wish."""
    async with zendera([shipment(number) for number in range(1, 8)], largest_page=2) as h:
        assert len(await h.listed()) == 7


@pytest.mark.parametrize("order_id", [None, 0, "", " ", True, 1.5, {}, [], "a\x00b", "x" * 65])
async def test_a_shipment_without_an_order_is_listed_by_itself(order_id: Any) -> None:
    """A person is to see it; the others are as good as ever."""
    found = await answered(pages(1, shipment(1), {**shipment(2), "orderId": order_id}, total=2, of=1))
    assert found.pop("1") == [700001]
    (name,) = found
    assert name.startswith("unreadable-")


async def test_shipments_without_an_id_are_told_apart_by_what_they_hold() -> None:
    """Two of one order stay two, and their order in the feed does not matter."""
    one, two = ({**shipment(1), "id": None, "notes": note} for note in ("a", "b"))
    raws: set[bytes] = set()
    for listed in ([one, two], [two, one]):
        raws.update(item.raw for item in await items(pages(1, *listed, total=2, of=1)))
    (raw,) = raws
    assert [each["notes"] in "ab" for each in msgspec.json.decode(raw)["shipments"]] == [True, True]


async def test_the_generated_orders_are_listed_once_and_whole() -> None:
    """300 orders, some in two shipments on different pages."""
    shipments = zendera_shipments(300)
    async with zendera(shipments, page_size=50) as h:
        found = contents(await h.listed())
    expected: dict[str, list[int]] = {}
    for each in shipments:
        expected.setdefault(str(each["orderId"]), []).append(each["id"])
    assert found == expected
    assert len(found) == 300
    assert max(len(ids) for ids in found.values()) == 2
