"""Looking many orders up at eWarehousing in one reading of its list."""

from __future__ import annotations

from typing import Any

import pytest

from connector.errors import AuthError, TransientError
from connector.receivers.base import Receipt, SupportsBulkFind
from connector.receivers.ewarehousing.receiver import PAGE_SIZE, EwarehousingReceiver
from tests.receivers.ewarehousing.bench import ORDERS, bench
from tests.receivers.ewarehousing.test_receiver_find import paged, record


def wanted(count: int = 40) -> list[str]:
    """Return external ids to look up; forty of them are worth ten pages."""
    return [f"order-{number}" for number in range(count)]


def others(count: int) -> list[dict[str, Any]]:
    """Return rows of other orders."""
    return [record(1000 + number, f"other-{number}") for number in range(count)]


def test_it_is_declared() -> None:
    """The consumer finds it by its protocol."""
    assert issubclass(EwarehousingReceiver, SupportsBulkFind)


@pytest.mark.parametrize("base", [0, 1])
@pytest.mark.parametrize("count", [0, 1, 49, 50, 51, 100, 149])
async def test_one_reading_answers_for_all(base: int, count: int) -> None:
    """
    An order on any page is found; the short last page proves the absence of the others, whatever the first page's
    number.
    """
    records = [*others(count), record(1, "order-1")]
    async with bench(paged(records, base=base)) as b:
        known = await b.receiver.find_many(wanted())

    receipt = Receipt(id="id-1", reference="ORD1", status="created")
    assert known == {each: receipt if each == "order-1" else None for each in wanted()}
    assert len(b.vendor.sent(ORDERS)) <= (count + 1) // PAGE_SIZE + 2
    assert all("external_id" not in call.query for call in b.vendor.sent(ORDERS))
    assert {call.query["sort"] + call.query["direction"] for call in b.vendor.sent(ORDERS)} == {"createdAtasc"}


async def test_ids_are_compared_exactly() -> None:
    """A longer id that begins so is another one (faults.md #71); one that was altered is for `find` to refuse."""
    async with bench(lambda _query: [record(1, "ORDER-2"), record(2, "order-10"), {"id": "x"}]) as b:
        known = await b.receiver.find_many(["order-1", "order-2", *wanted()[20:]])

    assert known["order-1"] is None
    assert "order-2" not in known


@pytest.mark.parametrize("count", [0, 1, 3])
async def test_few_are_not_worth_a_reading(count: int) -> None:
    """No page is read that could cost more than it saves."""
    async with bench() as b:
        assert await b.receiver.find_many(wanted(count)) == {}

    assert not b.vendor.sent(ORDERS)


async def test_no_more_pages_are_read_than_they_may_save() -> None:
    """Of a long list a quarter as many pages as look-ups; from a part of it nothing is concluded."""
    async with bench(paged([record(1, "order-1"), *others(5000)], base=1)) as b:
        assert await b.receiver.find_many(wanted()) == {}

    assert len(b.vendor.sent(ORDERS)) == 10


@pytest.mark.parametrize(
    "twice",
    [
        [record(1, "order-1"), record(2, "order-1")],
        [record(1, "order-1", status="cancelled")],
        [record(1, "order-1", status="Canceled")],
    ],
)
async def test_what_a_look_up_would_refuse_is_left_to_it(twice: list[Any]) -> None:
    """Two of one id, and a cancelled one, are for `find` to raise (faults.md #72, #73)."""
    async with bench(paged([*others(60), *twice], base=0)) as b:
        known = await b.receiver.find_many(wanted())

    assert known == {each: None for each in wanted() if each != "order-1"}


@pytest.mark.parametrize("base", [0, 1])
async def test_a_list_that_moves_proves_nothing(base: int) -> None:
    """An order on two pages has pushed another one off both of them."""
    records = others(120)
    records[55] = records[49]
    async with bench(paged(records, base=base)) as b:
        assert await b.receiver.find_many(wanted()) == {}


async def test_a_page_number_that_is_ignored_proves_nothing() -> None:
    """The same full page again and again proves nothing about the next one (faults.md #74)."""
    async with bench(lambda _query: [record(1, "order-1"), *others(PAGE_SIZE - 1)]) as b:
        assert await b.receiver.find_many(wanted()) == {}

    assert len(b.vendor.sent(ORDERS)) == 3


async def test_a_short_list_without_paging_is_whole() -> None:
    """One page that is not full needs no second."""
    async with bench(lambda _query: others(3)) as b:
        assert await b.receiver.find_many(wanted()) == dict.fromkeys(wanted())

    assert len(b.vendor.sent(ORDERS)) == 1


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((200, b""), TransientError),
        ((200, [None]), TransientError),
        ((200, [{"external_id": "order-1"}]), TransientError),
        ((400, {"message": "sort?"}), TransientError),
        ((503, b""), TransientError),
        ((400, {"message": "Missing 'X-Customer-Code' header"}), AuthError),
    ],
)
async def test_an_answer_that_proves_nothing_raises(answer: tuple[int, Any], error: type[Exception]) -> None:
    """As a single look-up does (faults.md #75)."""
    async with bench() as b:
        b.vendor.script("GET", ORDERS, answer)
        with pytest.raises(error):
            await b.receiver.find_many(wanted())
