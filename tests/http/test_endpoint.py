"""One call to one endpoint, with its policy, over real sockets on loopback."""

from __future__ import annotations

import traceback

import pytest
from aiohttp import web

from connector.errors import ConnectorError, EndpointError, InDoubtError, TransientError
from connector.http.endpoint import BearerToken, Effect, segment
from tests.http.endpoints import ANYTHING, KEY, SECRET, answering, failure, serving

BEARER = "b3arer-of-the-hour"


async def test_what_is_sent() -> None:
    """The base address keeps its path; query, body and the endpoint's own headers are sent with the call."""
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


@pytest.mark.attack(22)
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


@pytest.mark.attack(22)
@pytest.mark.parametrize("order_id", ["", ".", ".."])
def test_an_id_that_cannot_be_a_segment_is_refused(order_id: str) -> None:
    """Servers resolve dots even when they are encoded."""
    with pytest.raises(EndpointError):
        segment(order_id)


@pytest.mark.attack(1, 2)
@pytest.mark.fault(83)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_is_followed(status: int) -> None:
    """Customers' addresses and our keys go to the host in the settings and to no other."""
    strangers: list[str] = []

    async def stranger(request: web.Request) -> web.Response:
        strangers.append(request.path)
        return web.Response(text="{}")

    async with serving(stranger) as (elsewhere, _):
        handler = answering(status, Location=str(elsewhere.url("/orders")))
        async with serving(handler) as (endpoint, _):
            assert type(await failure(endpoint)) is EndpointError
    assert strangers == []


@pytest.mark.attack(32)
async def test_no_cookie_is_sent_back() -> None:
    """A cookie set by one response is not sent with the next call."""
    cookies: list[str | None] = []

    async def handler(request: web.Request) -> web.Response:
        cookies.append(request.headers.get("Cookie"))
        response = web.Response(text="{}")
        response.set_cookie("tracked", "yes")
        return response

    async with serving(handler) as (endpoint, _):
        named = endpoint.url("/").with_host("localhost")  # a jar takes no cookies from an address of numbers
        for _ in range(2):
            await endpoint.call("GET", named, effect=Effect.READ)
    assert cookies == [None, None]


@pytest.mark.attack(8)
async def test_no_proxy_is_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy in the environment gets none of our traffic."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
        monkeypatch.setenv(name.upper(), "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    async with serving(answering()) as (endpoint, _):
        assert (await endpoint.call("GET", "/", effect=Effect.READ)).status == 200


async def test_an_expected_status_is_an_answer() -> None:
    """A caller that expects a 404 gets it whole, and it counts as a success of the endpoint."""
    page = '{"n": 404}' + " " * 10_000
    async with serving(answering(404, page)) as (endpoint, _):
        answer = await endpoint.call("PATCH", "/", effect=Effect.WRITE, body=b"{}", expected={404})
        assert (answer.status, answer.body.decode()) == (404, page)
        assert endpoint.breaker.state == "closed"


@pytest.mark.fault(52, 53)
@pytest.mark.parametrize(
    "body", [b"", b"<html></html>", b'{"a": 1', b'{"a": "x"}', b"\xff\xfe{}", b'\xef\xbb\xbf{"a": 1}', b"[" * 100_000]
)
async def test_an_answer_that_is_not_what_is_documented(body: bytes) -> None:
    """A 200 alone proves nothing: a write is in doubt, a read is retried."""

    async def handler(request: web.Request) -> web.Response:
        return web.Response(body=body)

    async with serving(handler) as (endpoint, _):
        for effect, kind in ((Effect.WRITE, InDoubtError), (Effect.READ, TransientError)):
            answer = await endpoint.call("POST", "/", effect=effect, body=b"{}")
            with pytest.raises(kind):
                answer.decode(ANYTHING)


@pytest.mark.attack(24)
@pytest.mark.parametrize("status", [200, 301, 400, 401, 409, 422, 429, 500])
async def test_no_error_repeats_a_key(status: int) -> None:
    """Neither a server that echoes the request nor an exception of the client can put a key into our errors."""

    async def handler(request: web.Request) -> web.Response:
        said = "\n".join(f"{name}: {value}" for name, value in request.headers.items())
        return web.Response(status=status, text=f"{said}\n{SECRET}")

    async def fetch() -> tuple[str, float]:
        return BEARER, 3600.0

    async with serving(handler) as (endpoint, clock):
        endpoint.token = BearerToken(fetch, clock)
        with pytest.raises(ConnectorError) as caught:
            (await endpoint.call("POST", "/", effect=Effect.WRITE, body=b"{}")).decode(ANYTHING)
    printed = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    assert "vendor" in printed
    for secret in (KEY, SECRET, BEARER):
        assert secret not in printed


@pytest.mark.attack(24)
async def test_a_lost_answer_repeats_no_key() -> None:
    """The client's exceptions contain the request with its headers; ours contain none of it."""

    async def handler(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async with serving(handler) as (endpoint, _):
        error = await failure(endpoint)
    assert KEY not in "".join(traceback.format_exception(error))


async def test_closing_twice_is_harmless() -> None:
    """An endpoint may be closed before its first call, and again."""
    async with serving(answering()) as (endpoint, _):
        await endpoint.aclose()
        await endpoint.call("GET", "/", effect=Effect.READ)
        await endpoint.aclose()
