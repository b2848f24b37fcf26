"""
The HTTP server for health and metrics.

::

    GET /health/live   /healthz    200 while the event loop turns
    GET /health/ready  /readyz     200, or 503 with the reasons (connector.web.health)
    GET /metrics                   for Prometheus (connector.web.metrics)

It only reads, and says nothing about orders; it has no password, and listens on loopback unless told otherwise.
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
from connector.web.health import Asker, paused, readiness
from connector.web.host_check import guard
from connector.web.metrics import Metrics, Tally

__all__ = ["serve"]

FINISH = 0.3
"""Seconds that an open request gets at shutdown. aiohttp waits up to twice as long, and a stop must not notice it."""
CLOSE = 0.9
"""Seconds after which closing is given up, whatever hangs."""
KEEP_ALIVE = 75.0
"""Seconds for which an idle connection is kept: longer than anything polls."""
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'",
}
METHODS = (hdrs.METH_GET, hdrs.METH_HEAD)


@asynccontextmanager
async def serve(connector: Connector, settings: ServerSettings) -> AsyncGenerator[str]:
    """
    Serve until the block is left; yield the base URL that is listened on.

    Enter it after the connector, and before `run`: it counts what happens from then on. Leaving it takes less than a
    second, whatever is still asked. Raises `SettingsError` when the address cannot be listened on. What the block
    raises is passed on as it is.
    """
    failure: Exception | None = None
    observer = connector.bus.observe()
    tally = Tally(connector.settings, connector.clock, observer)
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(tally.watch, name="count what happens")
            app = _app(connector, settings, tally, Asker(connector, tasks))
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=FINISH, keepalive_timeout=KEEP_ALIVE)
            try:
                yield await _listen(runner, settings)
            except Exception as exc:  # noqa: BLE001 - raised again below
                failure = exc  # a task group would wrap it up, and whoever waits for it would not know it again
            finally:
                with anyio.move_on_after(CLOSE, shield=True):
                    await runner.cleanup()
                tasks.cancel_scope.cancel()
    finally:
        connector.bus.forget(observer)
    if failure is not None:
        raise failure


async def _listen(runner: web.AppRunner, settings: ServerSettings) -> str:
    """Start to listen; return the base URL."""
    await runner.setup()
    try:
        await web.TCPSite(runner, settings.host, settings.port).start()
    except OSError as exc:
        why = os.strerror(exc.errno) if exc.errno and exc.errno > 0 else exc.strerror
        raise SettingsError([f"server: cannot listen on {settings.host}, port {settings.port}: {why}"]) from exc
    host, port = runner.addresses[0][:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def _dress(request: web.Request, response: web.StreamResponse) -> None:
    """Give every answer our headers, and take away the one that tells the versions of what we are built with."""
    response.headers.update(HEADERS)
    response.headers.pop(hdrs.SERVER, None)


def _app(connector: Connector, settings: ServerSettings, tally: Tally, journal: Asker) -> web.Application:
    metrics = Metrics(tally)
    registry = CollectorRegistry(auto_describe=True)
    registry.register(metrics)
    exposition = make_aiohttp_handler(registry, disable_compression=True)

    async def live(request: web.Request) -> web.Response:
        return _json(200, {"alive": True})

    async def ready(request: web.Request) -> web.Response:
        found = readiness(connector, tally, await journal.ages())
        return _json(200 if found.ready else 503, found)

    async def scrape(request: web.Request) -> web.StreamResponse:
        ages = await journal.ages()
        metrics.read(
            {**paused(connector.sources), **paused(connector.receivers, connector.distrusted)},
            ages,
            stalled=bool(connector.stalled),
        )
        return await exposition(request)

    app = web.Application(middlewares=[guard(settings.host, settings.names), _only_reads])
    app.on_response_prepare.append(_dress)
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
