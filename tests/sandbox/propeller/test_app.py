"""The stand-in for Propeller accepts documented requests and refuses all others."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest

from connector.sandbox.propeller.app import PropellerStandIn
from connector.sandbox.propeller.orders import propeller_orders, seed_order
from connector.sandbox.server import StandIn, decode, serving

SEARCH = "/v2/orders/search?expands=ORDER_ITEMS,ADDRESSES"
MARK = {"exportedAt": "2026-03-24T10:00:00.000Z", "exportMessage": "ERP order id = 12355", "exportStatus": "exported"}


@asynccontextmanager
async def client(standin: StandIn) -> AsyncIterator[aiohttp.ClientSession]:
    """Serve `standin` and yield a session at its address with the fixed token."""
    async with serving(standin) as url, client_at(url) as session:
        yield session


def client_at(url: str | None = None) -> aiohttp.ClientSession:
    """Return a session with the fixed token."""
    return aiohttp.ClientSession(url, headers={"Authorization": "Bearer sandbox-token"})


async def call(session: aiohttp.ClientSession, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """Make one call and return its status and content."""
    async with session.request(method, path, json=body, allow_redirects=False) as response:
        return response.status, decode(await response.read())


async def found(session: aiohttp.ClientSession, **body: Any) -> list[int]:
    """Return the ids of a search."""
    status, page = await call(session, "POST", SEARCH, body)
    assert status == 200, page
    return [order["id"] for order in page["items"]]


async def test_the_seeds_dialogue() -> None:
    """The steps of seed 000: search, mark, and the order is gone from the next search."""
    standin = PropellerStandIn([seed_order()])
    async with client(standin) as session:
        status, page = await call(session, "POST", SEARCH, {"status": ["NEW"], "exportStatuses": []})
        assert status == 200
        assert {
            "items": [seed_order()],
            "itemsFound": 1,
            "offset": 12,
            "page": 1,
            "pages": 1,
            "start": 1,
            "end": 1,
        } == page
        assert await call(session, "PATCH", "/v2/orders/id/20106", MARK) == (
            200,
            {"id": 20106, "status": "NEW", **MARK},
        )
        assert await found(session, status=["NEW"], exportStatuses=[]) == []
    assert standin.marked == [(20106, MARK)]
    assert [(call.status, call.applied) for call in standin.history] == [(200, True)] * 3


async def test_pages_are_in_id_order_and_end() -> None:
    """`offset` is the page size, 12 by default; a page past the end is empty, and each page states the total."""
    standin = PropellerStandIn(reversed(propeller_orders(30, first_id=1)))
    async with client(standin) as session:
        pages = [(await call(session, "POST", SEARCH, {"page": page}))[1] for page in (1, 3, 4)]
    assert [list(range(1, 13)), list(range(25, 31)), []] == [[o["id"] for o in page["items"]] for page in pages]
    assert [(page["start"], page["end"]) for page in pages] == [(1, 12), (25, 30), (0, 0)]
    assert {(30, 12, 3)} == {(page["itemsFound"], page["offset"], page["pages"]) for page in pages}


async def test_without_expands_there_are_no_lines_and_no_addresses() -> None:
    """Without `expands`, orders have neither lines nor addresses."""
    async with client(PropellerStandIn([seed_order()])) as session:
        for query, expected in (
            ("", set()),
            ("?expands=order_items", {"items"}),
            ("?expands=ADDRESSES", {"addresses"}),
        ):
            _, page = await call(session, "POST", f"/v2/orders/search{query}", {})
            assert expected == {"items", "addresses"} & page["items"][0].keys()


async def test_an_order_that_comes_late_with_a_low_id_takes_its_place() -> None:
    """An order that enters the feed late has its place by id."""
    standin = PropellerStandIn(propeller_orders(2, first_id=10))
    standin.add({**seed_order(), "id": 5})
    standin.add({**seed_order(), "id": 20})
    async with client(standin) as session:
        assert await found(session) == [5, 10, 11, 20]
    assert list(standin.orders) == [5, 10, 11, 20]


async def test_filters() -> None:
    """Every documented filter narrows the search; an empty list of export statuses selects unset ones."""
    first, second, third = propeller_orders(3, first_id=1)
    first |= {"exportStatus": "exported", "exportedAt": "2026-02-01T00:00:00.000Z", "status": "CONFIRMED"}
    second |= {"type": "quotation", "userId": 7, "email": "needle@example.com"}
    third |= {"date": "2026-06-01T00:00:00.000Z", "exportStatus": None, "type": "stock", "companyId": 9}
    async with client(PropellerStandIn([first, second, third])) as session:
        assert await found(session, exportStatuses=[]) == [2, 3]
        assert await found(session, exportStatuses=[""]) == [2, 3]
        assert await found(session, exportStatuses=["exported", "failed"]) == [1]
        assert await found(session, status=["CONFIRMED"]) == [1]
        assert await found(session, types=["quotation"]) == [2]
        assert await found(session, userIds=[7]) == [2]
        assert await found(session, companyIds=[9]) == [3]
        assert await found(session, term="NEEDLE", termFields=["email"]) == [2]
        assert await found(session, term="NEEDLE", termFields=["reference"]) == []
        assert await found(session, createdAt={"from": "2026-06-01T00:00:00Z", "to": "2026-06-02"}) == [3]
        assert await found(session, lastModifiedAt={"greaterThan": "2026-01-15", "lessThan": "2026-05-01"}) == [1]
        assert await found(session, sortInputs=[{"field": "CREATED_AT", "order": "DESC"}]) == [3, 2, 1]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"statuses": ["NEW"]}, 10007),
        ({"status": "NEW"}, 10007),
        ({"exportStatuses": ["EXPORTED"]}, 10007),
        ({"types": ["order"]}, 10007),
        ({"userIds": [True]}, 10007),
        ({"createdAt": {"since": "2026-01-01"}}, 10007),
        ({"createdAt": {"from": "yesterday"}}, 10007),
        ({"sortInputs": [{"field": "id", "order": "ASC"}]}, 10007),
        ({"term": 5}, 10007),
        ([], 10007),
        ({"page": 0}, 10015),
        ({"page": True}, 10015),
        ({"offset": 101}, 10015),
        ({"offset": 0}, 10015),
    ],
)
async def test_a_search_that_is_not_documented_is_refused(body: Any, code: int) -> None:
    """Undocumented parameters are refused with the documented form and code of an error."""
    async with client(PropellerStandIn()) as session:
        status, content = await call(session, "POST", SEARCH, body)
    assert (400, code) == (status, content["error"]["code"])
    assert sorted(content["error"]) == ["code", "messages", "moreInfo", "status", "type"]


async def test_a_body_that_is_not_json_is_refused() -> None:
    """Broken JSON and another content type are both 10005, and change nothing."""
    standin = PropellerStandIn([seed_order()])
    async with client(standin) as session:
        for data, content_type in ((b"{", "application/json"), (b"{}", "text/plain"), (b"\xff", "application/json")):
            async with session.patch(
                "/v2/orders/id/20106", data=data, headers={"Content-Type": content_type}
            ) as response:
                assert (response.status, (await response.json())["error"]["code"]) == (400, 10005)
    assert standin.marked == []


@pytest.mark.parametrize(
    "change",
    [
        {"exportedAt": "2026-03-24T10:00:00Z"},
        {"exportedAt": "2026-03-24T10:00:00.000+00:00"},
        {"exportedAt": "2026-02-30T10:00:00.000Z"},
        {"exportStatus": "EXPORTED"},
        {"exportMessage": None},
        {"status": ""},
        {"id": "5"},
        [],
    ],
)
async def test_a_mark_that_is_not_documented_is_refused(change: Any) -> None:
    """An undocumented mark is refused as a whole."""
    standin = PropellerStandIn([seed_order()])
    async with client(standin) as session:
        status, content = await call(session, "PATCH", "/v2/orders/id/20106", change)
    assert (status, content["error"]["code"]) == (400, 10007)
    assert ([], seed_order()) == (standin.marked, standin.orders[20106])
    assert not standin.history[0].applied


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PATCH", "/v2/orders/id/5"),
        ("PATCH", "/v2/orders/id/" + "9" * 5000),
        ("PATCH", "/v2/orders/id/20106%2F..%2F5"),
        ("GET", "/v2/orders/id/20106"),
        ("GET", "/v2/orders/search"),
        ("POST", "/v2/orders/search/"),
        ("GET", "/"),
    ],
)
async def test_what_is_not_there_is_not_found(method: str, path: str) -> None:
    """Unknown orders and undocumented routes are 404."""
    async with client(PropellerStandIn([seed_order()])) as session:
        status, content = await call(session, method, path, {})
    assert (status, content["error"]["code"]) == (404, 10008)


async def test_tokens() -> None:
    """The client's credentials, in the form or as HTTP Basic, give a token that expires."""
    now = datetime(2026, 3, 1, tzinfo=UTC)
    standin = PropellerStandIn(token_life=60, now=lambda: now)
    form = {"grant_type": "client_credentials"}
    pair = {"client_id": "sandbox", "client_secret": "sandbox-secret"}
    async with serving(standin) as url, aiohttp.ClientSession(url) as session:
        basic = {"Authorization": aiohttp.encode_basic_auth(*pair.values())}
        for data, headers in (({**form, **pair}, {}), (form, basic)):
            async with session.post("/oauth2/token", data=data, headers=headers) as response:
                token = await response.json()
            assert (token["token_type"], token["expires_in"]) == ("Bearer", 60)
            session.headers["Authorization"] = f"Bearer {token.pop('access_token')}"
            assert await found(session) == []

            now += timedelta(seconds=60)
            assert (await call(session, "POST", SEARCH, {}))[0] == 401

            del session.headers["Authorization"]
            assert (await call(session, "POST", SEARCH, {}))[0] == 401


async def test_wrong_credentials_buy_nothing() -> None:
    """A wrong secret is 401; another grant, or JSON instead of a form, is 400."""
    pair = {"client_id": "sandbox", "client_secret": "sandbox-secret"}
    async with serving(PropellerStandIn()) as url, aiohttp.ClientSession(url) as session:
        for kwargs, expected in (
            ({"data": {"grant_type": "client_credentials", **pair, "client_secret": "no"}}, 401),
            ({"data": {"grant_type": "client_credentials"}}, 401),
            ({"data": {"grant_type": "password", **pair}}, 400),
            ({"json": {"grant_type": "client_credentials", **pair}}, 400),
        ):
            async with session.post("/oauth2/token", **kwargs) as response:  # type: ignore[arg-type]
                assert (expected, True) == (response.status, "error" in await response.json())
