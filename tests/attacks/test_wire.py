"""Responses made to exhaust memory, time or patience, over a real socket."""

from __future__ import annotations

import asyncio
import gzip
import time

import pytest

from connector.clock import SystemClock
from connector.errors import ConnectorError, InDoubtError
from connector.http.endpoint import Effect, Endpoint
from connector.settings.model import EndpointSettings
from connector.settings.values import Duration
from tests.http.wire import Session, request, said, wire


async def failure(session: Session, *, patience: float = 20) -> ConnectorError:
    """Make a write that fails; return its error."""
    async with wire(session) as base:
        settings = EndpointSettings(timeout=Duration(patience))
        endpoint = Endpoint("vendor", base, settings, SystemClock(), largest=1024 * 1024)
        try:
            with pytest.raises(ConnectorError) as caught:
                await endpoint.call("POST", "/orders", effect=Effect.WRITE, body=b"{}")
        finally:
            await endpoint.aclose()
    return caught.value


def packed(body: bytes, encoding: str = "gzip") -> Session:
    """Return a session that responds with `body`, compressed by `encoding`."""
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\nContent-Length: {len(body)}\r\n\r\n"
    return said(head.encode(), body)


@pytest.mark.attack(9)
@pytest.mark.fault(48)
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(gzip.compress(b"") * 100_000, id="a hundred thousand empty members"),
        pytest.param(gzip.compress(b"x") * 50_000, id="fifty thousand members of a byte"),
        pytest.param(gzip.compress(gzip.compress(bytes(64 * 1024 * 1024))), id="a bomb in a bomb"),
    ],
)
async def test_a_compressed_answer_costs_no_more_than_it_should(body: bytes) -> None:
    """However it is compressed, it is not a usable response, and it takes seconds at most."""
    started = time.process_time()
    outcome = await answer(packed(body))
    assert outcome is None or len(outcome) <= 1024 * 1024
    assert time.process_time() - started < 10


async def answer(session: Session) -> bytes | None:
    """Make a write; return the bytes of the response, or None if it is in doubt."""
    async with wire(session) as base:
        endpoint = Endpoint("vendor", base, EndpointSettings(), SystemClock(), largest=1024 * 1024)
        try:
            return (await endpoint.call("POST", "/orders", effect=Effect.WRITE, body=b"{}")).body
        except InDoubtError:
            return None
        finally:
            await endpoint.aclose()


@pytest.mark.attack(10)
@pytest.mark.fault(82)
async def test_headers_byte_by_byte() -> None:
    """Their time counts towards the timeout of the call."""

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nX-A: ")
        while True:
            writer.write(b"a")
            await writer.drain()
            await asyncio.sleep(0.01)

    assert type(await failure(drip, patience=0.2)) is InDoubtError


@pytest.mark.attack(11)
@pytest.mark.fault(81)
@pytest.mark.parametrize("status", [200, 400, 401])
async def test_a_bomb_of_headers_is_no_answer(status: int) -> None:
    """Not even its status counts: the client would call it a 400."""
    head = f"HTTP/1.1 {status} Here\r\n".encode() + b"".join(b"X-%d: y\r\n" % n for n in range(5000))
    assert type(await failure(said(head, b"\r\n"))) is InDoubtError


@pytest.mark.attack(23)
async def test_no_header_is_injected() -> None:
    """A value that would end a header and begin another is never sent, and nothing else is sent either."""
    heard: list[bytes] = []

    async def listening(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await request(reader))

    async with wire(listening) as base:
        endpoint = Endpoint("vendor", base, EndpointSettings(), SystemClock())
        try:
            with pytest.raises(ConnectorError):
                await endpoint.call(
                    "POST", "/orders", effect=Effect.WRITE, body=b"{}", headers={"webhook-id": "1\r\nX-Evil: yes"}
                )
        finally:
            await endpoint.aclose()
    assert [sent for sent in heard if b"X-Evil" in sent] == []
