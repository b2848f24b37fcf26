"""Logging in to eWarehousing, and staying logged in."""

from __future__ import annotations

from typing import Any

import anyio
import msgspec
import pytest

from connector.errors import AuthError, TransientError
from tests.receivers.ewarehousing.bench import CREATED, DELIVERY, LOGIN, ORDERS, PASSWORD, REFRESH, bench


async def test_the_first_call_logs_in() -> None:
    """The log-in carries the WMS code and no customer code; every other call carries both and the token."""
    async with bench() as b:
        await b.receiver.create(DELIVERY)

    login, create = b.vendor.calls
    assert (login.method, login.path) == ("POST", LOGIN)
    assert msgspec.json.decode(login.body) == {"username": "someone", "password": PASSWORD}
    assert login.headers["X-Wms-Code"] == "DEV"
    assert not {"X-Customer-Code", "Authorization"} & login.headers.keys()
    assert (create.method, create.path) == ("POST", ORDERS)
    assert create.headers["Authorization"] == "Bearer token-1"
    assert (create.headers["X-Wms-Code"], create.headers["X-Customer-Code"]) == ("DEV", "C-1")
    assert create.headers["Content-Type"] == "application/json"
    assert create.body == DELIVERY.body


@pytest.mark.fault(59)
async def test_fifty_calls_share_one_log_in() -> None:
    """However many calls wait for a token, one of them fetches it."""
    async with bench() as b, anyio.create_task_group() as tasks:
        for _ in range(50):
            tasks.start_soon(b.receiver.find, "order-10001")

    assert len(b.vendor.sent(LOGIN)) == 1


async def test_a_token_lives_for_exp_minus_iat() -> None:
    """The vendor's clock is its own: a session of 1970 that lives an hour is good for an hour of ours."""
    async with bench() as b:
        await b.receiver.check()
        b.clock.seconds += 3299
        await b.receiver.check()
        assert len(b.vendor.sent(REFRESH)) == 0
        b.clock.seconds += 2
        await b.receiver.check()

    assert len(b.vendor.sent(LOGIN)) == 1
    assert len(b.vendor.sent(REFRESH)) == 1


async def test_a_refresh_token_is_used_once() -> None:
    """Each renewal sends the refresh token of the answer before it, without the customer code."""
    async with bench() as b:
        for _ in range(3):
            await b.receiver.check()
            b.clock.seconds += 3600

    renewals = b.vendor.sent(REFRESH)
    assert [msgspec.json.decode(call.body) for call in renewals] == [
        {"refresh_token": "refresh-1"},
        {"refresh_token": "refresh-2"},
    ]
    assert all("X-Customer-Code" not in call.headers for call in renewals)


@pytest.mark.fault(60)
@pytest.mark.parametrize(
    "answer",
    [
        (401, {"code": 401, "message": "Invalid JWT Refresh Token"}),
        (400, {"message": "refresh token already used"}),
        (404, b""),
        (500, b"oops"),
        (200, b"<html></html>"),
        (200, {"token": "", "iat": 1, "exp": 2}),
        (200, {"token": "line\nbreak", "iat": 1, "exp": 2}),
    ],
)
async def test_a_failed_renewal_leads_to_the_log_in(answer: tuple[int, Any]) -> None:
    """Whatever comes of a refresh but a session, we log in, once, and the call goes through (faults.md #60)."""
    async with bench() as b:
        await b.receiver.check()
        b.clock.seconds += 3600
        b.vendor.script("POST", REFRESH, answer)
        await b.receiver.check()

    assert [call.path for call in b.vendor.calls] == [LOGIN, ORDERS, REFRESH, LOGIN, ORDERS]


async def test_a_session_without_a_refresh_token_is_followed_by_a_log_in() -> None:
    """The refresh token is optional; the log-in is enough."""
    async with bench() as b:
        b.vendor.script("POST", LOGIN, (200, {"token": "t", "iat": 1, "exp": 3601}))
        await b.receiver.check()
        b.clock.seconds += 3600
        await b.receiver.check()

    assert [call.path for call in b.vendor.calls] == [LOGIN, ORDERS, LOGIN, ORDERS]


@pytest.mark.fault(59)
async def test_a_refused_token_is_renewed_and_the_create_applied_once() -> None:
    """A 401 was not applied: the token is renewed and the same bytes are sent again (faults.md #59)."""
    async with bench() as b:
        b.vendor.script("POST", ORDERS, (401, {"code": 401, "message": "Invalid JWT Token"}))
        receipt = await b.receiver.create(DELIVERY)

    assert receipt.id == CREATED["id"]
    assert [call.path for call in b.vendor.calls] == [LOGIN, ORDERS, REFRESH, ORDERS]
    assert [call.body for call in b.vendor.sent(ORDERS)] == [DELIVERY.body] * 2


@pytest.mark.parametrize(
    "answer",
    [
        (401, {"code": 401, "message": "Invalid credentials."}),
        (400, {"errors": ["Missing 'X-Wms-Code' header"]}),
        (400, {"message": "Invalid WMS"}),
    ],
)
async def test_a_refused_log_in_is_a_matter_of_credentials(answer: tuple[int, Any]) -> None:
    """No order is to blame for a refused log-in, whatever its status: nothing is rejected (faults.md #58)."""
    async with bench() as b:
        b.vendor.script("POST", LOGIN, answer)
        with pytest.raises(AuthError):
            await b.receiver.create(DELIVERY)

    assert b.vendor.sent(ORDERS) == []


async def test_a_lost_log_in_leaves_no_order_in_doubt() -> None:
    """A create that never left is merely tried again."""
    async with bench() as b:
        b.vendor.script("POST", LOGIN, (500, b""))
        with pytest.raises(TransientError):
            await b.receiver.create(DELIVERY)


@pytest.mark.fault(60)
async def test_a_refresh_token_of_unknown_fate_is_not_sent_again() -> None:
    """A renewal whose answer was lost has used its token: even after a failed log-in, a log-in comes next."""
    async with bench() as b:
        await b.receiver.check()
        b.clock.seconds += 3600
        b.vendor.script("POST", REFRESH, (500, b""))
        b.vendor.script("POST", LOGIN, (500, b""))
        with pytest.raises(TransientError):
            await b.receiver.check()
        await b.receiver.check()

    assert [call.path for call in b.vendor.calls] == [LOGIN, ORDERS, REFRESH, LOGIN, LOGIN, ORDERS]
