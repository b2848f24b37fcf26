"""A bearer token that many calls share and one of them renews."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from connector.clock import Clock
from connector.errors import AuthError, ConnectorError, InDoubtError, RejectedError, TransientError

__all__ = ["BearerToken"]

EXPIRY_MARGIN = 300.0
"""Seconds before its expiry at which a token is renewed: the margin that Propeller's documentation suggests."""


class BearerToken:
    """
    A bearer token that is fetched once for all callers that wait for it.

    `fetch` returns the token and its lifetime in seconds. The token is renewed `EXPIRY_MARGIN` before its expiry (or at
    half of a shorter lifetime), and when the endpoint answers 401.
    """

    def __init__(self, fetch: Callable[[], Awaitable[tuple[str, float]]], clock: Clock) -> None:
        self._fetch = fetch
        self._clock = clock
        self._lock = asyncio.Lock()
        self._token = ""
        self._renew_at = 0.0
        self._failures = 0
        self._failure: ConnectorError | None = None

    async def get(self) -> str:
        """
        Return a valid token.

        Raises:
            AuthError, EndpointError, TransientError: the fetch failed; all callers that waited get the same error.
        """
        if self._good():
            return self._token
        failures = self._failures
        async with self._lock:
            if self._good():
                return self._token
            if self._failures > failures and self._failure is not None:
                # Fifty callers share one failed log-in, instead of fifty timeouts one after the other.
                raise self._failure.with_traceback(None)
            self._token = ""
            try:
                token, life = await self._fetch()
            except ConnectorError as exc:
                self._failures += 1
                self._failure = _not_sent(exc)
                raise self._failure from None
            self._renew_at = self._clock.monotonic() + max(life - EXPIRY_MARGIN, life / 2)
            self._token = token
            return token

    def drop(self, token: str) -> None:
        """Forget `token`, which was rejected; a newer token that another caller has fetched stays."""
        if self._token == token:
            self._token = ""

    def forget(self) -> None:
        """Forget the token and earlier failures, because the credentials have changed."""
        self._token = ""
        self._failure = None

    def _good(self) -> bool:
        return bool(self._token) and self._clock.monotonic() < self._renew_at


def _not_sent(exc: ConnectorError) -> ConnectorError:
    """
    Convert the error of a log-in to the error of the call that needed the token, which was never sent.

    A rejected log-in is about credentials and not about the order, and a lost one leaves no order in doubt.
    """
    if isinstance(exc, RejectedError):
        return AuthError(str(exc))
    if isinstance(exc, InDoubtError):
        return TransientError(str(exc))
    return exc
