"""
One call to one endpoint, with the whole policy around it: every failure becomes one of errors.py.

An `Endpoint` owns the session, the timeouts, the size cap, the concurrency and rate limits, the breaker and the
renewal of a token. Vendor files say what to send and what an answer means, and hold none of this.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar
from urllib.parse import quote

import aiohttp
import msgspec
from yarl import URL

from connector.clock import Clock
from connector.errors import (
    ConnectorError,
    EndpointError,
    InDoubtError,
    RejectedError,
    TransientError,
    UnattributedError,
    lasts,
)
from connector.http import tls
from connector.http.attribution import KINDS, Attribution, Kind, Subject, subject, uncertain
from connector.http.breaker import Breaker, BreakerState
from connector.http.failures import MAYBE_SENT, Effect, from_exception, from_status, retry_after
from connector.http.rate_limit import RateLimiter
from connector.http.send_once import REPEATED, ConnectionBroken, send_once
from connector.http.token import BearerToken
from connector.settings.model import EndpointSettings
from connector.settings.values import spellings

__all__ = ["Answer", "BearerToken", "Effect", "Endpoint", "segment"]

T = TypeVar("T")

MIB = 1024 * 1024
USER_AGENT = "connector/0.1"
CONNECT_SECONDS = 10.0
"""A host that does not accept a connection in ten seconds is down; nothing was sent, so there is nothing to lose."""
ERROR_BYTES = 4096
"""How much of an error's body is read: the status has said enough, and some bodies never end."""
OPEN_HEADERS = frozenset({"user-agent", "accept", "content-type", "webhook-id", "webhook-timestamp"})
SHORTEST_SECRET = 6
"""Header values shorter than this are codes, not keys; hiding them would garble the vendor's texts."""


def segment(text: str) -> str:
    """Return `text` as one path segment: an id of `../cancel` must stay an id (the cancel route is one step away)."""
    if text in {"", ".", ".."}:
        raise EndpointError(f"{text!r} cannot be an id in an address")
    return quote(text, safe="")


class Answer(msgspec.Struct, frozen=True):
    """A 2xx answer, whole."""

    status: int
    body: bytes
    what: str
    effect: Effect

    def decode(self, decoder: msgspec.json.Decoder[T]) -> T:
        """
        Decode the body.

        A body that is not what the vendor documents raises `InDoubtError` after a write (it was taken, we know not
        how) and `TransientError` after a read.
        """
        try:
            return decoder.decode(self.body)
        except (ValueError, RecursionError) as exc:  # ValueError: msgspec's errors, and invalid UTF-8
            raise self.unusable(str(exc)) from None

    def unusable(self, why: str) -> ConnectorError:
        """Return the error for an answer that does not say what it should."""
        said = f"{self.what}: {self.status}, but the answer is not what the vendor documents ({why})"
        return InDoubtError(said) if self.effect is Effect.WRITE else TransientError(said, reached=True)


class Endpoint:
    """
    Calls to one vendor's address, under that endpoint's policy.

    `headers` go with every call; `token`, if set, adds `Authorization: Bearer`. `listen` hears of the breaker.
    `largest` caps an answer's bytes after decompression. `secrets` are texts that no error may repeat, beyond the
    values of the headers, should the other side send them back.
    """

    def __init__(
        self,
        name: str,
        base_url: str,
        settings: EndpointSettings,
        clock: Clock,
        *,
        headers: Mapping[str, str] | None = None,
        secrets: Iterable[str] = (),
        largest: int = 32 * MIB,
    ) -> None:
        self.name = name
        self.token: BearerToken | None = None
        self._base_url = base_url.rstrip("/")
        self._clock = clock
        self._largest = largest
        self._secrets = {form for each in {*secrets, *_keys(headers or {})} if each for form in spellings(each)}
        self._headers = {"User-Agent": USER_AGENT, "Accept": "application/json", **(headers or {})}
        seconds = float(settings.timeout)
        self._timeout = aiohttp.ClientTimeout(
            total=seconds,
            connect=min(seconds, CONNECT_SECONDS),
            sock_connect=min(seconds, CONNECT_SECONDS),
            sock_read=seconds,
        )
        self._ca_file = settings.ca_file
        self._slots = asyncio.Semaphore(settings.concurrency)
        self._pace = RateLimiter(settings.rate_limit, clock)
        self.listen: Callable[[BreakerState, str], None] = lambda _state, _reason: None
        self.breaker = Breaker(
            clock,
            first=float(settings.retry.first),
            longest=float(settings.retry.longest),
            listen=lambda state, reason: self.listen(state, reason),
        )
        self.blames: Mapping[Kind, Attribution] = {
            kind: Attribution(clock, first=float(settings.retry.first), longest=float(settings.retry.longest))
            for kind in KINDS
        }
        """Which calls about orders it refuses, and whose fault that is."""
        self._taken = 0
        self._session: aiohttp.ClientSession | None = None

    @property
    def breakers(self) -> list[Breaker]:
        """All that may pause it, or calls of one kind."""
        return [self.breaker, *(blame.breaker for blame in self.blames.values())]

    @property
    def paused(self) -> bool:
        """Whether any of its calls are paused, or being tried again."""
        return not self.takes(*self.blames)

    def takes(self, *kinds: Kind) -> bool:
        """Tell whether calls of all these kinds go through, as far as is known."""
        return self.breaker.state == "closed" and all(self.blames[kind].breaker.state == "closed" for kind in kinds)

    def remaining(self, *kinds: Kind) -> float:
        """Return the seconds of pause that are left for calls of these kinds; 0 when one may be tried."""
        return max(self.breaker.remaining, *(self.blames[kind].breaker.remaining for kind in kinds))

    def rotate_secrets(self, headers: Mapping[str, str], secrets: Iterable[str]) -> None:
        """
        Send other credentials from the next call on; a pause for the old ones ends.

        `headers` take the place of those of the same names. The old secrets stay hidden: errors may still repeat them.
        """
        self._headers |= headers
        self._secrets |= {form for each in {*secrets, *_keys(headers)} if each for form in spellings(each)}
        if self.token is not None:
            self.token.forget()
        for breaker in self.breakers:
            if breaker.hopeless:
                breaker.close()

    def url(self, path: str) -> URL:
        """Return the address of `path` (already encoded, see `segment`) below the base address, whose path is kept."""
        return URL(self._base_url + path, encoded=True)

    async def call(
        self,
        method: str,
        path: str | URL,
        *,
        effect: Effect,
        query: Sequence[tuple[str, str]] | None = None,
        body: bytes | None = None,
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
        authorized: bool = True,
        expected: Container[int] = (),
        judge: Callable[[Answer], None] | None = None,
    ) -> Answer:
        """
        Make one call and return its answer: 2xx, or one of the `expected` statuses.

        `judge` looks at the answer before it counts as a success of the endpoint, and raises what it means if it
        means something else.

        Raises `TransientError` (not applied), `AuthError`, `EndpointError`, `RejectedError` (not applied) or
        `InDoubtError` (unknown; only with `Effect.WRITE`). A 401 renews the token and repeats the call once: it
        was not applied. A refusal that names no culprit (`UnattributedError`) pauses the endpoint at once, unless the
        call is about an order (`blame.about`): then the other orders tell whose fault it is. `authorized=False` is for
        the log-in: it is a part of the call that needs the token, so it neither asks the breaker nor reports to it.
        """
        url = path if isinstance(path, URL) else self.url(path)
        if query:
            url = url.with_query(query)
        sent = dict(self._headers)
        if body is not None:
            sent["Content-Type"] = content_type
        if headers:
            sent.update(headers)
        what = f"{self.name}: {method} {url.raw_path}"
        about = subject() if authorized else None
        request = _Request(method, url, body, sent, effect, what, expected, authorized, about, self._blame(about))
        if not authorized:
            return self._judge(request, await self._once(request))

        self._ask_leave(request)
        reply = None
        try:
            reply = await self._authorized(request)
            answer = self._judge(request, reply)
            if judge is not None:
                judge(answer)
        except _Paused:
            raise
        except ConnectorError as exc:
            self._failed(request, exc, answered=reply is not None)
            raise
        self._passed(request)
        return answer

    def _ask_leave(self, request: _Request) -> None:
        """Raise if the call has to wait; the turn of a half-open breaker is taken only by a call that is made."""
        own = None if request.blame is None else request.blame.breaker
        if self.breaker.state == "closed" and (own is None or own.state == "closed"):
            return
        if own is not None:
            self._pause(own.remaining, own)
        self._pause(self.breaker.wait())
        if own is not None:
            self._pause(own.wait(), own)

    def _failed(self, request: _Request, exc: ConnectorError, *, answered: bool) -> None:
        """Let the breakers know; `answered` is false for a failed log-in, which is about no order."""
        if isinstance(exc, RejectedError):
            self._passed(request)
        elif request.blame is not None and request.subject is not None and answered and uncertain(exc):
            self.breaker.succeeded(request.kind)
            request.blame.refused(request.subject, request.method, exc, self._taken)
        elif isinstance(exc, TransientError) and exc.throttled:
            self.breaker.throttled(str(exc), request.kind, at_least=exc.retry_after)
        elif isinstance(exc, TransientError | InDoubtError | UnattributedError):
            asked = exc.retry_after if isinstance(exc, TransientError) else None
            self.breaker.failed(str(exc), hopeless=lasts(exc), at_once=asked is not None, at_least=asked)

    def _passed(self, request: _Request) -> None:
        self._taken += 1
        self.breaker.succeeded("" if self.breaker.state == "closed" else request.kind)
        if request.blame is not None and request.subject is not None:
            request.blame.passed(request.subject, request.method)

    async def _authorized(self, request: _Request) -> _Reply:
        if self.token is None:
            return await self._once(request)
        token = await self.token.get()
        request.headers["Authorization"] = f"Bearer {token}"
        reply = await self._once(request)
        if reply.status != 401 or request.takes(401):
            return reply
        self.token.drop(token)
        request.headers["Authorization"] = f"Bearer {await self.token.get()}"
        return await self._once(request)

    async def _once(self, request: _Request) -> _Reply:
        async with self._slots:
            await self._pace.wait()  # last: who waited for a slot after it would leave with those of the next minute
            if request.guarded:  # what opened while this call waited for its turn
                for breaker in (self.breaker, *([request.blame.breaker] if request.blame is not None else ())):
                    if breaker.state == "open":
                        self._pause(breaker.wait(), breaker)
            try:
                async with self._opened().request(
                    request.method,
                    request.url,
                    data=request.body,
                    headers=request.headers,
                    allow_redirects=False,
                    middlewares=(send_once,) if request.effect is Effect.WRITE and request.method in REPEATED else (),
                ) as response:
                    text = await self._read(response, whole=request.takes(response.status))
                    return _Reply(response.status, text, response.headers)
            except MAYBE_SENT as exc:
                cause = exc.__cause__ if isinstance(exc, ConnectionBroken) else None
                raise from_exception(cause or exc, request.effect, request.what) from None
            except _TooLarge:
                unread = Answer(response.status, b"", request.what, request.effect)
                raise unread.unusable(f"more than {self._largest} bytes") from None

    def _judge(self, request: _Request, reply: _Reply) -> Answer:
        if request.takes(reply.status):
            return Answer(reply.status, reply.body, request.what, request.effect)
        said = reply.body[:ERROR_BYTES].decode("utf-8", "replace")
        for secret in sorted(self._secrets | _keys(request.headers), key=len, reverse=True):
            said = said.replace(secret, "***")
        asked = retry_after(reply.headers.get("Retry-After"), reply.headers.get("Date"), self._clock.now())
        raise from_status(reply.status, request.effect, request.what, said, asked)

    def _blame(self, about: Subject | None) -> Attribution | None:
        return None if about is None else self.blames[about.kind]

    def _pause(self, wait: float, breaker: Breaker | None = None) -> None:
        if wait > 0:
            reason = (breaker or self.breaker).reason
            raise _Paused(f"{self.name} is paused: {reason}", retry_after=wait)

    async def _read(self, response: aiohttp.ClientResponse, *, whole: bool) -> bytes:
        chunks: list[bytes] = []
        size = 0
        while chunk := await response.content.readany():
            chunks.append(chunk)
            size += len(chunk)
            if not whole and size >= ERROR_BYTES:
                break
            if size > self._largest:
                raise _TooLarge
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                # The semaphore is the limit; waiting in the pool is in doubt.
                connector=aiohttp.TCPConnector(limit=0, ssl=tls.context_for(self._ca_file)),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=self._timeout,
                trust_env=False,
                raise_for_status=False,
            )
        return self._session

    async def aclose(self) -> None:
        """Close the session. Idempotent."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()


class _Request(NamedTuple):
    method: str
    url: URL
    body: bytes | None
    headers: dict[str, str]
    effect: Effect
    what: str
    expected: Container[int]
    guarded: bool
    subject: Subject | None
    blame: Attribution | None

    @property
    def kind(self) -> str:
        """What the breaker tells calls apart by."""
        return self.method if self.subject is None else f"{self.subject.kind} {self.subject.action} {self.method}"

    def takes(self, status: int) -> bool:
        return 200 <= status < 300 or status in self.expected


class _Reply(NamedTuple):
    status: int
    body: bytes
    headers: Mapping[str, str]


class _Paused(TransientError):
    """The breaker said no: nothing was tried, and so the breaker learns nothing from it."""


class _TooLarge(Exception):
    """The answer is larger than we read."""


def _keys(headers: Mapping[str, str]) -> set[str]:
    """Return the header values that may be keys, without the scheme's name before them."""
    values = (value.rpartition(" ")[2] for name, value in headers.items() if name.lower() not in OPEN_HEADERS)
    return {value for value in values if len(value) >= SHORTEST_SECRET}
