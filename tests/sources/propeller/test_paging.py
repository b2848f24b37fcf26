"""Propeller's search requests, and the orders to export in its responses (seed 000, step 1)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from aioresponses import aioresponses
from yarl import URL

from connector.clock import SystemClock
from connector.errors import TransientError, Unmappable
from connector.sandbox.propeller.orders import propeller_orders, seed_order
from connector.sandbox.server import encode
from connector.sources.propeller.settings import PropellerSettings
from connector.sources.propeller.source import PropellerSource
from tests.sources.propeller.bench import SEARCH, TOKEN, bodies, found, order, propeller, walk


async def test_the_search_is_the_seeds(tenant: PropellerSource) -> None:
    """Step 1 of the seed, with an explicit page and size; its example order is listed unchanged."""
    with aioresponses() as vendor:
        vendor.post(SEARCH, body=encode(found(seed_order(), itemsFound=720, offset=12, pages=60)))
        vendor.post(SEARCH, body=encode(found()))
        pages = [page async for page in tenant.fetch(lambda: 0)]
        ((_, url), calls), *_ = vendor.requests.items()
    assert url == URL(SEARCH)
    assert msgspec.json.decode(calls[0].kwargs["data"]) == {
        "status": ["NEW"],
        "exportStatuses": [],
        "page": 1,
        "offset": 50,
    }
    assert calls[0].kwargs["headers"]["Authorization"] == f"Bearer {TOKEN.reveal()}"
    assert pages[0].total == 720
    assert [item.order_id for item in pages[0].items] == ["20106"]
    assert msgspec.json.decode(pages[0].items[0].raw) == msgspec.json.decode(encode(seed_order()))


async def test_the_filters_key_can_be_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The vendor's pages disagree on `status` and `statuses` (vendors.md 6, seed 000, #2)."""
    tenant = PropellerSource(
        "shop",
        PropellerSettings(token=TOKEN, status_key="statuses", statuses=["A", "B"], export_statuses=[""]),
        SystemClock(),
    )
    with aioresponses() as vendor:
        vendor.post(SEARCH, body=encode(found()))
        await walk(tenant)
        (sent,) = bodies(vendor, "POST")
    await tenant.aclose()
    assert sent == {"statuses": ["A", "B"], "exportStatuses": [""], "page": 1, "offset": 50}


@pytest.mark.fault(39)
async def test_what_is_exported_already_is_left_out(tenant: PropellerSource) -> None:
    """A server that ignores the filter lists every order; ours are those without any sign of an export."""
    orders = [
        order(1, exportStatus=None),
        order(2, exportStatus="EMPTY"),
        order(3, exportStatus="exported"),
        order(4, exportStatus="Finished"),
        order(5, exportStatus="failed"),
        order(6, exportedAt="2026-03-24T10:00:00.000Z"),
        order(7, status="ARCHIVED"),
        order(8, status="new"),
    ]
    with aioresponses() as vendor:
        vendor.post(SEARCH, body=encode(found(*orders)))
        assert [item.order_id for item in await walk(tenant)] == ["1", "2", "8"]


async def test_failed_orders_can_be_asked_for() -> None:
    """Who sets `export_statuses: [failed]` gets them, although they have an export date."""
    failed = order(1, exportStatus="failed", exportedAt="2026-03-24T10:00:00.000Z")
    async with propeller([failed, order(2)], export_statuses=["failed"]) as h:
        assert [item.order_id for item in await h.listed()] == ["1"]


async def test_cancelled_orders_are_listed_as_such() -> None:
    """The tenant names the statuses that mean cancelled; one search includes them, and no other ones."""
    tenant = PropellerSource("shop", PropellerSettings(token=TOKEN, cancelled_statuses=["VOID"]), SystemClock())
    with aioresponses() as vendor:
        vendor.post(SEARCH, body=encode(found(order(1), order(2, status="void"), order(3, status="ARCHIVED"))))
        orders = [tenant.to_order(item.raw) for item in await walk(tenant)]
        (sent,) = bodies(vendor, "POST")
    await tenant.aclose()
    assert sent["status"] == ["NEW", "VOID"]
    assert [(each.order_id, each.cancelled) for each in orders] == [("1", False), ("2", True)]


async def test_quotations_are_skipped() -> None:
    """A quotation shares the search with the orders; it is listed with the reason why it is none."""
    async with propeller(propeller_orders(12, quotations=3)) as h:
        skipped = [item.skip for item in await h.listed()]
    assert sorted(skipped) == [""] * 9 + ["quotation"] * 3


@pytest.mark.fault(42, 44)
@pytest.mark.parametrize("order_id", [0, -1, 2**63, 2**80, 1.5, True, None, "x", "", "1" * 30, "٣"])
async def test_an_order_without_a_usable_id_does_not_lose_the_page(tenant: PropellerSource, order_id: Any) -> None:
    """It is listed under a hash of its bytes, the same each time, and cannot be mapped (faults.md #44)."""
    bad = {**seed_order(), "id": order_id}
    with aioresponses() as vendor:
        vendor.post(SEARCH, body=encode(found(order(1), bad, order(2))), repeat=True)
        items = await walk(tenant)
        assert [item.order_id for item in await walk(tenant)] == [item.order_id for item in items]
    assert [items[0].order_id, items[2].order_id] == ["1", "2"]
    assert items[1].order_id.startswith("unreadable-")
    with pytest.raises(Unmappable, match="unreadable order"):
        tenant.to_order(items[1].raw)


@pytest.mark.fault(44)
async def test_an_id_may_be_text(tenant: PropellerSource) -> None:
    """Ids are text to us, however the vendor writes them."""
    with aioresponses() as vendor:
        vendor.post(SEARCH, body=encode(found({**seed_order(), "id": "0020106"})))
        (item,) = await walk(tenant)
    assert item.order_id == tenant.to_order(item.raw).order_id == "20106"


@pytest.mark.fault(41)
@pytest.mark.parametrize("page", [found(items=...), found(items=None), found(items={}), [], {"error": {}}, None])
async def test_an_answer_without_items_concludes_nothing(tenant: PropellerSource, page: Any) -> None:
    """Only an empty list proves that the feed is empty (faults.md #41)."""
    with aioresponses() as vendor:
        vendor.post(SEARCH, body=encode(page))
        with pytest.raises(TransientError):
            await walk(tenant)


@pytest.mark.fault(143)
async def test_a_replay_finds_what_was_exported_by_whatever_status_it_has_by_now() -> None:
    """The status changes during fulfilment; orders not exported yet are listed in the settings' statuses only."""
    moved = {"exportedAt": "2026-03-24T10:00:00.000Z"}
    orders = [
        order(1, exportStatus="exported", status="NEW", **moved),
        order(2, exportStatus="exported", status="CONFIRMED", **moved),
        order(3, exportStatus="finished", status="SHIPPED", **moved),
        order(4, exportStatus="exported", status="SHIPPED", exportedAt="2026-03-23T10:00:00.000Z"),
        order(5, exportStatus="failed", status="NEW", **moved),
        order(6, status="CONFIRMED"),
        order(7, status="NEW"),
    ]
    async with propeller(orders) as h:
        since = datetime(2026, 3, 24, tzinfo=UTC)
        found = [item.order_id async for page in h.source.refetch(since) for item in page.items]
        assert found == ["1", "2", "3", "7"]
        assert "export status was taken back" in h.source.replay_omits
