"""
The HTTP server for health and metrics.

::

    GET /health/live   /healthz    200 while the event loop runs
    GET /health/ready  /readyz     200, or 503 with the reasons (connector.web.health)
    GET /metrics                   for Prometheus (connector.web.metrics)

The server is read-only and shows no data of orders. It has no password, and listens on loopback by default.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import msgspec
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler
from prometheus_client import CollectorRegistry
from prometheus_client.aiohttp import make_aiohttp_handler

from connector.app import Connector
from connector.errors import SettingsError
from connector.settings.model import ServerSettings
from connector.web.health import JournalProbe, paused, readiness
from connector.web.host_check import host_guard
from connector.web.metrics import EventCounters, Metrics

__all__ = ["serve"]

REQUEST_GRACE = 0.3
"""Seconds that an open request gets at shutdown. aiohttp waits up to twice as long, and must not delay a stop."""
CLOSE_TIMEOUT = 0.9
"""Seconds after which closing the server is given up."""
KEEP_ALIVE = 75.0
"""Seconds for which an idle connection is kept: longer than usual probe intervals."""
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'",
}
METHODS = (hdrs.METH_GET, hdrs.METH_HEAD)


@asynccontextmanager
async def serve(connector: Connector, settings: ServerSettings) -> AsyncGenerator[str]:
    """
    Serve until the block is left; yield the base URL.

    Enter it after the connector and before `run`, because it counts only events from then on. Leaving it takes less
    than a second, even with open requests. An exception of the block is raised unchanged.

    Raises: `SettingsError` if the server cannot listen on the address.
    """
    failure: Exception | None = None
    observer = connector.bus.observe()
    counters = EventCounters(connector.settings, connector.clock, observer)
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(counters.watch, name="count events")
            app = _app(connector, settings, counters, JournalProbe(connector, tasks))
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=REQUEST_GRACE, keepalive_timeout=KEEP_ALIVE)
            try:
                yield await _listen(runner, settings)
            except Exception as exc:  # noqa: BLE001 - raised again below
                failure = exc  # the task group would wrap it in a group, which the caller does not expect
            finally:
                with anyio.move_on_after(CLOSE_TIMEOUT, shield=True):
                    await runner.cleanup()
                tasks.cancel_scope.cancel()
    finally:
        connector.bus.forget(observer)
    if failure is not None:
        raise failure


async def _listen(runner: web.AppRunner, settings: ServerSettings) -> str:
    """Start listening; return the base URL."""
    await runner.setup()
    try:
        await web.TCPSite(runner, settings.host, settings.port).start()
    except OSError as exc:
        why = os.strerror(exc.errno) if exc.errno and exc.errno > 0 else exc.strerror
        raise SettingsError([f"server: cannot listen on {settings.host}, port {settings.port}: {why}"]) from exc
    host, port = runner.addresses[0][:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def _set_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Add the security headers to a response, and remove the header with the versions of Python and aiohttp."""
    response.headers.update(HEADERS)
    response.headers.pop(hdrs.SERVER, None)


def _app(
    connector: Connector, settings: ServerSettings, counters: EventCounters, journal: JournalProbe
) -> web.Application:
    metrics = Metrics(counters)
    registry = CollectorRegistry(auto_describe=True)
    registry.register(metrics)
    exposition = make_aiohttp_handler(registry, disable_compression=True)

    async def live(request: web.Request) -> web.Response:
        return _json(200, {"alive": True})

    async def ready(request: web.Request) -> web.Response:
        found = readiness(connector, counters, await journal.ages())
        return _json(200 if found.ready else 503, found)

    async def scrape(request: web.Request) -> web.StreamResponse:
        ages = await journal.ages()
        metrics.read(
            {**paused(connector.sources), **paused(connector.receivers, connector.distrusted)},
            ages,
            stalled=bool(connector.stalled),
        )
        return await exposition(request)

    app = web.Application(middlewares=[host_guard(settings.host, settings.names), _only_reads])
    app.on_response_prepare.append(_set_headers)
    for path, handler in {
        "/health/live": live,
        "/healthz": live,
        "/health/ready": ready,
        "/readyz": ready,
        "/metrics": scrape,
    }.items():
        app.router.add_get(path, handler)
    return app


@web.middleware
async def _only_reads(request: web.Request, handler: Handler) -> web.StreamResponse:
    if request.method not in METHODS:
        raise web.HTTPMethodNotAllowed(request.method, METHODS)
    return await handler(request)


def _json(status: int, content: Any) -> web.Response:
    return web.Response(status=status, body=msgspec.json.encode(content), content_type="application/json")
