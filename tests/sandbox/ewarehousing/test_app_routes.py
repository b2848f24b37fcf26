"""The stand-in for eWarehousing lists orders, checks headers and tokens, and serves only documented routes."""

from __future__ import annotations

import aiohttp
import pytest

from connector.sandbox.ewarehousing.app import EwarehousingStandIn
from connector.sandbox.server import Fault, serving
from tests.sandbox.ewarehousing.calls import CODES, CREATE, CREDENTIALS, ORDERS, Clock, call, client, listed, order


async def test_the_list_shows_the_seeds_fields_newest_first() -> None:
    """The list is a bare array without lines, sorted by `direction`, and cut by `limit` and `page`."""
    clock = Clock()
    async with client(EwarehousingStandIn(now=clock)) as session:
        for number in range(1, 6):
            await call(session, "POST", ORDERS, order(number))
            clock.move(1)
        assert await listed(session) == ["order-5", "order-4", "order-3", "order-2", "order-1"]
        assert await listed(session, "direction=asc&limit=2") == ["order-1", "order-2"]
        assert await listed(session, "direction=asc&limit=2&page=3") == ["order-5"]
        assert await listed(session, "direction=asc&limit=2&page=4") == []
        assert len(await listed(session, "page=2")) == 5
        _, orders = await call(session, "GET", f"{ORDERS}?limit=1")
    assert sorted(orders[0]) == [
        "created_at",
        "currency",
        "customer",
        "external_id",
        "external_reference",
        "id",
        "po_number",
        "reference",
        "requested_delivery_date",
        "shipping_method",
        "status",
    ]


async def test_the_list_is_cut_at_50_and_at_most_100() -> None:
    """A list has 50 orders by default and 100 at most."""
    standin = EwarehousingStandIn()
    async with client(standin) as session:
        for number in range(101):
            await call(session, "POST", ORDERS, order(number))
        assert [len(await listed(session, query)) for query in ("", "limit=100", "limit=500")] == [50, 100, 100]


async def test_filters() -> None:
    """Every documented filter narrows the list, and a change of the live state shows in it."""
    standin = EwarehousingStandIn()
    async with client(standin) as session:
        for number in (1, 10, 2):
            await call(session, "POST", ORDERS, order(number, requested_delivery_date=f"2026-05-{number:02d}"))
        standin.by_external_id("order-2")[0]["status"] = "shipped"
        for query, expected in (
            ("external_id=order-1", ["order-1"]),
            ("external_id=order", []),
            ("external_reference=WEB-10", ["order-10"]),
            ("external_id=order-1&external_reference=WEB-10", []),
            ("reference=ORD00000005941", ["order-2"]),
            ("status=shipped", ["order-2"]),
            ("is_business_to_business=true", []),
            ("requested_delivery_date_gte=2026-05-02&sort=requestedDeliveryDate", ["order-10", "order-2"]),
            ("sort=status&direction=asc", ["order-1", "order-10", "order-2"]),
        ):
            assert await listed(session, query) == expected, query


@pytest.mark.parametrize(
    "query",
    [
        "externalId=order-1",
        "limit=0",
        "limit=many",
        "limit=10&page=0",
        "direction=up",
        "sort=created_at",
        "is_business_to_business=maybe",
        "requested_delivery_date_gte=today",
    ],
)
async def test_a_list_that_is_not_documented_is_refused(query: str) -> None:
    """An undocumented filter is refused, because an ignored one would return every order."""
    async with client(EwarehousingStandIn()) as session:
        status, content = await call(session, "GET", f"{ORDERS}?{query}")
    assert (status, "errors" in content) == (400, True)


async def test_what_the_vendor_does_not_state_can_be_chosen() -> None:
    """Undocumented behaviour is an option: pages from 0, prefix matches, and an index that lags behind."""
    clock = Clock()
    standin = EwarehousingStandIn(page_base=0, fuzzy=True, index_lag=5, now=clock)
    async with client(standin) as session:
        _, created = await call(session, "POST", ORDERS, order(1))
        assert await listed(session) == []
        assert (await call(session, "GET", f"{ORDERS}{created['id']}/"))[0] == 200
        assert (await call(session, "POST", ORDERS, order(1)))[0] == 400
        clock.move(5)
        await call(session, "POST", ORDERS, order(10))
        assert await listed(session) == ["order-1"]
        clock.move(5)
        assert await listed(session, "external_id=order-1") == ["order-10", "order-1"]
        assert await listed(session, "limit=1&page=0") == ["order-10"]
        assert await listed(session, "limit=1&page=1") == ["order-1"]


async def test_a_path_without_its_slash_is_redirected() -> None:
    """A path without the final slash is redirected with its query, and not applied."""
    standin = EwarehousingStandIn()
    async with client(standin) as session:
        for path, location in (
            ("/wms/orders", "/wms/orders/"),
            ("/wms/orders?limit=1", "/wms/orders/?limit=1"),
            ("/wms/orders/5/cancel", "/wms/orders/5/cancel/"),
            ("/wms/auth/login", "/wms/auth/login/"),
        ):
            async with session.post(path, json=CREATE, allow_redirects=False) as response:
                assert (response.status, response.headers["Location"]) == (301, location)
    assert (standin.orders, standin.history[-1].applied) == ({}, False)


async def test_what_is_not_there_is_not_found() -> None:
    """An unknown route is 404, another method 405, and an id cannot reach another route."""
    async with client(EwarehousingStandIn()) as session:
        assert (await call(session, "GET", "/wms/stock/"))[0] == 404
        assert (await call(session, "DELETE", ORDERS))[0] == 405
        assert (await call(session, "PATCH", f"{ORDERS}5%2Fcancel/", {}))[0] == 404
        async with session.post(ORDERS, data=b"{", headers={"Content-Type": "application/json"}) as response:
            assert response.status == 400
        async with session.post(ORDERS, data=b"{}", headers={"Content-Type": "text/plain"}) as response:
            assert response.status == 400


@pytest.mark.parametrize(
    ("changes", "status", "said"),
    [
        ({"X-Wms-Code": None}, 400, "Missing 'X-Wms-Code' header"),
        ({"X-Wms-Code": "PROD"}, 400, "Invalid WMS"),
        ({"X-Customer-Code": None}, 400, "Missing 'X-Customer-Code' header"),
        ({"X-Customer-Code": "OTHER"}, 400, "Invalid customer"),
        ({"Authorization": None}, 401, "Invalid JWT Token"),
        ({"Authorization": "Bearer wrong"}, 401, "Invalid JWT Token"),
    ],
)
async def test_the_headers_of_every_call(changes: dict[str, str | None], status: int, said: str) -> None:
    """Each missing or wrong header is refused in the vendor's words."""
    async with client(EwarehousingStandIn()) as session:
        for name, value in changes.items():
            session.headers.popall(name)
            if value is not None:
                session.headers[name] = value
        answer, content = await call(session, "POST", ORDERS, CREATE)
    assert (answer, content["message"]) == (status, said)


async def test_tokens_end_and_a_refresh_token_is_good_once() -> None:
    """The login states the expiry of a token; a refresh token gives a new pair once."""
    clock = Clock()
    async with serving(EwarehousingStandIn(token_life=60, now=clock)) as url, aiohttp.ClientSession(url) as session:
        session.headers["X-Wms-Code"] = "DEV"
        _, login = await call(session, "POST", "/wms/auth/login/", CREDENTIALS)
        assert login["exp"] - login["iat"] == 60
        session.headers.update({**CODES, "Authorization": f"Bearer {login['token']}"})
        assert await listed(session) == []
        clock.move(60)
        assert await call(session, "GET", ORDERS) == (401, {"code": 401, "message": "Invalid JWT Token"})

        refresh = {"refresh_token": login["refresh_token"]}
        status, renewed = await call(session, "POST", "/wms/auth/refresh/", refresh)
        assert (status, renewed["refresh_token"] != login["refresh_token"]) == (200, True)
        assert (await call(session, "POST", "/wms/auth/refresh/", refresh))[0] == 401
        session.headers["Authorization"] = f"Bearer {renewed['token']}"
        assert await listed(session) == []

        wrong = {**CREDENTIALS, "password": "no"}
        assert await call(session, "POST", "/wms/auth/login/", wrong) == (
            401,
            {"code": 401, "message": "Invalid credentials."},
        )


async def test_a_lost_answer_leaves_the_order_behind() -> None:
    """After a lost response to a create, a look-up finds the order."""
    standin = EwarehousingStandIn()
    async with client(standin) as session:
        standin.fault(Fault.LOSE_ANSWER, on=lambda request: request.method == "POST")
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await call(session, "POST", ORDERS, CREATE)
        assert await listed(session, "external_id=order-10001") == ["order-10001"]
        standin.fault(Fault.UNAUTHORIZED)
        assert await call(session, "GET", ORDERS) == (401, {"code": 401, "message": "Invalid JWT Token"})
    creates = [call for call in standin.history if (call.method, call.path) == ("POST", ORDERS)]
    assert [(call.status, call.applied) for call in creates] == [(0, True)]


async def test_an_order_that_a_test_puts_in_or_takes_out_is_noticed() -> None:
    """Orders that a test adds or removes directly are found or missing in lists."""
    standin = EwarehousingStandIn()
    async with client(standin) as session:
        _, created = await call(session, "POST", ORDERS, CREATE)
        gone = standin.orders.pop(created["id"])
        assert await listed(session, "external_id=order-10001") == []
        standin.orders["another"] = {**gone, "id": "another", "external_id": "order-7"}
        assert await listed(session, "external_id=order-7") == ["order-7"]
