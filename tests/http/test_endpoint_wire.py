"""Failed calls: the events on the wire and their meaning (each row of the table in faults.md 4.3)."""

from __future__ import annotations

import asyncio
import gzip
import socket
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from connector.clock import SystemClock
from connector.errors import ConnectorError, InDoubtError, TransientError
from connector.http import endpoint as http
from connector.http.endpoint import Effect, Endpoint
from connector.settings.model import EndpointSettings
from connector.settings.values import Duration
from tests.http.wire import Session, request, said, wire

SHORT, LONG = Duration(0.1), Duration(20)
BODY = b'{"order": 1}'
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@asynccontextmanager
async def endpoint(base: str, *, patience: Duration = LONG, concurrency: int = 8) -> AsyncIterator[Endpoint]:
    """Open an endpoint on `base`."""
    made = Endpoint(
        "vendor", base, EndpointSettings(timeout=patience, concurrency=concurrency), SystemClock(), largest=1024 * 1024
    )
    try:
        yield made
    finally:
        await made.aclose()


async def failure(base: str, effect: Effect, *, patience: Duration = LONG) -> type[ConnectorError]:
    """Make one call that fails; return the class of its error."""
    async with endpoint(base, patience=patience) as vendor:
        with pytest.raises(ConnectorError) as caught:
            await vendor.call("POST", "/orders", effect=effect, body=BODY)
    return type(caught.value)


async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read the request and never respond."""
    await request(reader)
    await asyncio.Event().wait()


async def hang_in_the_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send the head and half a body, and never finish."""
    await request(reader)
    writer.write(b'HTTP/1.1 201 Created\r\nContent-Length: 50\r\n\r\n{"id":')
    await asyncio.Event().wait()


async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send one byte of the body at a time, each well within any read timeout."""
    await request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.005)


async def flood_of_hints(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send "100 Continue" forever."""
    await request(reader)
    while True:
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(0.005)


async def close_unread(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Close the connection without reading."""


def abort(writer: asyncio.StreamWriter) -> None:
    """Reset the connection."""
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    writer.transport.abort()


async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Reset the connection after the request."""
    await request(reader)
    abort(writer)


async def reset_in_the_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Reset the connection in the middle of the response."""
    await request(reader)
    writer.write(b'HTTP/1.1 201 Created\r\nContent-Length: 50\r\n\r\n{"id":')
    await writer.drain()
    abort(writer)


LOST: dict[str, Session] = {
    "closed before reading": close_unread,
    "closed without an answer": said(),
    "reset": reset,
    "reset in the body": reset_in_the_body,
    "201 with half a body": said(b'HTTP/1.1 201 Created\r\nContent-Length: 50\r\n\r\n{"id":'),
    "a garbage status line": said(b"HTTP/1.1 two hundred\r\n\r\n"),
    "not HTTP at all": said(b"SSH-2.0-OpenSSH_9.6\r\n"),
    "half a head": said(b"HTTP/1.1 200 OK\r\nContent-Le"),
    "5,000 headers": said(b"HTTP/1.1 200 OK\r\n", *[b"X-%d: y\r\n" % n for n in range(5000)], b"\r\n"),
    "a header of a megabyte": said(b"HTTP/1.1 200 OK\r\nX-A: " + b"a" * 1_000_000 + b"\r\n\r\n"),
    "two lengths": said(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}"),
    "a negative length": said(b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n{}"),
    "a bad chunk": said(CHUNKED, b"zz\r\n{}\r\n"),
    "chunks that stop": said(CHUNKED, b"2\r\n{}\r\n"),
    "gzip that is none": said(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}"),
    "gzip that stops": said(
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 30\r\n\r\n", gzip.compress(b"{}" * 99)[:15]
    ),
    "a corrupt gzip": said(
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 40\r\n\r\n",
        gzip.compress(b"{}")[:10] + b"\xff" * 30,
    ),
    "400 with half a body": said(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 50\r\n\r\n{"),
}

TIMED_OUT: dict[str, Session] = {
    "no answer": hang,
    "a body that stalls": hang_in_the_body,
    "a body byte by byte": drip,
    "hints for ever": flood_of_hints,
}


@pytest.mark.attack(11)
@pytest.mark.fault(52, 80, 81)
@pytest.mark.parametrize("session", LOST.values(), ids=LOST)
async def test_a_lost_answer(session: Session) -> None:
    """After the request was sent, any failure leaves a write in doubt; a read is simply retried."""
    async with wire(session) as base:
        assert await failure(base, Effect.WRITE) is InDoubtError
        assert await failure(base, Effect.READ) is TransientError


@pytest.mark.attack(10)
@pytest.mark.fault(82, 84)
@pytest.mark.parametrize("session", TIMED_OUT.values(), ids=TIMED_OUT)
async def test_a_late_answer(session: Session) -> None:
    """A response that takes too long counts as lost, however busily it trickles."""
    async with wire(session) as base:
        assert await failure(base, Effect.WRITE, patience=SHORT) is InDoubtError
        assert await failure(base, Effect.READ, patience=SHORT) is TransientError


@pytest.mark.fault(78)
@pytest.mark.parametrize("effect", Effect)
async def test_a_refused_connection(effect: Effect) -> None:
    """If nothing listens, the request was not sent."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        base = f"http://127.0.0.1:{taken.getsockname()[1]}"
        assert await failure(base, effect) is TransientError


@pytest.mark.fault(78)
@pytest.mark.parametrize("effect", Effect)
async def test_a_failed_tls_handshake(effect: Effect) -> None:
    """If the other side does not speak TLS, the request was not sent."""

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with wire(plain) as base:
        assert await failure(base.replace("http:", "https:"), effect) is TransientError


@pytest.mark.fault(79)
@pytest.mark.parametrize("effect", Effect)
async def test_a_connection_that_is_not_accepted_in_time(effect: Effect, monkeypatch: pytest.MonkeyPatch) -> None:
    """If a host drops the first packet, the request was not sent, although the error is a timeout."""
    monkeypatch.setattr(http, "CONNECT_SECONDS", float(SHORT))
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for client in waiting:
            client.setblocking(False)
            client.connect_ex(full.getsockname())
        try:
            assert await failure(f"http://127.0.0.1:{full.getsockname()[1]}", effect) is TransientError
        finally:
            for client in waiting:
                client.close()


async def test_a_cancelled_call_frees_its_slot() -> None:
    """A cancellation propagates, and the next call gets the only slot."""
    hanging = asyncio.Event()
    calls = 0

    async def first_hangs(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal calls
        await request(reader)
        calls += 1
        if calls == 1:
            hanging.set()
            await asyncio.Event().wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    async with wire(first_hangs) as base, endpoint(base, concurrency=1) as vendor:
        call = asyncio.create_task(vendor.call("POST", "/", effect=Effect.WRITE, body=BODY))
        await hanging.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert (await vendor.call("POST", "/", effect=Effect.WRITE, body=BODY)).body == b"{}"


@pytest.mark.fault(80)
async def test_a_post_is_never_sent_twice() -> None:
    """The client may repeat a GET when a kept connection turns out dead; a write in doubt is sent only once."""
    heard: list[bytes] = []

    async def once_then_close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await request(reader))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        heard.append(await request(reader))

    async with wire(once_then_close) as base, endpoint(base) as vendor:
        await vendor.call("POST", "/", effect=Effect.WRITE, body=BODY)
        with pytest.raises(InDoubtError):
            await vendor.call("POST", "/", effect=Effect.WRITE, body=BODY)
    assert len(heard) == 2


def bomb(encoding: str, size: int) -> Session:
    """Return a session that sends `size` zeros, compressed."""
    zeros = bytes(size)
    packed = gzip.compress(zeros) if encoding == "gzip" else zlib.compress(zeros)
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\nContent-Length: {len(packed)}\r\n\r\n"
    return said(head.encode(), packed)


@pytest.mark.attack(9)
@pytest.mark.fault(48)
@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_a_decompression_bomb_is_not_unpacked(encoding: str) -> None:
    """64 MiB in 64 KiB: reading stops at the limit, which counts decompressed bytes."""
    async with wire(bomb(encoding, 64 * 1024 * 1024)) as base:
        assert await failure(base, Effect.WRITE) is InDoubtError
        assert await failure(base, Effect.READ) is TransientError


@pytest.mark.attack(10)
@pytest.mark.fault(48)
async def test_a_body_without_end_is_left_at_the_cap() -> None:
    """An endless response costs no more than the limit."""
    sent = 0

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(bytes(65536))
            await writer.drain()
            sent += 65536

    async with wire(endless) as base:
        assert await failure(base, Effect.WRITE) is InDoubtError
    assert sent < 64 * 1024 * 1024


async def test_an_error_without_end_counts_by_its_status() -> None:
    """The status of an error decides; its body is not awaited."""

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        writer.write(b"HTTP/1.1 422 Unprocessable\r\n\r\n")
        while True:
            writer.write(b"x" * 4096)
            await writer.drain()

    async with wire(endless) as base:
        assert (await failure(base, Effect.WRITE)).__name__ == "RejectedError"
