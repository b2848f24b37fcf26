"""An endpoint that is connected to a test server over a real socket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from connector.errors import ConnectorError
from connector.http.endpoint import Effect, Endpoint
from connector.settings.model import EndpointSettings
from tests.http.manual_clock import Hands

__all__ = ["ANYTHING", "KEY", "SECRET", "Handler", "answering", "failure", "serving"]

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
KEY, SECRET = "k3y-of-the-tenant", "s3cret-of-the-client"
ANYTHING = msgspec.json.Decoder(dict[str, int])


@asynccontextmanager
async def serving(
    handler: Handler, *, concurrency: int = 8, clock: Hands | None = None
) -> AsyncIterator[tuple[Endpoint, Hands]]:
    """Serve `handler` at every path; yield an endpoint on it, and its clock."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    clock = clock or Hands()
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
    """Return a handler that always sends the same response."""

    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=status, text=text, headers=headers)

    return handler


async def failure(endpoint: Endpoint, effect: Effect = Effect.WRITE) -> ConnectorError:
    """Make one call that fails; return its error."""
    with pytest.raises(ConnectorError) as caught:
        await endpoint.call("POST", "/orders", effect=effect, body=b"{}")
    return caught.value
