"""
Makes calls to one endpoint under its whole policy; every failure becomes an error of errors.py.

An `Endpoint` owns the session, the timeouts, the size limit, the concurrency and rate limits, the breaker and the
renewal of the token. Vendor modules define requests and interpret responses, and contain no policy.
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
    is_lasting,
)
from connector.http import tls
from connector.http.attribution import KINDS, Attribution, Kind, Subject, names_no_culprit, subject
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
"""A host that does not accept a connection within ten seconds is down; nothing was sent, so nothing can be lost."""
ERROR_BYTES = 4096
"""The most bytes that are read of an error response: the status has decided already, and some bodies never end."""
OPEN_HEADERS = frozenset({"user-agent", "accept", "content-type", "webhook-id", "webhook-timestamp"})
SHORTEST_SECRET = 6
"""Header values shorter than this are codes, not keys; masking them would garble the vendor's texts."""


def segment(text: str) -> str:
    """Return `text` as one path segment: the id `../cancel` must not turn into the cancel route."""
    if text in {"", ".", ".."}:
        raise EndpointError(f"{text!r} cannot be an id in an address")
    return quote(text, safe="")


class Answer(msgspec.Struct, frozen=True):
    """A complete 2xx response."""

    status: int
    body: bytes
    what: str
    effect: Effect

    def decode(self, decoder: msgspec.json.Decoder[T]) -> T:
        """
        Decode the body.

        Raises:
            InDoubtError: the body of a write is not as documented; the call was applied, but it is unknown how.
            TransientError: the body of a read is not as documented.
        """
        try:
            return decoder.decode(self.body)
        except (ValueError, RecursionError) as exc:  # ValueError: msgspec's errors, and invalid UTF-8
            raise self.unusable(str(exc)) from None

    def unusable(self, why: str) -> ConnectorError:
        """Return the error for a response that does not contain the documented content."""
        text = f"{self.what}: {self.status}, but the response is not as the vendor documents ({why})"
        return InDoubtError(text) if self.effect is Effect.WRITE else TransientError(text, reached=True)


class Endpoint:
    """
    Calls to one vendor's address, under that endpoint's policy.

    `headers` are sent with every call; `token`, if set, adds `Authorization: Bearer`. `listen` is called with the
    breaker's state changes. `largest` limits the bytes of a response after decompression. `secrets` are texts, besides
    the values of the headers, that no error may repeat if the other side sends them back.
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
        self._rate_limiter = RateLimiter(settings.rate_limit, clock)
        self.listen: Callable[[BreakerState, str], None] = lambda _state, _reason: None
        self.breaker = Breaker(
            clock,
            first=float(settings.retry.first),
            longest=float(settings.retry.longest),
            listen=lambda state, reason: self.listen(state, reason),
        )
        self.attributions: Mapping[Kind, Attribution] = {
            kind: Attribution(clock, first=float(settings.retry.first), longest=float(settings.retry.longest))
            for kind in KINDS
        }
        """The evidence about calls that concern orders, by kind: who is at fault for the rejected ones."""
        self._taken = 0
        self._session: aiohttp.ClientSession | None = None

    @property
    def breakers(self) -> list[Breaker]:
        """All breakers that may pause the endpoint, or calls of one kind."""
        return [self.breaker, *(each.breaker for each in self.attributions.values())]

    @property
    def paused(self) -> bool:
        """True if any of its calls are paused or being probed."""
        return not self.takes(*self.attributions)

    def takes(self, *kinds: Kind) -> bool:
        """Return True if calls of all these kinds are let through."""
        return self.breaker.state == "closed" and all(
            self.attributions[kind].breaker.state == "closed" for kind in kinds
        )

    def remaining(self, *kinds: Kind) -> float:
        """Return the seconds of pause that are left for calls of these kinds; 0 when one may be tried."""
        return max(self.breaker.remaining, *(self.attributions[kind].breaker.remaining for kind in kinds))

    def rotate_secrets(self, headers: Mapping[str, str], secrets: Iterable[str]) -> None:
        """
        Use other credentials from the next call on; a pause because of the old ones ends.

        `headers` replace those of the same names. The old secrets stay masked, as errors may still repeat them.
        """
        self._headers |= headers
        self._secrets |= {form for each in {*secrets, *_keys(headers)} if each for form in spellings(each)}
        if self.token is not None:
            self.token.forget()
        for breaker in self.breakers:
            if breaker.hopeless:
                breaker.close()

    def url(self, path: str) -> URL:
        """
        Return the address of `path` (already encoded, see `segment`) below the base address, including the base's own
        path.
        """
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
        Make one call and return its response: 2xx, or one of the `expected` statuses.

        `judge` examines the response before it counts as a success of the endpoint, and may raise an error instead. A
        401 renews the token and repeats the call once, as it was not applied. A rejection that leaves open who is at
        fault (`UnattributedError`) pauses the endpoint at once, unless the call is about an order
        (`attribution.about`): then other orders decide. `authorized=False` is for the log-in: it is part of the call
        that needs the token, so it neither waits for the breaker nor reports to it.

        Raises:
            TransientError, AuthError, EndpointError, RejectedError: the call was not applied.
            InDoubtError: the result is unknown; only with `Effect.WRITE`.
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
        request = _Request(method, url, body, sent, effect, what, expected, authorized, about, self._attribution(about))
        if not authorized:
            return self._judge(request, await self._once(request))

        self._check_breakers(request)
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

    def _check_breakers(self, request: _Request) -> None:
        """Raise if the call has to wait; only a call that is made claims the probe of a half-open breaker."""
        own = None if request.attribution is None else request.attribution.breaker
        if self.breaker.state == "closed" and (own is None or own.state == "closed"):
            return
        if own is not None:
            self._pause(own.remaining, own)
        self._pause(self.breaker.wait())
        if own is not None:
            self._pause(own.wait(), own)

    def _failed(self, request: _Request, exc: ConnectorError, *, answered: bool) -> None:
        """Report a failure to the breakers; `answered` is False for a failed log-in, which concerns no order."""
        if isinstance(exc, RejectedError):
            self._passed(request)
        elif request.attribution is not None and request.subject is not None and answered and names_no_culprit(exc):
            self.breaker.succeeded(request.kind)
            request.attribution.refused(request.subject, request.method, exc, self._taken)
        elif isinstance(exc, TransientError) and exc.throttled:
            self.breaker.throttled(str(exc), request.kind, at_least=exc.retry_after)
        elif isinstance(exc, TransientError | InDoubtError | UnattributedError):
            demanded = exc.retry_after if isinstance(exc, TransientError) else None
            self.breaker.failed(str(exc), hopeless=is_lasting(exc), at_once=demanded is not None, at_least=demanded)

    def _passed(self, request: _Request) -> None:
        self._taken += 1
        self.breaker.succeeded("" if self.breaker.state == "closed" else request.kind)
        if request.attribution is not None and request.subject is not None:
            request.attribution.passed(request.subject, request.method)

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
            await self._rate_limiter.wait()  # last: waiting for a slot after it would add to the next window's calls
            if request.guarded:  # a breaker may have opened while this call waited
                own = () if request.attribution is None else (request.attribution.breaker,)
                for breaker in (self.breaker, *own):
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
        text = reply.body[:ERROR_BYTES].decode("utf-8", "replace")
        for secret in sorted(self._secrets | _keys(request.headers), key=len, reverse=True):
            text = text.replace(secret, "***")
        demanded = retry_after(reply.headers.get("Retry-After"), reply.headers.get("Date"), self._clock.now())
        raise from_status(reply.status, request.effect, request.what, text, demanded)

    def _attribution(self, about: Subject | None) -> Attribution | None:
        return None if about is None else self.attributions[about.kind]

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
                # The semaphore is the limit: a timeout while waiting in the pool would count as in doubt.
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
    attribution: Attribution | None

    @property
    def kind(self) -> str:
        """The key by which the breaker distinguishes kinds of calls."""
        return self.method if self.subject is None else f"{self.subject.kind} {self.subject.action} {self.method}"

    def takes(self, status: int) -> bool:
        return 200 <= status < 300 or status in self.expected


class _Reply(NamedTuple):
    status: int
    body: bytes
    headers: Mapping[str, str]


class _Paused(TransientError):
    """The breaker is open: no call was made, so the breaker learns nothing from it."""


class _TooLarge(Exception):
    """The response exceeds the size limit."""


def _keys(headers: Mapping[str, str]) -> set[str]:
    """Return the header values that may be keys, without the name of the scheme before them."""
    values = (value.rpartition(" ")[2] for name, value in headers.items() if name.lower() not in OPEN_HEADERS)
    return {value for value in values if len(value) >= SHORTEST_SECRET}
