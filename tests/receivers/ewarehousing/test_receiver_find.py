"""Looking an order up at eWarehousing, whose filter and page numbers are not documented."""

from __future__ import annotations

from typing import Any

import pytest

from connector.errors import AuthError, ConflictError, TransientError
from connector.receivers.base import Receipt
from connector.receivers.ewarehousing.receiver import MOST_PAGES, PAGE_SIZE
from tests.receivers.ewarehousing.bench import LISTED, ORDERS, Listing, bench


def record(number: int, external_id: str, **changes: Any) -> dict[str, Any]:
    """Return one row of a list."""
    return {
        "id": f"id-{number}",
        "external_id": external_id,
        "reference": f"ORD{number}",
        "status": "created",
    } | changes


def paged(records: list[Any], *, base: int) -> Listing:
    """Return a list that honours `limit` and `page`, whose first page has the number `base`."""

    def listing(query: dict[str, str]) -> list[Any]:
        size = int(query["limit"])
        start = (int(query.get("page", base)) - base) * size
        return records[start : start + size] if start >= 0 else records[:size]

    return listing


async def test_the_seeds_list_is_a_receipt() -> None:
    """The filter and a stable order are requested, and a short first page needs no second."""
    async with bench() as b:
        receipt = await b.receiver.find("order-10001")

    assert receipt == Receipt(id=LISTED["id"], reference="ORD00000000001", status="created")
    (call,) = b.vendor.sent(ORDERS)
    assert call.method == "GET"
    assert call.headers["X-Customer-Code"] == "C-1"
    assert call.query == {
        "external_id": "order-10001",
        "limit": str(PAGE_SIZE),
        "sort": "createdAt",
        "direction": "asc",
    }


@pytest.mark.attack(22)
@pytest.mark.parametrize("external_id", ["shop-a+b&c=d#1", "shop-#117/ä%2F", "shop-../cancel"])
async def test_any_external_id_reaches_the_vendor_whole(external_id: str) -> None:
    """Any characters of an id stay inside the query's value."""
    async with bench(lambda query: [record(1, query["external_id"])]) as b:
        receipt = await b.receiver.find(external_id)

    assert receipt is not None
    assert b.vendor.sent(ORDERS)[0].query["external_id"] == external_id


@pytest.mark.attack(34)
@pytest.mark.fault(71)
@pytest.mark.parametrize("listed", [[], [record(1, "order-10")], [record(1, "order-")], [{"id": 5}]])
async def test_only_the_same_external_id_is_a_match(listed: list[Any]) -> None:
    """A fuzzy filter shows order-10 for order-1; that is not our order (faults.md #71)."""
    async with bench(lambda _query: listed) as b:
        assert await b.receiver.find("order-1") is None


@pytest.mark.fault(125)
@pytest.mark.parametrize("stored", ["ORDER-1", "order-1 ", "order -1", "ｏrder-1"])  # noqa: RUF001 - as it is stored
async def test_an_external_id_that_was_altered_is_a_conflict(stored: str) -> None:
    """An id that differs only in case, white space or Unicode form is neither treated as ours nor created again."""
    async with bench(lambda _query: [record(1, stored)]) as b:
        with pytest.raises(ConflictError, match="store ids differently"):
            await b.receiver.find("order-1")


@pytest.mark.parametrize("base", [0, 1])
@pytest.mark.parametrize("place", [0, 49, 50, 99, 100, 124])
async def test_a_match_is_found_on_any_page(base: int, place: int) -> None:
    """With pages from 0 and from 1, every page is read (vendors.md 6/004 #14)."""
    records = [record(number, f"order-1{number}") for number in range(125)]
    records[place] = record(place, "order-1")
    async with bench(paged(records, base=base)) as b:
        receipt = await b.receiver.find("order-1")

    assert receipt is not None
    assert receipt.id == f"id-{place}"


@pytest.mark.parametrize("base", [0, 1])
@pytest.mark.parametrize("count", [0, 49, 50, 51, 100, 150])
async def test_the_end_of_the_list_is_a_certain_no(base: int, count: int) -> None:
    """None is returned once the last page, short or empty, was read."""
    async with bench(paged([record(number, f"order-1{number}") for number in range(count)], base=base)) as b:
        assert await b.receiver.find("order-1") is None


@pytest.mark.fault(72)
@pytest.mark.parametrize("base", [0, 1])
async def test_two_matches_are_a_conflict_wherever_they_are(base: int) -> None:
    """Two records of one external id are for a person, by their numbers (faults.md #72)."""
    records = [record(number, f"order-1{number}") for number in range(60)]
    records[3], records[55] = record(3, "order-1"), record(55, "order-1")
    async with bench(paged(records, base=base)) as b:
        with pytest.raises(ConflictError, match="2 orders with external id order-1: ORD3, ORD55"):
            await b.receiver.find("order-1")


@pytest.mark.fault(73)
@pytest.mark.parametrize("status", ["cancelled", "Cancelled", "canceled"])
async def test_a_cancelled_record_is_a_conflict(status: str) -> None:
    """An operator decides whether a cancelled order is created again (faults.md #73)."""
    async with bench(lambda _query: [record(1, "order-1", status=status)]) as b:
        with pytest.raises(ConflictError, match=r"ORD1 .* cancelled"):
            await b.receiver.find("order-1")


@pytest.mark.fault(74)
async def test_a_list_without_end_is_no_answer() -> None:
    """An ignored filter lists everything: after the last page that is read, the result is unknown (faults.md #74)."""

    def everything(query: dict[str, str]) -> list[Any]:
        first = int(query.get("page", 0)) * PAGE_SIZE
        return [record(number, f"other-{number}") for number in range(first, first + PAGE_SIZE)]

    async with bench(everything) as b:
        with pytest.raises(TransientError, match="unavailable"):
            await b.receiver.find("order-1")

    assert len(b.vendor.sent(ORDERS)) == MOST_PAGES


@pytest.mark.fault(74)
async def test_a_page_number_that_is_ignored_is_no_answer() -> None:
    """The same full page again and again proves nothing about the next one."""
    async with bench(lambda _query: [record(number, f"x-{number}") for number in range(PAGE_SIZE)]) as b:
        with pytest.raises(TransientError, match="unavailable"):
            await b.receiver.find("order-1")

    assert len(b.vendor.sent(ORDERS)) == 3


async def test_a_match_counts_even_when_the_list_does_not_end() -> None:
    """A listed order exists: it is adopted, and nothing is created."""
    records = [record(0, "order-1"), *(record(number, f"x-{number}") for number in range(1, PAGE_SIZE))]
    async with bench(lambda _query: records) as b:
        receipt = await b.receiver.find("order-1")

    assert receipt is not None
    assert receipt.id == "id-0"


@pytest.mark.fault(75)
@pytest.mark.parametrize(
    "answer",
    [
        (200, b""),
        (200, b"<html>Sign in</html>"),
        (200, {"results": []}),
        (200, [None]),
        (200, [{"external_id": "order-1"}]),
        (200, [{"id": ["x"], "external_id": "order-1"}]),
        (400, {"message": "what is external_id?"}),
        (409, b""),
        (500, b""),
        (503, b""),
    ],
)
async def test_an_answer_that_proves_nothing_is_no_leave_to_create(answer: tuple[int, Any]) -> None:
    """Anything but a readable list is tried again later, and never counts as absent (faults.md #75)."""
    async with bench() as b:
        b.vendor.script("GET", ORDERS, answer)
        with pytest.raises(TransientError):
            await b.receiver.find("order-1")


async def test_our_own_fault_pauses_the_look_up_too() -> None:
    """A wrong customer code is for the operator, not for the order."""
    async with bench() as b:
        b.vendor.script("GET", ORDERS, (400, {"message": "Missing 'X-Customer-Code' header"}))
        with pytest.raises(AuthError):
            await b.receiver.find("order-1")
