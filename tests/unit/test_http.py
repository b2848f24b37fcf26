"""One call to one endpoint, with the policy around it, over real sockets on loopback."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from email.utils import format_datetime

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from connector.errors import AuthError, ConnectorError, EndpointError, InDoubtError, RejectedError, TransientError
from connector.http import Effect, Endpoint, Token, segment
from connector.settings.structs import EndpointSettings
from tests.unit.hands import Hands

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

KEY, SECRET, BEARER = "k3y-of-the-tenant", "s3cret-of-the-client", "b3arer-of-the-hour"
ANYTHING = msgspec.json.Decoder(dict[str, int])


@asynccontextmanager
async def serving(handler: Handler, *, concurrency: int = 8) -> AsyncIterator[tuple[Endpoint, Hands]]:
    """Serve `handler` at every path; yield an endpoint on it, and its clock."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    clock = Hands()
    async with TestServer(app) as server:
        endpoint = Endpoint(
            "vendor",
            str(server.make_url("/api")),
            EndpointSettings(concurrency=concurrency),
            clock,
            headers={"X-Key": KEY},
            secrets=[SECRET],
            largest=1024 * 1024,
        )
        try:
            yield endpoint, clock
        finally:
            await endpoint.aclose()


def answering(status: int = 200, text: str = "{}", **headers: str) -> Handler:
    """Return a handler that always says the same."""

    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=status, text=text, headers=headers)

    return handler


async def failure(endpoint: Endpoint, effect: Effect = Effect.WRITE) -> ConnectorError:
    """Make one call that fails; return how."""
    with pytest.raises(ConnectorError) as caught:
        await endpoint.call("POST", "/orders", effect=effect, body=b"{}")
    return caught.value


async def test_what_is_sent() -> None:
    """The base address keeps its path; query, body, and the endpoint's own headers go with the call."""
    seen: list[tuple[str, str, str | None, bytes]] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append((request.method, request.raw_path, request.headers.get("X-Key"), await request.read()))
        return web.json_response({"id": 5}, status=201)

    async with serving(handler) as (endpoint, _):
        answer = await endpoint.call(
            "POST", "/v1/a", effect=Effect.WRITE, query=[("filters[0][key]", "a b"), ("x", "1,2")], body=b"[1]"
        )
    assert (answer.status, answer.decode(ANYTHING)) == (201, {"id": 5})
    ((method, path, key, body),) = seen
    assert (method, key, body) == ("POST", KEY, b"[1]")
    assert path.startswith("/api/v1/a?")


@pytest.mark.parametrize("order_id", ["../cancel", "a/b", "%2e%2e", "a?x=1", "a#b", "ø", " ", "1;2"])
async def test_an_id_stays_one_segment_of_the_path(order_id: str) -> None:
    """No id can reach another route: the one that cancels an order is one slash away."""
    seen: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(request.raw_path)
        return web.Response(text="{}")

    async with serving(handler) as (endpoint, _):
        await endpoint.call("PATCH", f"/orders/{segment(order_id)}/", effect=Effect.WRITE, body=b"{}")
    (path,) = seen
    assert path.count("/") == "/api/orders/x/".count("/")
    assert "?" not in path


@pytest.mark.parametrize("order_id", ["", ".", ".."])
def test_an_id_that_cannot_be_a_segment_is_refused(order_id: str) -> None:
    """Dots are resolved by servers even when they are encoded."""
    with pytest.raises(EndpointError):
        segment(order_id)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_is_followed(status: int) -> None:
    """A customer's address and our keys go to the host in the settings, and to no other."""
    strangers: list[str] = []

    async def stranger(request: web.Request) -> web.Response:
        strangers.append(request.path)
        return web.Response(text="{}")

    async with serving(stranger) as (elsewhere, _):
        handler = answering(status, Location=str(elsewhere.url("/orders")))
        async with serving(handler) as (endpoint, _):
            assert type(await failure(endpoint)) is EndpointError
    assert strangers == []


async def test_no_cookie_is_sent_back() -> None:
    """What one answer plants does not come back with the next call."""
    cookies: list[str | None] = []

    async def handler(request: web.Request) -> web.Response:
        cookies.append(request.headers.get("Cookie"))
        response = web.Response(text="{}")
        response.set_cookie("tracked", "yes")
        return response

    async with serving(handler) as (endpoint, _):
        for _ in range(2):
            await endpoint.call("GET", "/", effect=Effect.READ)
    assert cookies == [None, None]


async def test_no_proxy_is_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy in the environment sees nothing of ours."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
        monkeypatch.setenv(name.upper(), "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    async with serving(answering()) as (endpoint, _):
        assert (await endpoint.call("GET", "/", effect=Effect.READ)).status == 200


@pytest.mark.parametrize(
    ("asked", "least", "most"),
    [("7", 7, 7), ("1000000000", 86_400, 86_400), ("soon", None, None), ("-5", None, None)],
)
async def test_retry_after_in_seconds(asked: str, least: float | None, most: float | None) -> None:
    """The error carries what the endpoint asked for, at most a day; nonsense counts as nothing."""
    async with serving(answering(429, **{"Retry-After": asked})) as (endpoint, _):
        error = await failure(endpoint)
    assert isinstance(error, TransientError)
    assert error.retry_after == least == most


async def test_retry_after_as_a_date() -> None:
    """A date is turned into seconds from now."""

    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=429, headers={"Retry-After": format_datetime(clock.now() + timedelta(seconds=90))})

    async with serving(handler) as (endpoint, clock):
        error = await failure(endpoint)
    assert isinstance(error, TransientError)
    assert error.retry_after == 90


async def test_a_throttled_endpoint_is_left_alone_for_as_long_as_it_asked() -> None:
    """After 429 nothing is sent before the time has come, then one call is."""
    calls = 0

    async def handler(request: web.Request) -> web.Response:
        nonlocal calls
        calls += 1
        return web.Response(status=429, headers={"Retry-After": "60"}) if calls == 1 else web.Response(text="{}")

    async with serving(handler) as (endpoint, clock):
        await failure(endpoint)
        clock.at += 59
        paused = await failure(endpoint)
        assert isinstance(paused, TransientError)
        assert paused.retry_after is not None
        assert calls == 1
        clock.at += 1 + paused.retry_after
        await endpoint.call("GET", "/", effect=Effect.READ)
    assert calls == 2


async def test_calls_in_the_queue_respect_a_pause_too() -> None:
    """Calls that waited for a slot when the endpoint asked for peace are not sent, and do not lengthen the pause."""
    calls = 0

    async def handler(request: web.Request) -> web.Response:
        nonlocal calls
        calls += 1
        return web.Response(status=429, headers={"Retry-After": "60"})

    async with serving(handler, concurrency=1) as (endpoint, _):
        errors = await asyncio.gather(*(failure(endpoint) for _ in range(20)))
        assert calls == 1
        assert all(isinstance(error, TransientError) for error in errors)
        assert endpoint.breaker.wait() < 120


async def test_rejected_orders_do_not_pause_the_endpoint() -> None:
    """A 400 is about the order: the endpoint is well."""
    async with serving(answering(400)) as (endpoint, _):
        for _ in range(20):
            assert type(await failure(endpoint)) is RejectedError
    assert endpoint.breaker.state == "closed"


async def test_a_broken_endpoint_is_paused() -> None:
    """Five failures in a row and nothing more is sent."""
    calls = 0

    async def handler(request: web.Request) -> web.Response:
        nonlocal calls
        calls += 1
        return web.Response(status=500)

    async with serving(handler) as (endpoint, _):
        errors = [await failure(endpoint) for _ in range(10)]
    assert [isinstance(error, InDoubtError) for error in errors] == [True] * 5 + [False] * 5
    assert all(isinstance(error, TransientError) for error in errors[5:])
    assert calls == 5


@pytest.mark.parametrize("status", [401, 403, 404, 405, 301])
async def test_a_wrong_key_or_address_pauses_it_at_once(status: int) -> None:
    """No second order is spent on what no repetition cures; whoever listens hears why."""
    heard: list[tuple[str, str]] = []
    async with serving(answering(status, "no such thing")) as (endpoint, _):
        endpoint.listen = lambda state, reason: heard.append((state, reason))
        error = await failure(endpoint)
    assert heard == [("open", str(error))]


async def test_an_expected_status_is_an_answer() -> None:
    """A caller that knows what a 404 means here gets it whole, and the endpoint counts as well."""
    page = '{"n": 404}' + " " * 10_000
    async with serving(answering(404, page)) as (endpoint, _):
        answer = await endpoint.call("PATCH", "/", effect=Effect.WRITE, body=b"{}", expected={404})
        assert (answer.status, answer.body.decode()) == (404, page)
        assert endpoint.breaker.state == "closed"


@pytest.mark.parametrize(
    "body", [b"", b"<html></html>", b'{"a": 1', b'{"a": "x"}', b"\xff\xfe{}", b'\xef\xbb\xbf{"a": 1}', b"[" * 100_000]
)
async def test_an_answer_that_is_not_what_is_documented(body: bytes) -> None:
    """200 alone proves nothing: a write is in doubt, a read is tried again."""

    async def handler(request: web.Request) -> web.Response:
        return web.Response(body=body)

    async with serving(handler) as (endpoint, _):
        for effect, kind in ((Effect.WRITE, InDoubtError), (Effect.READ, TransientError)):
            answer = await endpoint.call("POST", "/", effect=effect, body=b"{}")
            with pytest.raises(kind):
                answer.decode(ANYTHING)


class Login:
    """A token that changes with each log-in, and the calls that use it."""

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
        """Issue tokens at `/api/login`; elsewhere take only the newest."""
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
        """Let `endpoint` log in here."""

        async def fetch() -> tuple[str, float]:
            answer = await endpoint.call("POST", "/login", effect=effect, body=b"", authorized=False)
            return answer.body.decode(), self.life

        endpoint.token = Token(fetch, clock)


async def test_fifty_calls_share_one_token() -> None:
    """Whoever comes while the token is being fetched waits for it."""
    login = Login()
    async with serving(login.handler) as (endpoint, clock):
        login.give(endpoint, clock)
        await asyncio.gather(*(endpoint.call("GET", "/", effect=Effect.READ) for _ in range(50)))
    assert (login.issued, login.refused) == (1, 0)


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
    """Five minutes before the end, or at half of a short life."""
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
    """401 to a fresh token is a matter of rights."""
    calls: list[str | None] = []

    async def handler(request: web.Request) -> web.Response:
        calls.append(request.headers.get("Authorization"))
        return web.Response(status=401)

    async def fetch() -> tuple[str, float]:
        return f"token-{len(calls)}", 3600.0

    async with serving(handler) as (endpoint, clock):
        endpoint.token = Token(fetch, clock)
        assert type(await failure(endpoint)) is AuthError
    assert calls == ["Bearer token-0", "Bearer token-1"]


async def test_403_renews_nothing() -> None:
    """Missing rights do not come with a new token."""
    fetched = 0

    async def fetch() -> tuple[str, float]:
        nonlocal fetched
        fetched += 1
        return "token", 3600.0

    async with serving(answering(403)) as (endpoint, clock):
        endpoint.token = Token(fetch, clock)
        assert type(await failure(endpoint)) is AuthError
    assert fetched == 1


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
    """The order was never sent: it is neither rejected nor in doubt. All who waited fail with the one log-in."""
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
    """The log-in of the one call that may try after a pause is a part of it, and is not paused."""
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


@pytest.mark.parametrize("status", [200, 301, 400, 401, 409, 422, 429, 500])
async def test_no_error_repeats_a_key(status: int) -> None:
    """A server that echoes what it got cannot make us print it; neither can the client's own exceptions."""

    async def handler(request: web.Request) -> web.Response:
        said = "\n".join(f"{name}: {value}" for name, value in request.headers.items())
        return web.Response(status=status, text=f"{said}\n{SECRET}")

    async def fetch() -> tuple[str, float]:
        return BEARER, 3600.0

    async with serving(handler) as (endpoint, clock):
        endpoint.token = Token(fetch, clock)
        with pytest.raises(ConnectorError) as caught:
            (await endpoint.call("POST", "/", effect=Effect.WRITE, body=b"{}")).decode(ANYTHING)
    printed = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    assert "vendor" in printed
    for secret in (KEY, SECRET, BEARER):
        assert secret not in printed


async def test_a_lost_answer_repeats_no_key() -> None:
    """The client's exceptions hold the request with its headers; none of it is in ours."""

    async def handler(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async with serving(handler) as (endpoint, _):
        error = await failure(endpoint)
    assert KEY not in "".join(traceback.format_exception(error))


async def test_concurrency_is_bounded() -> None:
    """No more calls are in flight than the settings allow."""
    now, most = 0, 0

    async def handler(request: web.Request) -> web.Response:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.001)
        now -= 1
        return web.Response(text="{}")

    async with serving(handler, concurrency=3) as (endpoint, _):
        await asyncio.gather(*(endpoint.call("GET", "/", effect=Effect.READ) for _ in range(30)))
    assert most == 3


async def test_closing_twice_is_harmless() -> None:
    """An endpoint may be closed before its first call, and again."""
    async with serving(answering()) as (endpoint, _):
        await endpoint.aclose()
        await endpoint.call("GET", "/", effect=Effect.READ)
        await endpoint.aclose()
