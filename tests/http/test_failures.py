"""The meaning of a failed call: the table that decides (faults.md 4.3)."""

from __future__ import annotations

import importlib
import pkgutil
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.errors import (
    AuthError,
    ConnectorError,
    EndpointError,
    InDoubtError,
    RejectedError,
    TransientError,
)
from connector.http.failures import MAYBE_SENT, NEVER_SENT, Effect, from_exception, from_status, retry_after

NOW = datetime(2026, 3, 24, 10, 0, tzinfo=UTC)

SENT_OR_NOT = """
    ClientConnectionError ClientConnectionResetError ClientError ClientOSError ClientPayloadError ClientResponseError
    ContentTypeError ServerConnectionError ServerDisconnectedError ServerFingerprintMismatch ServerTimeoutError
    SocketTimeoutError TooManyRedirects RedirectClientError WSServerHandshakeError ClientHttpProxyError
    UploadAbortedError TooManyMembersError
    HttpProcessingError BadHttpMessage BadHttpMethod BadStatusLine ContentEncodingError ContentLengthError
    DecompressSizeError HttpBadRequest InvalidHeader InvalidURLError LineTooLong PayloadEncodingError
    TransferEncodingError
""".split()  # noqa: SIM905 - a table of words
"""Exceptions after which it is unknown if the request was applied. After a write they are in doubt."""

UNSENT = """
    ClientConnectorError ClientConnectorDNSError ClientConnectorSSLError ClientConnectorCertificateError
    ClientProxyConnectionError ClientSSLError UnixClientConnectorError ConnectionTimeoutError InvalidURL
    InvalidUrlClientError InvalidUrlRedirectClientError NonHttpUrlClientError NonHttpUrlRedirectClientError
""".split()  # noqa: SIM905 - a table of words
"""Exceptions that prove that nothing was sent. (The two about redirects cannot occur: redirects are not followed.)"""

NO_CALL_RAISES = """
    WSMessageTypeError WebSocketError WSHandshakeError EofStream LookupError BadContentDispositionHeader
    BadContentDispositionParam
""".split()  # noqa: SIM905 - a table of words
"""Websockets, multipart reading, the payload registry, and the end of the stream, which `readany` returns as b''."""

SERVER_SIDE = ("aiohttp.web", "aiohttp.test_utils", "aiohttp.pytest_plugin", "aiohttp.worker")


def exceptions() -> dict[str, type[BaseException]]:
    """Return every exception class that the HTTP client's own modules define."""
    found: dict[str, type[BaseException]] = {}
    for module in pkgutil.walk_packages(aiohttp.__path__, "aiohttp."):
        if module.name.startswith(SERVER_SIDE):
            continue
        for thing in vars(importlib.import_module(module.name)).values():
            if isinstance(thing, type) and issubclass(thing, BaseException):
                home = thing.__module__
                if home.startswith("aiohttp.") and not home.startswith(SERVER_SIDE):
                    found[thing.__name__] = thing
    return found


def test_every_exception_of_the_client_is_in_the_table() -> None:
    """A release that adds an exception fails here until its meaning is decided."""
    assert set(exceptions()) == {*SENT_OR_NOT, *UNSENT, *NO_CALL_RAISES}


@pytest.mark.parametrize("name", [*SENT_OR_NOT, *UNSENT])
def test_the_table_is_what_the_code_does(name: str) -> None:
    """
    Exceptions that prove that nothing was sent are transient; all others are in doubt after a write, transient after a
    read.
    """
    kind = exceptions()[name]
    exc = kind.__new__(kind)  # their constructors want live connections; only the class decides

    assert issubclass(kind, MAYBE_SENT)
    assert issubclass(kind, NEVER_SENT) == (name in UNSENT)
    expected = TransientError if name in UNSENT else InDoubtError
    assert type(from_exception(exc, Effect.WRITE, "call")) is expected
    assert type(from_exception(exc, Effect.READ, "call")) is TransientError


@pytest.mark.parametrize("exc", [TimeoutError(), ConnectionResetError(), ValueError(), OSError(), UnicodeError()])
def test_an_exception_of_python_is_in_doubt_after_a_write(exc: Exception) -> None:
    """A bare timeout does not prove that nothing was sent."""
    assert isinstance(exc, MAYBE_SENT)
    assert type(from_exception(exc, Effect.WRITE, "call")) is InDoubtError
    assert type(from_exception(exc, Effect.READ, "call")) is TransientError


@pytest.mark.attack(24)
def test_the_text_of_an_exception_is_dropped() -> None:
    """The client's messages contain request headers and addresses."""
    assert "hunter2" not in str(from_exception(ValueError("Bearer hunter2"), Effect.WRITE, "call"))


STATUSES: list[tuple[int, type[ConnectorError], type[ConnectorError]]] = [
    (300, EndpointError, EndpointError),
    (301, EndpointError, EndpointError),
    (302, EndpointError, EndpointError),
    (303, EndpointError, EndpointError),
    (307, EndpointError, EndpointError),
    (308, EndpointError, EndpointError),
    (400, RejectedError, RejectedError),
    (401, AuthError, AuthError),
    (402, InDoubtError, TransientError),
    (403, AuthError, AuthError),
    (404, EndpointError, EndpointError),
    (405, EndpointError, EndpointError),
    (406, EndpointError, EndpointError),
    (407, EndpointError, EndpointError),
    (408, InDoubtError, TransientError),
    (409, RejectedError, TransientError),
    (410, EndpointError, EndpointError),
    (411, EndpointError, EndpointError),
    (413, EndpointError, EndpointError),
    (414, EndpointError, EndpointError),
    (415, EndpointError, EndpointError),
    (418, InDoubtError, TransientError),
    (422, RejectedError, RejectedError),
    (425, InDoubtError, TransientError),
    (429, TransientError, TransientError),
    (431, EndpointError, EndpointError),
    (500, InDoubtError, TransientError),
    (501, EndpointError, EndpointError),
    (502, InDoubtError, TransientError),
    (503, InDoubtError, TransientError),
    (504, InDoubtError, TransientError),
    (599, InDoubtError, TransientError),
]


@pytest.mark.fault(61, 62, 63, 64, 65, 66, 83)
@pytest.mark.parametrize(("status", "write", "read"), STATUSES)
def test_what_a_status_means(status: int, write: type[ConnectorError], read: type[ConnectorError]) -> None:
    """Each status has one meaning after a write and one after a read; unlisted ones are in doubt after a write."""
    assert type(from_status(status, Effect.WRITE, "call", "", None)) is write
    assert type(from_status(status, Effect.READ, "call", "", None)) is read


@pytest.mark.parametrize("status", [400, 409, 422])
@pytest.mark.parametrize("effect", Effect)
def test_a_page_is_no_refusal_of_the_record(status: int, effect: Effect) -> None:
    """A page comes from a firewall or a proxy, and is no statement about the order."""
    page = "<!DOCTYPE html><html><body>The request was blocked</body></html>"
    assert type(from_status(status, effect, "call", page, None)) is EndpointError
    assert type(from_status(422, effect, "call", "<error>the postal code is wrong</error>", None)) is RejectedError


def test_a_conflict_says_that_there_is_such_a_record() -> None:
    """A 409 after a write makes the caller look the record up."""
    error = from_status(409, Effect.WRITE, "call", "", None)
    assert isinstance(error, RejectedError)
    assert error.duplicate


@pytest.mark.attack(16)
@pytest.mark.fault(86)
def test_what_the_other_side_said_is_one_short_line() -> None:
    """A page of HTML with line breaks and escapes becomes one printable line that cannot fill a log."""
    text = str(from_status(500, Effect.WRITE, "call", "a\r\n2026 ERROR paid\x1b[31m\u202e" + "x" * 100_000, None))
    assert text.isprintable()
    assert len(text) < 600
    assert "a 2026 ERROR paid" in text


@pytest.mark.fault(46)
@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("0", 0.0),
        ("1000000000", 86_400.0),
        ("9" * 10_000, 86_400.0),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("Tue, 24 Mar 2026 10:01:30 GMT", 90.0),
        ("Tue, 24 Mar 2026 09:00:00 GMT", 0.0),
        ("Tue, 24 Mar 2099 10:00:00 GMT", 86_400.0),
        ("Tue, 24 Mar 2026 12:01:30 +0200", 90.0),
        ("Tue, 24 Mar 2026 10:01:30 -0000", None),
        ("Tue, 99 Mar 2026 10:01:30 GMT", None),
    ],
)
def test_retry_after(value: str | None, seconds: float | None) -> None:
    """Seconds or a date, never negative, at most a day; invalid values are ignored."""
    assert retry_after(value, None, NOW) == seconds


@pytest.mark.fault(46, 121)
@pytest.mark.parametrize(
    ("date", "seconds"),
    [
        ("Tue, 24 Mar 2026 10:01:00 GMT", 30.0),
        ("Wed, 25 Mar 2026 10:01:00 GMT", 0.0),
        ("Tue, 24 Mar 2026 09:01:30 GMT", 3600.0),
        ("", 90.0),
        ("yesterday", 90.0),
        ("Tue, 24 Mar 2026 10:01:00 -0000", 90.0),
    ],
)
def test_retry_after_goes_by_the_clock_of_whoever_asks(date: str, seconds: float) -> None:
    """A date is compared with the time of the response if it has one, as our clock may be hours off."""
    assert retry_after("Tue, 24 Mar 2026 10:01:30 GMT", date, NOW) == seconds


DATES = st.one_of(st.text(), st.datetimes().map(str), st.from_regex(r"\w{3}, \d+ Mar \d+ \d+:\d+:\d+ [+-]?\d{0,9}"))


@given(DATES, DATES)
def test_no_retry_after_does_harm(value: str, date: str) -> None:
    """For any header, the result is None or at most a day."""
    found = retry_after(value, date, NOW)
    assert found is None or 0 <= found <= timedelta(days=1).total_seconds()
