"""A token that many calls share: fetched once, renewed once, and never the order's fault."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from connector.errors import AuthError, ConnectorError, EndpointError, TransientError
from connector.http.endpoint import BearerToken, Effect, Endpoint
from tests.http.endpoints import answering, failure, serving
from tests.http.manual_clock import Hands


class Login:
    """A server whose token changes with each log-in, and the calls that use it."""

    def __init__(self) -> None:
        self.issued = 0
        self.life = 3600.0
        self.status = 200
        self.good = ""
        self.refused = 0
        self.hold = asyncio.Event()
        self.hold.set()
        self.asked = asyncio.Event()

    async def handler(self, request: web.Request) -> web.Response:
        """Issue tokens at `/api/login`; elsewhere accept only the newest."""
        if request.path == "/api/login":
            self.asked.set()
            await self.hold.wait()
            self.issued += 1
            self.good = f"token-{self.issued}"
            return web.Response(status=self.status, text=self.good)
        if request.headers.get("Authorization") != f"Bearer {self.good}":
            self.refused += 1
            return web.Response(status=401, text="expired")
        return web.Response(text="{}")

    def give(self, endpoint: Endpoint, clock: Hands, effect: Effect = Effect.READ) -> None:
        """Make `endpoint` log in at this server."""

        async def fetch() -> tuple[str, float]:
            answer = await endpoint.call("POST", "/login", effect=effect, body=b"", authorized=False)
            return answer.body.decode(), self.life

        endpoint.token = BearerToken(fetch, clock)


async def test_fifty_calls_share_one_token() -> None:
    """Calls that arrive while the token is being fetched wait for it."""
    login = Login()
    async with serving(login.handler) as (endpoint, clock):
        login.give(endpoint, clock)
        await asyncio.gather(*(endpoint.call("GET", "/", effect=Effect.READ) for _ in range(50)))
    assert (login.issued, login.refused) == (1, 0)


@pytest.mark.fault(59)
async def test_fifty_calls_renew_an_expired_token_once() -> None:
    """A 401 renews the token and repeats the call, which was not applied; fifty at once fetch one token."""
    login = Login()
    async with serving(login.handler, concurrency=50) as (endpoint, clock):
        login.give(endpoint, clock)
        await endpoint.call("GET", "/", effect=Effect.READ)
        login.good = "revoked"
        await asyncio.gather(*(endpoint.call("POST", "/", effect=Effect.WRITE, body=b"{}") for _ in range(50)))
        assert login.issued == 2
        assert endpoint.breaker.state == "closed"


async def test_a_token_is_renewed_before_its_end() -> None:
    """Five minutes before its expiry, or at half of a short lifetime."""
    login = Login()
    async with serving(login.handler) as (endpoint, clock):
        login.give(endpoint, clock)
        issued = []
        for life, waits in ((3600.0, (3299, 2)), (60.0, (29, 2))):
            login.life = life
            endpoint.token = None
            login.give(endpoint, clock)
            await endpoint.call("GET", "/", effect=Effect.READ)
            before = login.issued
            for wait in waits:
                clock.at += wait
                await endpoint.call("GET", "/", effect=Effect.READ)
                issued.append(login.issued - before)
    assert issued == [0, 1, 0, 1]
    assert login.refused == 0


async def test_a_refused_call_is_repeated_once_only() -> None:
    """A 401 with a fresh token is a matter of rights."""
    calls: list[str | None] = []

    async def handler(request: web.Request) -> web.Response:
        calls.append(request.headers.get("Authorization"))
        return web.Response(status=401)

    async def fetch() -> tuple[str, float]:
        return f"token-{len(calls)}", 3600.0

    async with serving(handler) as (endpoint, clock):
        endpoint.token = BearerToken(fetch, clock)
        assert type(await failure(endpoint)) is AuthError
    assert calls == ["Bearer token-0", "Bearer token-1"]


async def test_403_renews_nothing() -> None:
    """A new token does not add rights."""
    fetched = 0

    async def fetch() -> tuple[str, float]:
        nonlocal fetched
        fetched += 1
        return "token", 3600.0

    async with serving(answering(403)) as (endpoint, clock):
        endpoint.token = BearerToken(fetch, clock)
        assert type(await failure(endpoint)) is AuthError
    assert fetched == 1


@pytest.mark.fault(60)
@pytest.mark.parametrize(
    ("status", "effect", "kind"),
    [
        (400, Effect.READ, AuthError),
        (401, Effect.READ, AuthError),
        (404, Effect.READ, EndpointError),
        (503, Effect.READ, TransientError),
        (503, Effect.WRITE, TransientError),
    ],
)
async def test_a_failed_log_in_is_not_the_orders_fault(status: int, effect: Effect, kind: type[ConnectorError]) -> None:
    """The order was never sent, so it is neither rejected nor in doubt. All waiting calls share the failed log-in."""
    login = Login()
    login.status = status
    login.hold.clear()
    async with serving(login.handler) as (endpoint, clock):
        login.give(endpoint, clock, effect)
        calls = [asyncio.create_task(failure(endpoint)) for _ in range(50)]
        await login.asked.wait()
        login.hold.set()
        assert {type(error) for error in await asyncio.gather(*calls)} == {kind}
    assert login.issued == 1


async def test_an_endpoint_recovers_when_it_needs_a_new_token_too() -> None:
    """The log-in belongs to the probe after a pause, and is not paused itself."""
    login = Login()
    async with serving(login.handler) as (endpoint, clock):
        login.give(endpoint, clock)
        login.status = 500
        for _ in range(5):
            await failure(endpoint)
        pause = endpoint.breaker.remaining
        assert pause > 0
        login.status = 200
        clock.at += pause
        await endpoint.call("GET", "/", effect=Effect.READ)
    assert endpoint.breaker.state == "closed"
