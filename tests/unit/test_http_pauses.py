"""When an endpoint is left alone: by its breaker, by its own wish, by its limits."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from email.utils import format_datetime

import pytest
from aiohttp import web

from connector.errors import AuthError, InDoubtError, RejectedError, TransientError
from connector.http import Answer, Effect
from tests.unit.endpoints import answering, failure, serving


@pytest.mark.fault(46, 65)
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

    async with serving(handler, concurrency=1) as (endpoint, clock):
        clock.tick = 0.001
        errors = await asyncio.gather(*(failure(endpoint) for _ in range(20)))
        assert calls == 1
        assert all(isinstance(error, TransientError) for error in errors)
        assert "429" in endpoint.breaker.reason
        assert "paused" not in endpoint.breaker.reason


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


@pytest.mark.fault(45, 61, 62)
@pytest.mark.parametrize("status", [401, 403, 404, 405, 301])
async def test_a_wrong_key_or_address_pauses_it_at_once(status: int) -> None:
    """No second order is spent on what no repetition cures; whoever listens hears why."""
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
    """The error carries what the endpoint asked for, at most a day; nonsense counts as nothing."""
    async with serving(answering(429, **{"Retry-After": asked})) as (endpoint, _):
        error = await failure(endpoint)
    assert isinstance(error, TransientError)
    assert error.retry_after == least == most


@pytest.mark.fault(46)
@pytest.mark.parametrize("ahead", [timedelta(), timedelta(hours=1), timedelta(days=-1)])
async def test_retry_after_as_a_date(ahead: timedelta) -> None:
    """A date is turned into seconds from the time of the answer, whatever our own clock shows."""

    async def handler(request: web.Request) -> web.Response:
        theirs = clock.now() + ahead
        dates = {"Date": theirs, "Retry-After": theirs + timedelta(seconds=90)}
        return web.Response(status=429, headers={name: format_datetime(at) for name, at in dates.items()})

    async with serving(handler) as (endpoint, clock):
        error = await failure(endpoint)
    assert isinstance(error, TransientError)
    assert error.retry_after == 90


async def test_a_caller_that_reads_a_refusal_out_of_an_answer_keeps_the_endpoint_paused() -> None:
    """An expected answer that its caller judges to be a fault of the endpoint is no success: the pauses grow."""
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
