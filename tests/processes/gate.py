"""A gate before a stand-in vendor: something can be done at an exact moment of an exact request, before its answer."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from aiohttp import web

from connector.sandbox.server import StandIn

__all__ = ["Call", "Gate", "Moment", "Trap"]

Call = Literal["feed", "create", "look-up", "tell", "ask", "log in", "other"]
"""The connector's purpose of a request; "ask" reads back if a source has an acknowledgement."""

Moment = Literal["asked", "applied", "half answered", "passing"]
"""
Before anything is done; when it is done, before the first byte of the answer; when half of the answer is out. After
these no more is answered. In passing: when it is asked, and it is carried out and answered as if nothing were.
"""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

CALLS: tuple[tuple[str, str, Call], ...] = (
    ("POST", r"/oauth2/token|/wms/auth/(login|refresh)/", "log in"),
    ("POST", r"/v2/orders/search", "feed"),
    ("PATCH", r"/v2/orders/id/\d+", "tell"),
    ("GET", r"/v10/orders/export", "feed"),
    ("POST", r"/v10/orders/mark-as-exported", "tell"),
    ("GET", r"/api/v1/orders/export", "feed"),
    ("POST", r"/api/v1/orders/export/status", "tell"),
    ("GET", r"/api/v2/orders/\d+/external-updates", "ask"),
    ("POST", r"/wms/orders/", "create"),
    ("GET", r"/wms/orders/", "look-up"),
)


@dataclass
class Trap:
    """Calls `then` at `moment` of the request that is the `number`th `call` from now on."""

    call: Call | Literal["any"]
    moment: Moment
    then: Callable[[], None]
    number: int = 1


class Gate:
    """
    Stands before every stand-in that it is put before. `witness` sees each request before anything is done.

    `trap` is the action for some moment, and `losing` the number of creates whose answer is lost on the way.
    """

    def __init__(
        self, witness: Callable[[web.Request, Call, bytes], None] = lambda _request, _call, _body: None
    ) -> None:
        self.trap: Trap | None = None
        self.losing = 0
        self._witness = witness

    def put_before(self, standin: StandIn) -> None:
        """Let every request to `standin` pass here."""

        @web.middleware
        async def passing(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self._pass(request, handler)

        standin.app.middlewares.append(passing)

    async def _pass(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        call = _call(request)
        body = await request.read()
        trap = self._sprung(call)
        if trap is not None and trap.moment == "asked":
            await _close_on(trap)
        if trap is not None and trap.moment == "passing":
            trap.then()
            trap = None
        self._witness(request, call, body)
        response = await handler(request)
        if trap is not None:
            if trap.moment == "half answered":
                _send_half(request, response)
            await _close_on(trap)
        if call == "create" and self.losing and request.transport is not None:
            self.losing -= 1
            request.transport.abort()
        return response

    def _sprung(self, call: Call) -> Trap | None:
        trap = self.trap
        if trap is None or trap.call not in (call, "any"):
            return None
        trap.number -= 1
        if trap.number:
            return None
        self.trap = None
        return trap


def _call(request: web.Request) -> Call:
    for method, path, call in CALLS:
        if request.method == method and re.fullmatch(path, request.path):
            return call
    return "other"


def _send_half(request: web.Request, response: web.StreamResponse) -> None:
    assert isinstance(response, web.Response)
    assert isinstance(response.body, bytes)
    assert request.transport is not None
    head = f"HTTP/1.1 {response.status} OK\r\nContent-Type: application/json\r\nContent-Length: {len(response.body)}"
    request.transport.write(f"{head}\r\n\r\n".encode() + response.body[: len(response.body) // 2])


async def _close_on(trap: Trap) -> None:
    """Do the action of the trap, and answer nothing; the end of the client, or of the server, ends this."""
    trap.then()
    await asyncio.Event().wait()
