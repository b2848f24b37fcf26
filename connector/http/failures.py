"""
Classifies failed calls: applied, not applied, or unknown (faults.md 4.3, measured with aiohttp 3.14).

This is the only place that decides. Failures that it does not list are in doubt: treating an unknown failure as a
rejection might be untrue, and treating it as a success would lose the order.
"""

from __future__ import annotations

from datetime import datetime
from email.utils import parsedate_to_datetime
from enum import Enum

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError

from connector.errors import (
    AuthError,
    ConnectorError,
    EndpointError,
    InDoubtError,
    RejectedError,
    TransientError,
    readable,
)
from connector.http.connection_errors import unreachable
from connector.http.reported_failure import is_page

__all__ = ["MAYBE_SENT", "NEVER_SENT", "Effect", "from_exception", "from_status", "retry_after"]


class Effect(Enum):
    """The effect of a call on the other side, which decides the meaning of a failure."""

    READ = "read"
    """Changes nothing: a missing response is transient."""
    WRITE = "write"
    """Changes something: a lost response is in doubt."""


NEVER_SENT: tuple[type[BaseException], ...] = (
    aiohttp.ClientConnectorError,  # refused, DNS, TLS: a subclass of ClientOSError, so it is checked first
    aiohttp.ConnectionTimeoutError,  # a subclass of ServerTimeoutError, likewise
    aiohttp.InvalidURL,
    aiohttp.NonHttpUrlClientError,
)
"""The exceptions that prove that no byte of the request was sent."""


MAYBE_SENT: tuple[type[Exception], ...] = (
    aiohttp.ClientError,
    HttpProcessingError,  # the parser's own, in case one is not wrapped
    OSError,  # includes every kind of TimeoutError
    ValueError,
)
"""All exceptions that the HTTP client raises for a call; those not in `NEVER_SENT` leave the result unknown."""


NOT_TAKEN = frozenset((404, 405, 406, 407, 410, 411, 412, 413, 414, 415, 416, 417, 421, 424, 426, 428, 431, 451, 501))
"""The statuses that reject a request as it is, besides those with a meaning of their own."""


def from_exception(exc: BaseException, effect: Effect, what: str) -> ConnectorError:
    """
    Convert an exception of the HTTP client to one of ours. Its text is
    dropped, as it may contain headers and keys.
    """
    kind = type(exc).__name__
    if isinstance(exc, NEVER_SENT):
        host, port = getattr(exc, "host", None), getattr(exc, "port", None)
        where = f" to {host}:{port}" if host and port else ""
        why = unreachable(exc)
        return TransientError(f"{what}: could not connect{where} ({kind}){why and f': {why}'}", lasting=bool(why))
    if effect is Effect.READ:
        return TransientError(f"{what}: no usable response ({kind})", reached=True)
    return InDoubtError(f"{what}: the response was lost ({kind})")


def from_status(status: int, effect: Effect, what: str, text: str, wait: float | None) -> ConnectorError:
    """Convert a status outside 2xx to one of our errors. `text` is the other side's message, already readable."""
    exc = _of_status(status, effect, what, text, wait)
    exc.status = status
    return exc


def _of_status(status: int, effect: Effect, what: str, text: str, wait: float | None) -> ConnectorError:
    message = f"{what}: {status}" + (f": {readable(text)}" if text else "")
    if status in (401, 403):
        return AuthError(message)
    if status == 429:
        return TransientError(message, retry_after=wait, throttled=True)
    if 300 <= status < 400 or status in NOT_TAKEN:
        return EndpointError(message)
    if status in (400, 409, 422) and is_page(text.encode()):
        # An API rejects a record in its own format. A page comes from a firewall or a proxy, which read no orders.
        return EndpointError(message)
    if status in (400, 422):
        return RejectedError(message)
    if status == 409:
        return RejectedError(message, duplicate=True) if effect is Effect.WRITE else TransientError(message)
    if effect is Effect.READ:
        return TransientError(message, retry_after=wait, reached=wait is None)
    return InDoubtError(message)


def retry_after(value: str | None, date: str | None, now: datetime) -> float | None:
    """
    Return the seconds that a `Retry-After` header demands, as a number or an HTTP date; None if it is invalid.

    A date is compared with the date of the response itself (its `Date` header), because the clocks may differ; without
    one it is compared with `now`.
    """
    if not value:
        return None
    if value.strip().isdecimal():
        return float(min(int(value.strip()[:12]), 86_400))
    if (at := _moment(value)) is None:
        return None
    sent_at = _moment(date) if date else None
    return min(max((at - (sent_at or now)).total_seconds(), 0.0), 86_400.0)


def _moment(value: str) -> datetime | None:
    try:
        at = parsedate_to_datetime(value)
    except (ValueError, OverflowError, TypeError, IndexError):  # the last three for malformed texts
        return None
    return None if at.tzinfo is None else at
