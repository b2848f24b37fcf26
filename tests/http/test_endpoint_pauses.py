"""An endpoint is paused by its breaker, at its own request, and by its limits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from email.utils import format_datetime
from itertools import pairwise

import pytest
from aiohttp import web

from connector.errors import AuthError, InDoubtError, RejectedError, TransientError
from connector.http.attribution import about
from connector.http.endpoint import Answer, Effect, Endpoint
from tests.http.endpoints import Handler, answering, failure, serving
from tests.http.manual_clock import Hands


@pytest.mark.fault(46, 65)
async def test_a_throttled_endpoint_is_left_alone_for_as_long_as_it_asked() -> None:
    """After a 429 nothing is sent until the time has passed, then a single call."""
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
    """Calls that waited for a slot when the endpoint demanded a pause are not sent, and do not extend the pause."""
    calls = 0

    async def handler(request: web.Request) -> web.Response:
        nonlocal calls
        calls += 1
        return web.Response(status=429, headers={"Retry-After": "60"})

    async with serving(handler, concurrency=1) as (endpoint, clock):
        clock.tick = 0.001
        errors = await asyncio.gather(*(failure(endpoint) for _ in range(20)))
        assert calls == 1
        assert all(isinstance(error, TransientError) for error in errors)
        assert "429" in endpoint.breaker.reason
        assert "paused" not in endpoint.breaker.reason


async def test_rejected_orders_do_not_pause_the_endpoint() -> None:
    """A 400 is about the order: the endpoint works."""
    async with serving(answering(400)) as (endpoint, _):
        for _ in range(20):
            assert type(await failure(endpoint)) is RejectedError
    assert endpoint.breaker.state == "closed"


async def test_a_broken_endpoint_is_paused() -> None:
    """After five failures in a row nothing more is sent."""
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


@pytest.mark.fault(45, 61, 62)
@pytest.mark.parametrize("status", [401, 403, 404, 405, 301])
async def test_a_wrong_key_or_address_pauses_it_at_once(status: int) -> None:
    """No second order is spent on a fault that no retry fixes; the listener gets the reason."""
    heard: list[tuple[str, str]] = []
    async with serving(answering(status, "no such thing")) as (endpoint, _):
        endpoint.listen = lambda state, reason: heard.append((state, reason))
        error = await failure(endpoint)
    assert heard == [("open", str(error))]


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


@pytest.mark.fault(46)
@pytest.mark.parametrize(
    ("asked", "least", "most"),
    [("7", 7, 7), ("1000000000", 86_400, 86_400), ("soon", None, None), ("-5", None, None)],
)
async def test_retry_after_in_seconds(asked: str, least: float | None, most: float | None) -> None:
    """The error carries the demanded time, at most a day; invalid values are ignored."""
    async with serving(answering(429, **{"Retry-After": asked})) as (endpoint, _):
        error = await failure(endpoint)
    assert isinstance(error, TransientError)
    assert error.retry_after == least == most


@pytest.mark.fault(46)
@pytest.mark.parametrize("ahead", [timedelta(), timedelta(hours=1), timedelta(days=-1)])
async def test_retry_after_as_a_date(ahead: timedelta) -> None:
    """A date is converted to seconds from the time of the response, whatever our own clock shows."""

    async def handler(request: web.Request) -> web.Response:
        theirs = clock.now() + ahead
        dates = {"Date": theirs, "Retry-After": theirs + timedelta(seconds=90)}
        return web.Response(status=429, headers={name: format_datetime(at) for name, at in dates.items()})

    async with serving(handler) as (endpoint, clock):
        error = await failure(endpoint)
    assert isinstance(error, TransientError)
    assert error.retry_after == 90


async def test_a_caller_that_reads_a_refusal_out_of_an_answer_keeps_the_endpoint_paused() -> None:
    """An expected response that its caller judges to be a fault of the endpoint is no success: the pauses grow."""
    moves: list[str] = []

    def judge(answer: Answer) -> None:
        raise AuthError("Invalid WMS")

    async with serving(answering(400, "{}")) as (endpoint, clock):
        endpoint.listen = lambda state, _reason: moves.append(state)
        for _ in range(3):
            with pytest.raises(AuthError):
                await endpoint.call("POST", "/", effect=Effect.WRITE, body=b"{}", expected={400}, judge=judge)
            await clock.sleep(endpoint.breaker.remaining)

    assert moves == ["open", "half_open", "open", "half_open", "open"]
    assert endpoint.breaker.opened == 3


def alternating(clock: Hands, asked: list[tuple[str, float]], allowed: Callable[[], bool] = lambda: False) -> Handler:
    """Return a handler that answers reads, and throttles writes unless they are `allowed`; it records each call."""

    async def handler(request: web.Request) -> web.Response:
        asked.append((request.method, clock.at))
        return web.Response(status=200 if request.method == "GET" or allowed() else 429, text="{}")

    return handler


async def tried(endpoint: Endpoint, clock: Hands, name: str) -> bool:
    """Look an order up and create it as soon as the endpoint accepts calls; return True if it was created."""
    clock.at += endpoint.remaining("find", "create")
    with about("find", name):
        await endpoint.call("GET", "/orders", effect=Effect.READ)
    clock.at += endpoint.remaining("find", "create")
    try:
        with about("create", name):
            await endpoint.call("POST", "/orders", effect=Effect.WRITE, body=b"{}")
    except TransientError:
        return False
    return True


@pytest.mark.fault(134)
async def test_a_throttled_endpoint_waits_longer_each_time_whatever_lies_between() -> None:
    """
    For a 429 without `Retry-After` the wait doubles from `first` to `longest`,
    although look-ups in between succeed.
    """
    asked: list[tuple[str, float]] = []
    clock = Hands()
    async with serving(alternating(clock, asked), clock=clock) as (endpoint, _):
        for number in range(14):
            assert not await tried(endpoint, clock, f"shop-{number % 2}")
    times = [at for method, at in asked if method == "POST"]
    waits = [later - earlier for earlier, later in pairwise(times)]
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300, 300]
    assert len(asked) == 28


@pytest.mark.fault(134)
async def test_what_was_throttled_and_goes_through_ends_the_wait() -> None:
    """An accepted create shows that creates are accepted: the next 429 starts with the first wait again."""
    asked: list[tuple[str, float]] = []
    clock = Hands()
    taken = False
    async with serving(alternating(clock, asked, lambda: taken), clock=clock) as (endpoint, _):
        for _ in range(5):
            await tried(endpoint, clock, "shop-1")
        taken = True
        assert await tried(endpoint, clock, "shop-1")
        assert endpoint.breaker.state == "closed"
        taken = False
        await tried(endpoint, clock, "shop-2")
        assert endpoint.breaker.remaining == 1


@pytest.mark.fault(134)
async def test_a_throttled_endpoint_gets_one_call_at_a_time() -> None:
    """Until a create succeeds, look-ups are sent one after the other, and nothing beside them."""
    asked: list[tuple[str, float]] = []
    clock = Hands()
    async with serving(alternating(clock, asked), clock=clock) as (endpoint, _):
        await tried(endpoint, clock, "shop-1")
        clock.at += 1
        results = await asyncio.gather(
            *(endpoint.call("GET", "/orders", effect=Effect.READ) for _ in range(5)), return_exceptions=True
        )
        assert sum(isinstance(each, TransientError) for each in results) == 4
        assert endpoint.paused
        clock.at += 302
        await endpoint.call("GET", "/orders", effect=Effect.READ)
        assert not endpoint.paused, "long ago, it says nothing about now"
