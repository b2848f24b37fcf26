"""The client of eWarehousing lists orders: filters, and pages whose numbers are not documented (seed 004)."""

from __future__ import annotations

from contextlib import aclosing
from datetime import date
from typing import Any

import pytest

from connector.clients.ewarehousing.paging import EndlessList
from tests.clients.ewarehousing.bench import ORDERS, client, request, scripted
from tests.receivers.ewarehousing.bench import LISTED


async def test_every_filter_reaches_the_vendor() -> None:
    """All documented parameters of the list, each as the documents write its value."""
    async with scripted() as (made, vendor):
        await made.list(
            reference="ORD1",
            external_reference="WEB-1 & 2",
            external_id="order-1",
            status="created",
            is_business_to_business=False,
            requested_delivery_date_gte=date(2026, 4, 18),
            limit=10,
            page=0,
            direction="asc",
            sort="requestedDeliveryDate",
        )

    assert vendor.sent(ORDERS)[0].query == {
        "reference": "ORD1",
        "external_reference": "WEB-1 & 2",
        "external_id": "order-1",
        "status": "created",
        "is_business_to_business": "false",
        "requested_delivery_date_gte": "2026-04-18",
        "limit": "10",
        "page": "0",
        "direction": "asc",
        "sort": "requestedDeliveryDate",
    }


async def test_a_filter_that_does_not_exist_is_never_sent() -> None:
    """The vendor may ignore it and show everything, which no caller means."""
    wrong: dict[str, Any] = {"externalId": "order-1"}
    async with scripted() as (made, vendor):
        with pytest.raises(TypeError, match="externalId"):
            await made.list(**wrong)

    assert vendor.calls == []


async def test_the_filters_narrow_the_list() -> None:
    """The stand-in lists the matching orders only."""
    async with client() as (made, standin):
        for number in (1, 2, 3):
            await made.create(request(number))
        (second,) = await made.list(external_reference="WEB-2")
        standin.move(second.id, "planned")
        assert [order.external_id for order in await made.list(status="planned")] == ["order-2"]
        assert [order.external_id for order in await made.list(requested_delivery_date_gte="2027-01-01")] == []


@pytest.mark.parametrize("page_base", [0, 1])
@pytest.mark.parametrize("count", [0, 4, 5, 6, 11])
async def test_a_scan_yields_every_order_once(page_base: int, count: int) -> None:
    """With pages from 0 and from 1, each order comes once, oldest first (vendors.md 6/004 #14, #15)."""
    async with client(page_base=page_base) as (made, _):
        for number in range(count):
            await made.create(request(number))
        found = [order.external_id async for order in made.scan(page_size=5)]

    assert sorted(found) == sorted(f"order-{number}" for number in range(count))


async def test_a_scan_is_not_shifted_by_new_orders() -> None:
    """Orders that come in while it goes on are at its end, and hide none of the others."""
    async with client() as (made, _):
        for number in range(6):
            await made.create(request(number))
        found: list[str] = []
        async with aclosing(made.scan(page_size=2)) as scan:
            async for order in scan:
                if not found:
                    await made.create(request(99))
                found.append(order.external_id)

    assert {f"order-{number}" for number in range(6)} <= {*found}
    assert len(found) == len({*found})


async def test_a_scan_that_cannot_see_the_end_says_so() -> None:
    """A list that ignores `page` is no whole list, however often it is read."""
    async with scripted() as (made, vendor):
        vendor.listing = lambda _query: [LISTED | {"id": str(number)} for number in range(2)]
        found: list[str] = []

        async def scan() -> None:
            async for order in made.scan(page_size=2):
                found.append(order.id)  # noqa: PERF401 - what came before the error counts

        with pytest.raises(EndlessList):
            await scan()

    assert found == ["0", "1"]
    assert len(vendor.sent(ORDERS)) == 3


async def test_a_page_is_never_larger_than_the_vendor_surely_grants() -> None:
    """If 100 were requested and 50 returned, the first page would look like the last one."""
    async with client() as (made, _):
        with pytest.raises(ValueError, match="from 1 to 50"):
            _ = [order async for order in made.scan(page_size=51)]
