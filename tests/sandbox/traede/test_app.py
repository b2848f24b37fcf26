"""The stand-in for Traede accepts the requests of seeds 001 and 002, and refuses all others."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest

from connector.sandbox import TRAEDE_PORT
from connector.sandbox.server import Fault, decode, encode, serving
from connector.sandbox.traede.app import TraedeStandIn
from connector.sandbox.traede.orders import production_orders, traede_orders

ORDERS = "/v10/orders/export"
PRODUCTION = "/v10/production-orders/export"
HEADERS = {"Authorization": "Bearer sandbox-token", "X-Traede-App-Key": "sandbox-app-key"}
FILTER = "filter_groups[0][filters][0]"
NOW = datetime(2026, 3, 24, 10, tzinfo=UTC)


@asynccontextmanager
async def client(standin: TraedeStandIn, **headers: str) -> AsyncIterator[aiohttp.ClientSession]:
    """Serve `standin` and yield a session at its address with both keys, or with these headers."""
    async with serving(standin) as url, aiohttp.ClientSession(url, headers=headers or HEADERS) as session:
        yield session


async def call(session: aiohttp.ClientSession, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """Make one call and return its status and content."""
    data = None if body is None else encode(body)
    headers = {"Content-Type": "application/json"}
    async with session.request(method, path, data=data, headers=headers) as response:
        return response.status, decode(await response.read())


async def listed(session: aiohttp.ClientSession, query: str = "", path: str = ORDERS) -> list[int]:
    """Return the ids of a page for the system `erp`."""
    status, page = await call(session, "GET", f"{path}?system_id=erp{query}")
    assert status == 200, page
    (rows,) = page.values()
    return [row.get("order_id", row.get("production_order_id")) for row in rows]


def mark(*order_ids: Any, **changes: Any) -> dict[str, Any]:
    """Return the seed's call for these orders; `...` removes a field."""
    one = {"system_id": "erp", "regulate_inventory": False, **changes}
    return {"orders": [{"order_id": each, **{k: v for k, v in one.items() if v is not ...}} for each in order_ids]}


def standin(count: int = 3, *, pages: bool = True) -> TraedeStandIn:
    """Return a vendor with these numbers of orders, from 48201 on, and production orders, from 3101 on."""
    return TraedeStandIn(traede_orders(count), production_orders(count), pages=pages, now=lambda: NOW)


def test_it_has_a_port_of_its_own() -> None:
    """The port is the one that `connector sandbox` prints."""
    assert TRAEDE_PORT == 18083


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Traede-App-Key": "sandbox-app-key"},
        {"Authorization": "Bearer sandbox-token"},
        {"Authorization": "sandbox-token", "X-Traede-App-Key": "sandbox-app-key"},
        {"Authorization": "Bearer sandbox-token", "X-TraedeAppIdentifier": "sandbox-app-key"},
        {"Authorization": "Bearer other", "X-Traede-App-Key": "sandbox-app-key"},
    ],
)
async def test_both_headers_are_needed(headers: dict[str, str]) -> None:
    """The account's token and the app's key are required (vendors.md 2); the older header name is not enough."""
    async with client(standin(), **headers) as session:
        for method, path in (("GET", f"{ORDERS}?system_id=erp"), ("POST", "/v10/orders/mark-as-exported")):
            assert (await call(session, method, path))[0] == 401


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", ORDERS),
        ("GET", "/v10/orders/mark-as-exported"),
        ("GET", "/v10/orders"),
        ("GET", f"{ORDERS}/"),
        ("GET", "/v9/orders/export"),
        ("GET", "/orders/export"),
    ],
)
async def test_no_other_routes(method: str, path: str) -> None:
    """Routes outside of the seeds are 404."""
    async with client(standin()) as session:
        assert (await call(session, method, f"{path}?system_id=erp"))[0] == 404


@pytest.mark.parametrize(("path", "key"), [(ORDERS, "orders"), (PRODUCTION, "production_orders")])
async def test_nothing_nested_comes_unasked(path: str, key: str) -> None:
    """Nested resources, also lines, are listed only if included."""
    async with client(standin()) as session:
        _, bare = await call(session, "GET", f"{path}?system_id=erp")
        _, whole = await call(session, "GET", f"{path}?system_id=erp&includes[]=lines")
    assert all("lines" not in each for each in bare[key])
    assert all("lines" in each for each in whole[key])


@pytest.mark.parametrize(
    ("include", "there", "not_there"),
    [
        ("lines", (), ("product", "variant")),
        ("lines.product", ("product",), ("variant",)),
        ("lines.variant", ("variant",), ("product",)),
    ],
)
async def test_nested_includes(include: str, there: tuple[str, ...], not_there: tuple[str, ...]) -> None:
    """A nested include brings its parent resource, and no sibling."""
    async with client(standin(1)) as session:
        _, page = await call(session, "GET", f"{PRODUCTION}?system_id=erp&includes[]={include}")
    (found,) = page["production_orders"]
    assert all(key in line for line in found["lines"] for key in there)
    assert not any(key in line for line in found["lines"] for key in not_there)
    assert "supplier" not in found


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?system_id=",
        "?system_id=erp&include_cancelled=true",
        "?system_id=erp&include_open=1",
        "?system_id=erp&include_cancelled=0&include_cancelled=1",
        "?system_id=erp&includes[]=customer",
        "?system_id=erp&include=lines",
        "?system_id=erp&not_export_since=2026-01-01 00:00:00",
        "?system_id=erp&not_exported_since=2026-01-01",
        "?system_id=erp&not_exported_since=2026-01-01T00:00:00Z",
        "?system_id=erp&page=1",
        "?system_id=erp&limit=61",
        "?system_id=erp&limit=0",
        f"?system_id=erp&{FILTER}[key]=id&{FILTER}[operator]=eq&{FILTER}[value]=1",
        f"?system_id=erp&{FILTER}[key]=created_at&{FILTER}[operator]=is&{FILTER}[value]=1",
        f"?system_id=erp&{FILTER}[key]=created_at&{FILTER}[operator]=bt&{FILTER}[value]=1",
        "?system_id=erp&filter_groups[0][or]=1",
    ],
)
async def test_a_query_that_is_not_documented(query: str) -> None:
    """An undocumented query is refused, so that a mistake of a client shows in tests."""
    async with client(standin()) as session:
        status, said = await call(session, "GET", ORDERS + query)
    assert (status, said["message"]) == (422, "The given data was invalid.")


@pytest.mark.parametrize("pages", [True, False])
async def test_pages_count_from_zero(pages: bool) -> None:
    """A page has 20 orders by default; a Traede that ignores paging lists all orders each time."""
    async with client(standin(45, pages=pages)) as session:
        assert len(await listed(session)) == (20 if pages else 45)
        assert len(await listed(session, "&page=2&limit=20")) == (5 if pages else 45)
        assert len(await listed(session, "&page=3&limit=20")) == (0 if pages else 45)


async def test_a_marked_order_leaves_the_feed_of_that_system() -> None:
    """A marked order leaves the feed, and comes back with an earlier `not_exported_since`."""
    vendor = standin()
    async with client(vendor) as session:
        assert await call(session, "POST", "/v10/orders/mark-as-exported", mark(48201, note="n")) == (
            200,
            {"success": True},
        )
        assert await listed(session) == [48202, 48203]
        assert await listed(session, "&not_exported_since=2026-03-24 10:00:00") == [48201, 48202, 48203]
        assert await listed(session, "&not_exported_since=2026-03-24 10:00:01") == [48202, 48203]
        _, other = await call(session, "GET", f"{ORDERS}?system_id=other")
        assert len(other["orders"]) == 3
        assert await listed(session, path=PRODUCTION) == [3101, 3102, 3103]
    assert vendor.marked == [("orders", mark(48201, note="n")["orders"][0])]


async def test_regulating_archives_and_counts() -> None:
    """With `regulate_inventory` each call moves stock, and the order is archived."""
    vendor = standin()
    async with client(vendor) as session:
        for _ in range(2):
            await call(session, "POST", "/v10/orders/mark-as-exported", mark(48201, regulate_inventory=True))
        since = "&not_exported_since=2026-01-01 00:00:00"
        assert await listed(session, since) == [48202, 48203]
        assert await listed(session, f"{since}&include_archived=1") == [48201, 48202, 48203]
    assert vendor.regulated == {48201: 2}


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {},
        {"orders": []},
        {"orders": {}},
        {"order": []},
        {**mark(48201), "system_id": "erp"},
        mark(*range(48201, 48212)),
        mark("48201"),
        mark(48201, 99),
        mark(48201, system_id=...),
        mark(48201, system_id=""),
        mark(48201, regulate_inventory=...),
        mark(48201, regulate_inventory=1),
        mark(48201, regulate_inventory="false"),
        mark(48201, note=5),
        mark(48201, message="x"),
        {"production orders": [{"production_order_id": 3101, "system_id": "erp"}]},
    ],
)
async def test_a_mark_that_is_not_documented(body: Any) -> None:
    """An undocumented mark is refused, and none of its orders is marked."""
    vendor = standin(12)
    async with client(vendor) as session:
        assert (await call(session, "POST", "/v10/orders/mark-as-exported", body))[0] == 422
        assert len(await listed(session, "&limit=60")) == 12
    assert vendor.marked == []


async def test_a_mark_of_production_orders() -> None:
    """Production orders have no stock to regulate, and the key has no blank (vendors.md 6, seeds 001/002, #3)."""
    one = {"production_order_id": 3101, "system_id": "erp", "note": "n"}
    async with client(standin()) as session:
        path = "/v10/production-orders/mark-as-exported"
        assert (await call(session, "POST", path, {"production_orders": [{**one, "regulate_inventory": True}]}))[
            0
        ] == 422
        assert (await call(session, "POST", path, {"production orders": [one]}))[0] == 422
        assert (await call(session, "POST", path, {"production_orders": [one]}))[0] == 200
        assert await listed(session, path=PRODUCTION) == [3102, 3103]


async def test_a_body_must_be_json() -> None:
    """The content type and the body must be JSON."""
    async with client(standin()) as session:
        path = "/v10/orders/mark-as-exported"
        async with session.post(path, data=encode(mark(48201)), headers={"Content-Type": "text/plain"}) as response:
            assert response.status == 422
        async with session.post(path, data=b"{", headers={"Content-Type": "application/json"}) as response:
            assert response.status == 422


async def test_faults_befall_it_as_all_of_them() -> None:
    """A response may be lost after the mark was applied."""
    vendor = standin()
    vendor.fault(Fault.SERVER_ERROR_APPLIED, times=1)
    async with client(vendor) as session:
        async with session.post(
            "/v10/orders/mark-as-exported", data=encode(mark(48201)), headers={"Content-Type": "application/json"}
        ) as response:
            assert response.status >= 500
        assert await listed(session) == [48202, 48203]
