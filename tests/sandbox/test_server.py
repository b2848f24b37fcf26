"""A stand-in produces faults on demand, and records its requests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from connector.sandbox.propeller.app import PropellerStandIn
from connector.sandbox.propeller.orders import seed_order
from connector.sandbox.server import Fault, StandIn, decode, serving

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


@pytest.mark.parametrize(
    ("fault", "status", "applied"),
    [
        (Fault.SERVER_ERROR, 500, False),
        (Fault.SERVER_ERROR_APPLIED, 500, True),
        (Fault.THROTTLE, 429, False),
        (Fault.UNAUTHORIZED, 401, False),
        (Fault.HTML, 200, False),
        (Fault.EMPTY, 200, True),
        (Fault.REDIRECT, 307, False),
    ],
)
async def test_a_fault_that_answers(fault: Fault, status: int, *, applied: bool) -> None:
    """A fault with a response is applied or not as named, happens once, and is recorded."""
    standin = PropellerStandIn([seed_order()])
    standin.fault(fault)
    async with client(standin) as session:
        async with session.patch("/v2/orders/id/20106", json=MARK, allow_redirects=False) as response:
            text, headers = await response.text(), response.headers
            assert status == response.status
        assert applied is (standin.marked == [(20106, MARK)])
        assert (fault is Fault.HTML) is text.startswith("<!DOCTYPE html>")
        assert (fault is Fault.EMPTY) is (text == "" and fault is not Fault.REDIRECT)
        assert ("1" if fault is Fault.THROTTLE else None) == headers.get("Retry-After")
        assert (fault is Fault.REDIRECT) is headers.get("Location", "").startswith("http://elsewhere.invalid/v2/")
        assert (await call(session, "PATCH", "/v2/orders/id/20106", MARK))[0] == 200
    assert [(status, applied), (200, True)] == [(call.status, call.applied) for call in standin.history]


@pytest.mark.parametrize(("fault", "applied"), [(Fault.LOSE_REQUEST, False), (Fault.LOSE_ANSWER, True)])
async def test_a_lost_connection(fault: Fault, *, applied: bool) -> None:
    """The client cannot distinguish a lost request from a lost response; the record can."""
    standin = PropellerStandIn([seed_order()])
    standin.fault(fault)
    async with client(standin) as session:
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await call(session, "PATCH", "/v2/orders/id/20106", MARK)
        assert applied is (standin.marked == [(20106, MARK)])
        assert (await call(session, "PATCH", "/v2/orders/id/20106", MARK))[0] == 200
    assert [(0, applied), (200, True)] == [(call.status, call.applied) for call in standin.history]


async def test_a_request_that_hangs_ends_with_the_client_or_the_server() -> None:
    """A hanging request ends with the client or the server, and is not applied."""
    standin = PropellerStandIn([seed_order()])
    arrived = asyncio.Event()

    def notice(_request: web.Request) -> bool:
        arrived.set()
        return True

    standin.fault(Fault.HANG, times=2, on=notice)
    async with client_at() as session:
        async with serving(standin) as url:
            left = asyncio.create_task(call(session, "PATCH", f"{url}/v2/orders/id/20106", MARK))
            await arrived.wait()
            left.cancel()
            with pytest.raises(asyncio.CancelledError):
                await left
            arrived.clear()
            waiting = asyncio.create_task(call(session, "PATCH", f"{url}/v2/orders/id/20106", MARK))
            await arrived.wait()
        with pytest.raises(aiohttp.ClientConnectionError):
            await waiting
    assert standin.marked == []
    assert [(call.status, call.applied) for call in standin.history] == [(0, False)] * 2


async def test_faults_queue_and_choose() -> None:
    """Each request gets the oldest fault that applies to it, the given number of times."""
    standin = PropellerStandIn([seed_order()])

    def marks(request: web.Request) -> bool:
        return request.method == "PATCH"

    standin.fault(Fault.SERVER_ERROR, times=2, on=marks)
    standin.fault(Fault.THROTTLE)
    statuses = []
    async with client(standin) as session:
        for _ in range(3):
            async with session.patch("/v2/orders/id/20106", json=MARK) as response:
                statuses.append(response.status)
            async with session.post(SEARCH, json={}) as response:
                statuses.append(response.status)
    assert statuses == [500, 429, 500, 200, 200, 200]


async def test_a_vendor_that_was_down_comes_back_as_it_was() -> None:
    """A stand-in can be served again on the same port, with its orders and its record."""
    standin = PropellerStandIn([seed_order()])
    async with serving(standin) as url:
        port = int(url.rpartition(":")[2])
        async with client_at(url) as session:
            await call(session, "PATCH", "/v2/orders/id/20106", MARK)
    async with serving(standin, port=port) as again, client_at(again) as session:
        assert (await call(session, "POST", SEARCH, {"exportStatuses": []}))[1]["items"] == []
    assert len(standin.history) == 2


async def test_the_record_holds_what_was_on_the_wire_and_prints_no_secret() -> None:
    """Path and query are recorded as sent and header names in lower case; the repr has no token."""
    standin = PropellerStandIn()
    async with client(standin) as session:
        await call(session, "POST", SEARCH, {"status": ["NEW"], "page": 2})
    record = standin.history[0]
    assert (record.method, record.path) == ("POST", "/v2/orders/search")
    assert record.query == [("expands", "ORDER_ITEMS,ADDRESSES")]
    assert record.headers["authorization"] == "Bearer sandbox-token"
    assert decode(record.body) == {"status": ["NEW"], "page": 2}
    assert "sandbox-token" not in repr(record)
