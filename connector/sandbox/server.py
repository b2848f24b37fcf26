"""
The base of all stand-in vendors: an HTTP application, a record of its requests, and faults on demand.

A vendor implements one synchronous function from request to response, so a request is applied completely or not at
all, even if the client disconnects.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Any

import anyio
import msgspec
from aiohttp import web

__all__ = ["Call", "Fault", "StandIn", "decode", "encode", "reply", "serving", "system_now"]

LARGEST_BODY = 64 * 1024 * 1024
SHUTDOWN_SECONDS = 1.0

encode = msgspec.json.Encoder(decimal_format="number").encode
"""Encode to JSON; a `Decimal` becomes a number with the same digits."""


def _exact(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent of twenty digits; it is no ValueError, as a decoder's errors are
        raise ValueError("a number out of range") from None


decode = msgspec.json.Decoder(float_hook=_exact).decode
"""Decode JSON; a number with a fraction becomes a `Decimal` with the same digits."""


def system_now() -> datetime:
    """Return the machine's clock, in UTC."""
    return datetime.now(UTC)


def reply(status: int, content: Any) -> web.Response:
    """Return `content` as a JSON response."""
    return web.Response(status=status, body=encode(content), content_type="application/json")


class Fault(Enum):
    """A fault of one request."""

    LOSE_REQUEST = "not applied, and the connection closes without a response"
    LOSE_ANSWER = "applied, but the connection closes without a response"
    SERVER_ERROR = "500, not applied"
    SERVER_ERROR_APPLIED = "500, although applied"
    THROTTLE = "429 with Retry-After: 1, not applied"
    UNAUTHORIZED = "401, not applied"
    HTML = "200 with an HTML page, not applied"
    EMPTY = "applied, with a 2xx response and an empty body"
    HANG = "not applied, and no response until the client disconnects"
    REDIRECT = "307 to another host, not applied"


@dataclass(slots=True)
class Call:
    """
    One request that reached the vendor, recorded once its body is complete.

    - `path`: as sent, percent-encoded.
    - `status`: the status of the response, or 0 without one.
    - `applied`: the vendor carried out the request, whether or not the client received the 2xx response.
    - `headers` and `body` are not in the repr, because they contain credentials.
    """

    method: str
    path: str
    query: list[tuple[str, str]]
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    status: int = 0
    applied: bool = False


@dataclass(slots=True)
class _Planned:
    fault: Fault
    times: int
    on: Callable[[web.Request], bool] | None


class StandIn(ABC):
    """
    A vendor with faults on demand.

    - `history`: every request in the order of arrival.
    - `redirect_to`: the host to which `Fault.REDIRECT` redirects.
    - `list_lag`: the seconds by which lists of orders lag behind acknowledgements.
    - `unmoved`: by order id as text, the number of next acknowledgements that succeed without an effect.
    - `unmoved_answer`: the body of the response to such an acknowledgement, for vendors without a documented one.
    """

    def __init__(self, now: Callable[[], datetime] = system_now) -> None:
        self.now = now
        self.history: list[Call] = []
        self.redirect_to = "http://elsewhere.invalid"
        self.list_lag = 0.0
        self.unmoved: Counter[str] = Counter()
        self.unmoved_answer: Any = {}
        self.app = web.Application(client_max_size=LARGEST_BODY)
        self.app.router.add_route("*", "/{path:.*}", self._serve)
        self.app.on_startup.append(self._open)
        self.app.on_shutdown.append(self._close)
        self._planned: list[_Planned] = []
        self._closing = asyncio.Event()

    @abstractmethod
    def answer(self, request: web.Request, body: bytes) -> web.Response:
        """Carry out one request and return the vendor's response, in one synchronous step."""

    @abstractmethod
    def unauthorized(self) -> web.Response:
        """Return the vendor's 401 response to an invalid token."""

    def fault(self, fault: Fault, *, times: int = 1, on: Callable[[web.Request], bool] | None = None) -> None:
        """
        Apply `fault` to the next `times` requests, or to the next ones that `on` selects.

        Faults queue: a request gets the oldest fault that applies to it. Without `on` a fault applies to any request,
        including requests for a token.
        """
        self._planned.append(_Planned(fault, times, on))

    def moves(self, order_id: str) -> bool:
        """Return whether an acknowledgement of an order has an effect; if not, count it down in `unmoved`."""
        if self.unmoved[order_id] <= 0:
            return True
        self.unmoved[order_id] -= 1
        return False

    def shows(self, at: datetime | None) -> bool:
        """Return whether lists show an acknowledgement of the time `at` by now."""
        return at is None or self.now() - at >= timedelta(seconds=self.list_lag)

    async def _serve(self, request: web.Request) -> web.Response:
        body = await request.read()
        call = Call(
            request.method,
            request.rel_url.raw_path,
            list(request.query.items()),
            {name.lower(): value for name, value in request.headers.items()},
            body,
        )
        self.history.append(call)
        fault = self._due(request) if self._planned else None
        if fault is Fault.HANG:
            await self._closing.wait()
        response = self._applied(call, request) if fault is None else self._faulty(fault, call, request)
        if response is None:
            return _hang_up(request)
        call.status = response.status
        return response

    def _due(self, request: web.Request) -> Fault | None:
        for planned in self._planned:
            if planned.on is None or planned.on(request):
                planned.times -= 1
                if planned.times <= 0:
                    self._planned.remove(planned)
                return planned.fault
        return None

    def _applied(self, call: Call, request: web.Request) -> web.Response:
        response = self.answer(request, call.body)
        call.applied = 200 <= response.status < 300
        return response

    def _faulty(self, fault: Fault, call: Call, request: web.Request) -> web.Response | None:
        """Return the response to a request with `fault`; None closes the connection."""
        if fault in (Fault.LOSE_ANSWER, Fault.SERVER_ERROR_APPLIED, Fault.EMPTY):
            response = self._applied(call, request)
            if fault is Fault.LOSE_ANSWER:
                return None
            if fault is Fault.EMPTY:
                return web.Response(status=response.status) if call.applied else response
            return _server_error()
        if fault is Fault.SERVER_ERROR:
            return _server_error()
        if fault is Fault.THROTTLE:
            throttled = reply(429, {"message": "Too Many Requests"})
            throttled.headers["Retry-After"] = "1"
            return throttled
        if fault is Fault.UNAUTHORIZED:
            return self.unauthorized()
        if fault is Fault.HTML:
            page = "<!DOCTYPE html><html><head><title>Sign in</title></head><body>Sign in to go on.</body></html>"
            return web.Response(text=page, content_type="text/html")
        if fault is Fault.REDIRECT:
            return web.Response(status=307, headers={"Location": self.redirect_to + request.raw_path})
        return None

    async def _open(self, _app: web.Application) -> None:
        self._closing.clear()

    async def _close(self, _app: web.Application) -> None:
        self._closing.set()


def _server_error() -> web.Response:
    return web.Response(status=500, text="Internal Server Error")


def _hang_up(request: web.Request) -> web.Response:
    """Drop the TCP connection; the returned response is not sent."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


@asynccontextmanager
async def serving(standin: StandIn, *, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """
    Serve `standin` and yield its base URL; port 0 selects a free port.

    Leaving the block ends hanging requests. The stand-in can be served again in the same event loop, like a vendor
    that was down for a while.
    """
    runner = web.AppRunner(
        standin.app, access_log=None, handler_cancellation=True, shutdown_timeout=SHUTDOWN_SECONDS, handle_signals=False
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        yield f"http://{host}:{runner.addresses[0][1]}"
    finally:
        with anyio.CancelScope(shield=True):
            await runner.cleanup()
