"""The limit on calls per time."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from connector.clock import SystemClock
from connector.http.endpoint import Effect, Endpoint
from connector.http.rate_limit import RateLimiter
from connector.settings.model import EndpointSettings
from connector.settings.values import Rate
from tests.http.manual_clock import Hands

RATES = ["60/min", "1/s", "2/s", "5/s", "1000/hour", "7/min", "1/min"]


@pytest.mark.fault(122)
@pytest.mark.looptime
@pytest.mark.parametrize("rate", RATES)
async def test_no_window_holds_more_calls_than_the_rate(rate: str) -> None:
    """In any window of the rate's length, however the calls arrive: in bursts, after pauses, one by one."""
    allowed = Rate.parse(rate)
    pace = RateLimiter(allowed, SystemClock())
    loop = asyncio.get_running_loop()
    times: list[float] = []

    async def call() -> None:
        await pace.wait()
        times.append(loop.time())

    for pause in (0.0, 2.5, 0.5, 0.1, 1.0):
        await asyncio.sleep(pause * allowed.seconds)
        await asyncio.gather(*(call() for _ in range(2 * allowed.calls)))
        for _ in range(allowed.calls // 2):
            await asyncio.sleep(allowed.seconds / allowed.calls / 3)
            await call()

    for first, later in zip(times, times[allowed.calls :], strict=False):
        assert later - first >= allowed.seconds * (1 - 1e-5)


@pytest.mark.fault(122)
@pytest.mark.looptime
@pytest.mark.parametrize("rate", RATES)
async def test_the_rate_is_used_up(rate: str) -> None:
    """A backlog is sent at the full rate, not at half of it."""
    allowed = Rate.parse(rate)
    pace = RateLimiter(allowed, SystemClock())
    loop = asyncio.get_running_loop()
    start = loop.time()
    await asyncio.gather(*(pace.wait() for _ in range(10 * allowed.calls)))
    assert loop.time() - start <= 11.2 * allowed.seconds


@pytest.mark.looptime
async def test_a_cancelled_caller_uses_nothing_up() -> None:
    """Only callers that made their call count."""
    pace = RateLimiter(Rate.parse("1/min"), SystemClock())
    loop = asyncio.get_running_loop()
    await pace.wait()
    start = loop.time()
    waiting = [asyncio.create_task(pace.wait()) for _ in range(5)]
    await asyncio.sleep(30)
    for task in waiting[:4]:
        task.cancel()
    await waiting[4]
    assert loop.time() - start == pytest.approx(60, abs=0.1)


async def test_without_a_rate_nobody_waits() -> None:
    """Without a limit nothing waits."""
    clock = Hands()
    before = clock.monotonic()
    pace = RateLimiter(None, clock)
    for _ in range(1000):
        await pace.wait()
    assert clock.monotonic() == before


async def test_an_endpoint_keeps_its_pace() -> None:
    """Every request of an endpoint counts, by its injected clock."""

    async def handler(request: web.Request) -> web.Response:
        return web.Response(text="{}")

    app = web.Application()
    app.router.add_get("/", handler)
    clock = Hands()
    before = clock.monotonic()
    async with TestServer(app) as server:
        endpoint = Endpoint("vendor", str(server.make_url("")), EndpointSettings(rate_limit=Rate.parse("2/min")), clock)
        for _ in range(5):
            await endpoint.call("GET", "/", effect=Effect.READ)
        await endpoint.aclose()
    assert clock.monotonic() - before == pytest.approx(120)
