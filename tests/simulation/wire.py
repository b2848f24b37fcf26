"""The network of one process: takes the place of its HTTP session, hands requests to the vendors, and loses some."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from email.utils import format_datetime
from functools import partial
from random import Random
from types import TracebackType
from typing import Any
from urllib.parse import urlencode

import aiohttp
import msgspec
from yarl import URL

from tests.simulation.faults import NOTHING, T_APPLY, Fault, Faults
from tests.simulation.store import Process
from tests.simulation.vendors.base import Request
from tests.simulation.world import Call, World

__all__ = ["Session"]

PAGE = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>Sign in to go on.</body></html>"
REFUSED_AT_THE_DOOR = frozenset({"unauthorized"})


class Response:
    """As much of an `aiohttp.ClientResponse` as `Endpoint` looks at."""

    def __init__(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.status = status
        self.headers = headers
        self.content = self
        self._left = body

    async def readany(self) -> bytes:
        """Return all of the body, then nothing."""
        body, self._left = self._left, b""
        return body

    async def read(self) -> bytes:
        """Return all of the body."""
        return await self.readany()


class Session:
    """Takes the place of an `aiohttp.ClientSession` in the endpoint called `name`."""

    def __init__(
        self, name: str, process: Process, number: int, world: World, faults: Faults, chance: Random, timeout: float
    ) -> None:
        self.name = name
        self.process = process
        self.number = number
        self.world = world
        self.faults = faults
        self.chance = chance
        self.timeout = timeout

    def request(
        self,
        method: str,
        url: URL,
        *,
        data: bytes | None = None,
        headers: Any = None,
        allow_redirects: bool = True,
        middlewares: Sequence[Any] = (),
    ) -> _Exchange:
        """Make a call; see `aiohttp.ClientSession.request`."""
        assert not allow_redirects, "a redirect must not be followed"
        return _Exchange(self, Request(method, url, headers or {}, data or b""))

    async def close(self) -> None:
        """Close nothing."""


class _Exchange:
    """One request, and its answer."""

    def __init__(self, session: Session, request: Request) -> None:
        self._session = session
        self._request = request
        self._loop = asyncio.get_running_loop()
        self._heard: asyncio.Future[Response] = self._loop.create_future()
        self._late: Callable[[], object] | None = None

    async def __aenter__(self) -> Response:
        own = self._session
        if not own.process.alive:
            raise aiohttp.ClientConnectionError("the process is dead")
        world, chance = own.world, own.chance
        call = world.begin(own.name, self._request, own.number)
        point = call.act.kind
        if own.process.passes(f"{point}:before"):
            call.close("killed", world.time.now)
            if chance.random() < 0.5:  # the request is on its way all the same
                call.doubtful = True
                world.time.after(chance.uniform(0, T_APPLY), partial(self._arrive, call, False))
            else:
                call.doubtful = False
            await self._heard
        fault = own.faults.draw(own.name, world.time.now, point)
        fault = world.firewall.draw(world, own.name, call.act, own.number) or fault
        world.befalls(call, fault)
        hear = fault.wait * own.timeout if fault.wait else chance.uniform(0.002, 0.08)
        if fault.wait == 1.0:
            hear = own.timeout
        if fault.late:
            self._late = partial(world.time.after, chance.uniform(0.1, T_APPLY), partial(self._arrive, call, False))
            own.process.ends.append(self._leave)
            world.time.after(hear, self._leave)
            world.time.after(hear, partial(self._answer, call, fault, None))
        elif fault.applied:
            world.time.after(chance.uniform(0.0, 1.0) * hear, partial(self._arrive, call, True, fault, hear))
        else:
            world.time.after(hear, partial(self._answer, call, fault, None))
        try:
            return await self._heard
        except asyncio.CancelledError:
            call.close("cancelled", world.time.now)
            self._leave()
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        """Nothing to release."""

    def _leave(self) -> None:
        """The connection ends; a late request is carried out within `T_APPLY` from then on (faults.md 4.5, A1)."""
        late, self._late = self._late, None
        if late is not None:
            late()

    def _arrive(self, call: Call, answered: bool, fault: Fault = NOTHING, hear: float = 0.0) -> None:
        """Let the vendor carry the request out; its sender may be dead by now."""
        own = self._session
        response = own.world.carry_out(call, self._request)
        if call.spared and fault.spoil:
            fault = NOTHING  # no 2xx without its body names the orders that it leaves out
        if not answered or own.process.passes(f"{call.act.kind}:applied"):
            return
        own.world.time.at(max(call.begun + hear, own.world.time.now), partial(self._answer, call, fault, response))

    def _answer(self, call: Call, fault: Fault, response: Any) -> None:
        own = self._session
        if self._heard.done() or not own.process.alive:
            return
        if own.process.passes(f"{call.act.kind}:after"):
            return
        now = own.world.time.now
        if fault.error is not None:
            call.close(fault.name, now, doubtful=not fault.sure)
            self._heard.set_exception(fault.error(self._request))
            return
        if fault.status or response is None:
            answer = self._of_fault(fault)
        else:
            body = bytes(response.body or b"")
            answer = Response(response.status, fault.spoil(body) if fault.spoil else body, dict(response.headers))
        own.world.firewall.answered(own.world, own.name, call.act, answer.status)
        sure = fault.name in ("nothing", "slow") or (400 <= answer.status < 500 and answer.status != 408) or fault.sure
        call.close(f"{fault.name} {answer.status}", now, doubtful=not sure)
        self._heard.set_result(answer)

    def _of_fault(self, fault: Fault) -> Response:
        own = self._session
        if fault.status == 200:
            return Response(200, fault.body or PAGE, {"Content-Type": "text/html"})
        if fault.name == "unauthorized":
            vendor = own.world.vendors[own.name]
            vendor.expire()
            refused = vendor.refuse()
            return Response(refused.status, bytes(refused.body or b""), {})  # type: ignore[arg-type]
        headers = {}
        if fault.status in (429, 503) and fault.name != "rate limit" and (form := own.chance.randrange(3)):
            seconds = own.chance.randrange(1, 20)
            at = own.world.moment() + timedelta(seconds=seconds)
            headers["Date"] = format_datetime(own.world.moment(), usegmt=True)
            headers["Retry-After"] = str(seconds) if form == 1 else format_datetime(at, usegmt=True)
        if 300 <= fault.status < 400:
            headers["Location"] = "http://elsewhere.invalid/"
        return Response(fault.status, fault.body or self._complaint(), headers)

    def _complaint(self) -> bytes:
        """The body of an error: often a page for a developer over there, which repeats the request."""
        headers, body = dict(self._request.headers), self._request.body.decode()
        form = self._session.chance.randrange(5)
        if form == 0:
            return msgspec.json.encode({"error": "failed", "headers": headers, "body": body})
        if form == 1:
            return urlencode({**headers, "body": body}).encode()
        if form == 2:
            return f"Exception: request {headers!r}".encode()
        return body.encode() if form == 3 else b"fault"
