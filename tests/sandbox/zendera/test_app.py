"""The stand-in for Zendera accepts the requests of the seed and refuses all others."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest

from connector.sandbox import ZENDERA_PORT
from connector.sandbox.server import decode, encode, serving
from connector.sandbox.zendera.app import ZenderaStandIn
from connector.sandbox.zendera.shipments import seed_shipment, zendera_shipments

EXPORT = "/api/v1/orders/export"
STATUS = "/api/v1/orders/export/status"
UPDATE = "/api/v1/exported-order/update"
TIMELINE = "/api/v2/orders/12345/external-updates"

ACK = {"create": [{"orderId": 12345, "status": "EXPORTED_SUCCESSFULLY"}]}
FAILED = {"create": [{"orderId": 12345, "status": "FAILED", "failureReason": "Unknown postal code"}]}
REPORT = {
    "orderId": 12345,
    "status": "COMPLETE",
    "location": "DELIVERY",
    "completeInfo": {
        "date": "2026-06-11T14:30:00Z",
        "coordinates": {"latitude": 59.91, "longitude": 10.75},
        "pod": {
            "date": "2026-06-11T14:30:00Z",
            "comment": "Left at front desk",
            "pictures": [],
            "signeeName": "John Smith",
            "isContactless": False,
        },
    },
}


@asynccontextmanager
async def client(standin: ZenderaStandIn) -> AsyncIterator[aiohttp.ClientSession]:
    """Serve `standin` and yield a session at its address with the key."""
    headers = {"Authorization": "apikey sandbox-key"}
    async with serving(standin) as url, aiohttp.ClientSession(url, headers=headers) as session:
        yield session


async def call(session: aiohttp.ClientSession, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """Make one call and return its status and content."""
    async with session.request(method, path, json=body) as response:
        return response.status, decode(await response.read())


async def listed(session: aiohttp.ClientSession, query: str = "") -> list[Any]:
    """Return the order ids of a page."""
    status, page = await call(session, "GET", EXPORT + query)
    assert status == 200, page
    return [shipment["orderId"] for shipment in page.get("shipments", [])]


async def test_the_seeds_loop() -> None:
    """The steps of seed 003: poll, acknowledge, report."""
    now = datetime(2026, 6, 11, 9, 0, tzinfo=UTC)
    standin = ZenderaStandIn([seed_shipment(), seed_shipment(id=700002, orderId=12346)], now=lambda: now)
    async with client(standin) as session:
        status, page = await call(session, "GET", f"{EXPORT}?page=1&perPage=50")
        assert (status, {key: value for key, value in page.items() if key != "shipments"}) == (
            200,
            {"page": 1, "perPage": 50, "total": 2, "totalPages": 1},
        )
        assert page["shipments"][0] == seed_shipment()
        both = {
            "create": [*ACK["create"], {"orderId": 12346, "status": "FAILED", "failureReason": "Unknown postal code"}]
        }
        assert await call(session, "POST", STATUS, both) == (200, {})
        assert await listed(session) == [12346]
        assert await call(session, "POST", UPDATE, REPORT) == (200, {})
        _, timeline = await call(session, "GET", TIMELINE)
        _, other = await call(session, "GET", TIMELINE.replace("12345", "12346"))
    export = {"type": "EVENT_TYPE_ORDER_EXPORTED", "date": "2026-06-11T09:00:00.000Z"}
    assert timeline["updates"][0] == {**export, "success": True}
    assert timeline["updates"][1]["type"] == "EVENT_TYPE_COMPLETE"
    assert other == {"updates": [{**export, "success": False, "failureReason": "Unknown postal code"}]}
    assert (standin.statuses, standin.updates) == (both["create"], [decode(encode(REPORT))])


async def test_pages_end_and_what_is_empty_is_left_out() -> None:
    """`page` begins at 1 and `perPage` is 50 by default; an empty feed has neither `shipments` nor a total."""
    standin = ZenderaStandIn(zendera_shipments(60, split=0, first_id=1))
    async with client(standin) as session:
        assert await listed(session) == list(range(1, 51))
        assert await listed(session, "?page=3&perPage=25") == list(range(51, 61))
        status, page = await call(session, "GET", f"{EXPORT}?page=4&perPage=25")
        assert (status, page) == (200, {"page": 4, "perPage": 25, "total": 60, "totalPages": 3})
        standin.shipments.clear()
        assert await call(session, "GET", EXPORT) == (200, {"page": 1, "perPage": 50})
        for query in ("?page=0", "?page=x", "?perPage=0", "?perPage=-1", "?page=1.0"):
            assert (await call(session, "GET", EXPORT + query))[0] == 400, query


async def test_ids_may_be_text() -> None:
    """Ids are text as protobuf writes 64-bit numbers; the acknowledgement accepts both forms."""
    standin = ZenderaStandIn([seed_shipment()], ids_as_text=True)
    async with client(standin) as session:
        assert await listed(session) == ["12345"]
        text = {"create": [{"orderId": "12345", "status": "EXPORTED_SUCCESSFULLY"}]}
        assert await call(session, "POST", STATUS, text) == (200, {})
    assert standin.exported == {"12345"}


async def test_five_failures_take_an_order_out_of_the_feed() -> None:
    """After five failures an order leaves the feed until a dispatcher releases it; the sixth is refused."""
    standin = ZenderaStandIn([seed_shipment()])
    async with client(standin) as session:
        for strike in range(1, 6):
            assert await listed(session) == [12345]
            assert (await call(session, "POST", STATUS, FAILED))[0] == 200
            assert standin.strikes["12345"] == strike
        assert await listed(session) == []
        assert (await call(session, "POST", STATUS, FAILED))[0] == 400
        assert [event["success"] for event in standin.timelines["12345"]] == [False] * 5
        standin.redispatch("12345")
        assert await listed(session) == [12345]


async def test_an_export_twice_is_one_export() -> None:
    """A repeated acknowledgement has no effect, and an acknowledged order cannot fail any more."""
    standin = ZenderaStandIn([seed_shipment()])
    async with client(standin) as session:
        for _ in range(2):
            assert await call(session, "POST", STATUS, ACK) == (200, {})
        assert (await call(session, "POST", STATUS, FAILED))[0] == 400
    assert len(standin.timelines["12345"]) == 1
    assert standin.strikes["12345"] == 0


@pytest.mark.parametrize(
    "header",
    [None, "", "sandbox-key", "Bearer sandbox-key", "ApiKey sandbox-key", "apikey wrong", "apikey  sandbox-key"],
)
async def test_only_the_documented_authorization_opens(header: str | None) -> None:
    """Any authorization but lower-case `apikey KEY` is 401 with AUTH_001 (vendors.md 3)."""
    headers = {} if header is None else {"Authorization": header}
    async with serving(ZenderaStandIn()) as url, aiohttp.ClientSession(url, headers=headers) as session:
        status, content = await call(session, "GET", EXPORT)
    assert (status, content["code"]) == (401, "AUTH_001")


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"create": []},
        {"create": {}},
        {"create": ["12345"]},
        {**ACK, "update": []},
        {"create": [*ACK["create"], {"orderId": 7, "status": "EXPORTED_SUCCESSFULLY"}]},
        {"create": [*ACK["create"], *FAILED["create"]]},
        {"create": [{"orderId": 12345, "status": "EXPORTED"}]},
        {"create": [{"orderId": 12345, "status": "FAILED"}]},
        {"create": [{"orderId": 12345, "status": "FAILED", "failureReason": ""}]},
        {"create": [{"orderId": 12345, "status": "EXPORTED_SUCCESSFULLY", "failureReason": "x"}]},
        {"create": [{"orderId": True, "status": "EXPORTED_SUCCESSFULLY"}]},
        {"create": [{"order_id": 12345, "status": "EXPORTED_SUCCESSFULLY"}]},
    ],
)
async def test_a_status_that_is_not_documented_is_refused(body: Any) -> None:
    """An undocumented status call is refused as a whole."""
    standin = ZenderaStandIn([seed_shipment()])
    async with client(standin) as session:
        status, content = await call(session, "POST", STATUS, body)
    assert (status, sorted(content)) == (400, ["error"])
    assert (standin.statuses, standin.exported, standin.timelines) == ([], set(), {})
    assert not standin.history[0].applied


@pytest.mark.parametrize(
    "change",
    [
        {"orderId": 7},
        {"orderId": None},
        {"status": "DONE"},
        {"status": "DAMAGE"},
        {"damageInfo": {"date": "2026-06-11T14:30:00Z"}},
        {"location": "HOME"},
        {"completeInfo": None},
        {"completeInfo": {"date": "2026-06-11T14:30:00"}},
        {"completeInfo": {"date": "2026-06-11T14:30:00Z", "coordinates": {"latitude": 91, "longitude": 0}}},
        {"completeInfo": {"date": "2026-06-11T14:30:00Z", "coordinates": {"latitude": "59.91", "longitude": 0}}},
        {"completeInfo": {"date": "2026-06-11T14:30:00Z", "pod": {"pictures": "x"}}},
        {"completeInfo": {"date": "2026-06-11T14:30:00Z", "pod": {"date": "today"}}},
    ],
)
async def test_an_update_that_is_not_documented_is_refused(change: Any) -> None:
    """A report whose info does not match its status would lose the detail, and is refused."""
    standin = ZenderaStandIn([seed_shipment()])
    async with client(standin) as session:
        assert (await call(session, "POST", UPDATE, {**REPORT, **change}))[0] == 400
    assert (standin.updates, standin.timelines) == ([], {})


async def test_what_is_not_there_is_not_found() -> None:
    """Without the base path a route is 404; the timeline of an unknown order is refused."""
    async with client(ZenderaStandIn([seed_shipment()])) as session:
        for method, path in (
            ("GET", EXPORT[4:]),
            ("POST", EXPORT),
            ("GET", STATUS),
            ("GET", EXPORT + "/"),
            ("GET", "/"),
        ):
            assert (await call(session, method, path))[0] == 404, path
        assert (await call(session, "GET", TIMELINE.replace("12345", "7")))[0] == 400
        assert await call(session, "GET", TIMELINE) == (200, {})


async def test_a_body_that_is_not_json_is_refused() -> None:
    """Broken JSON and another content type change nothing."""
    standin = ZenderaStandIn([seed_shipment()])
    async with client(standin) as session:
        for data, kind in ((b"{", "application/json"), (encode(ACK), "text/plain"), (b"\xff", "application/json")):
            async with session.post(STATUS, data=data, headers={"Content-Type": kind}) as response:
                assert response.status == 400
    assert standin.statuses == []


def test_generated_shipments() -> None:
    """The same arguments give the same shipments; ids rise, some orders have two shipments, some lack an address."""
    shipments = zendera_shipments(400, without_address=7)
    assert encode(shipments) == encode(zendera_shipments(400, without_address=7))
    assert encode(shipments) != encode(zendera_shipments(400, without_address=7, seed=2))
    assert [shipment["id"] for shipment in shipments] == list(range(700001, 700001 + len(shipments)))
    orders: dict[int, list[Any]] = {}
    for shipment in shipments:
        orders.setdefault(shipment["orderId"], []).append(shipment)
    assert set(orders) == set(range(12345, 12745))
    doubled = [own for own in orders.values() if len(own) == 2]
    assert 30 < len(doubled) < 90
    assert all(own[0]["delivery"] == own[1]["delivery"] for own in doubled)
    assert any(own[1]["id"] - own[0]["id"] > 30 for own in doubled)
    assert sum(not own[0]["delivery"]["address"] for own in orders.values()) == 7
    parcels = [parcel["id"] for shipment in shipments for parcel in shipment["parcels"]]
    assert len(set(parcels)) == len(parcels)
    with pytest.raises(ValueError, match="2 addresses of 1 orders"):
        zendera_shipments(1, without_address=2)


def test_its_port_is_its_own() -> None:
    """Each stand-in of `connector sandbox` has its own port."""
    import connector.sandbox

    ports = [getattr(connector.sandbox, name) for name in connector.sandbox.__all__ if name.endswith("_PORT")]
    assert ZENDERA_PORT == 18084
    assert len(set(ports)) == len(ports)
