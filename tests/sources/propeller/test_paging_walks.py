"""Propeller's pages: every order is seen, and every walk ends."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from aioresponses import CallbackResult, aioresponses
from yarl import URL

from connector.errors import RejectedError
from connector.sandbox.server import encode
from connector.sources.propeller.source import PropellerSource
from tests.sources.propeller.bench import SEARCH, bodies, found, order, propeller, walk


class Feed:
    """A search that pages as it likes."""

    def __init__(self, count: int, *, size: int | None = None, lie: dict[str, Any] | None = None) -> None:
        self.ids = list(range(1, count + 1))
        self.size = size
        self.lie = lie or {}
        self.calls = 0

    def search(self, url: URL, **kwargs: Any) -> CallbackResult:
        """Answer one search."""
        self.calls += 1
        asked = msgspec.json.decode(kwargs["data"])
        size = self.size or asked["offset"]
        first = (asked["page"] - 1) * size
        answer = found(
            *(order(number) for number in self.ids[first : first + size]),
            itemsFound=len(self.ids),
            offset=size,
            page=asked["page"],
            pages=-(-len(self.ids) // size),
        )
        return CallbackResult(body=encode({k: v for k, v in {**answer, **self.lie}.items() if v is not ...}))


async def test_a_page_that_is_too_large_is_halved() -> None:
    """Error 10015 is about the page's size, which no page documents (vendors.md 6, seed 000, #3)."""
    ids = [str(number) for number in range(1, 31)]
    async with propeller([order(number) for number in ids], page_size=100, largest_page=7) as h:
        assert [item.order_id for item in await h.listed()] == ids


async def test_a_page_of_one_that_is_too_large_is_an_error() -> None:
    """Halving ends at one."""
    async with propeller([order(1)], largest_page=0) as h:
        with pytest.raises(RejectedError, match="10015"):
            await h.listed()


@pytest.mark.parametrize("offset", [{}, {"offset": ...}, {"offset": 0}, {"offset": "12"}, {"pages": ...}])
@pytest.mark.parametrize("count", [0, 1, 12, 13, 99, 200])
async def test_a_page_size_of_the_servers_own(tenant: PropellerSource, count: int, offset: dict[str, Any]) -> None:
    """A server that always returns pages of 12 loses no order, whether or not it states that size."""
    feed = Feed(count, size=12, lie=offset)
    with aioresponses() as vendor:
        vendor.post(SEARCH, callback=feed.search, repeat=True)
        assert len(await walk(tenant)) == count
    assert feed.calls <= count // 12 + 3


@pytest.mark.fault(40)
@pytest.mark.parametrize(
    "lie",
    [
        {"pages": 10**9},
        {"pages": ..., "itemsFound": ...},
        {"pages": None, "itemsFound": None},
        {"pages": "4", "itemsFound": "200"},
        {"pages": 1},
        {"pages": -1},
        {"pages": [], "itemsFound": {}},
        {"itemsFound": 10**9},
    ],
)
async def test_lying_metadata(tenant: PropellerSource, lie: dict[str, Any]) -> None:
    """Whatever paging the page states, every order is listed and the poll ends (faults.md #40)."""
    feed = Feed(200, lie=lie)
    with aioresponses() as vendor:
        vendor.post(SEARCH, callback=feed.search, repeat=True)
        assert len(await walk(tenant)) == 200
    assert feed.calls <= 5


@pytest.mark.fault(40)
async def test_a_first_page_for_ever(tenant: PropellerSource) -> None:
    """A server that ignores the page's number is left after a few repetitions."""
    with aioresponses() as vendor:
        vendor.post(
            SEARCH, body=encode(found(*(order(n) for n in range(1, 51)), pages=99, itemsFound=4950)), repeat=True
        )
        assert len(await walk(tenant)) == 50
        assert len(bodies(vendor, "POST")) <= 4


@pytest.mark.fault(29)
async def test_orders_that_stay_do_not_starve_the_rest() -> None:
    """Two hundred orders that are never acknowledged leave the last one in sight (faults.md #29)."""
    async with propeller([order(number) for number in range(1, 202)], page_size=50) as h:
        assert (await h.listed())[-1].order_id == "201"


@pytest.mark.fault(30)
async def test_a_new_order_with_a_lower_id_is_listed() -> None:
    """Orders enter by their state: nothing remembers how far the last walk came (faults.md #30)."""
    async with propeller([order(5)]) as h:
        await h.listed()
        h.vendor.add(order(2))
        assert [item.order_id for item in await h.listed()] == ["2", "5"]


async def test_more_acknowledgements_than_left_the_feed() -> None:
    """A search that lags behind the acknowledgements shows known orders again: the walk steps over them."""
    async with propeller([order(number) for number in range(1, 41)]) as h:
        counts = iter([5, 10, 10, 10, 10])
        assert len(await h.listed(lambda: next(counts, 10))) == 40
