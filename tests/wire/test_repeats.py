"""A call is one request, although the HTTP client would repeat some by itself on a broken connection."""

from __future__ import annotations

import asyncio
import socket
import struct

import pytest

from connector.clock import SystemClock
from connector.errors import InDoubtError
from connector.http.endpoint import Effect, Endpoint
from connector.settings.model import EndpointSettings
from tests.http.wire import request, wire

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
METHODS = ("PUT", "DELETE", "PATCH", "POST", "GET", "HEAD", "OPTIONS")


class Breaking:
    """Answers the first request of each connection, reads the second, breaks the connection, and counts both."""

    def __init__(self, *, reset: bool) -> None:
        self.asked: list[str] = []
        self._reset = reset

    async def session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.asked.append((await request(reader)).split(b" ")[0].decode())
        writer.write(OK)
        await writer.drain()
        self.asked.append((await request(reader)).split(b" ")[0].decode())
        if self._reset:
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort() if self._reset else writer.close()


@pytest.mark.fault(132)
@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("method", METHODS)
async def test_a_write_is_sent_once_whatever_its_method(method: str, reset: bool) -> None:
    """A kept-alive connection breaks after a write was read: it is in doubt, and the server has read it once."""
    server = Breaking(reset=reset)
    async with wire(server.session) as base:
        endpoint = Endpoint("vendor", base, EndpointSettings(), SystemClock())
        try:
            await endpoint.call("GET", "/orders", effect=Effect.READ)
            with pytest.raises(InDoubtError, match=r"the response was lost \((ServerDisconnected|ClientOS)Error\)"):
                await endpoint.call(method, "/orders/1", effect=Effect.WRITE, body=b"{}")
        finally:
            await endpoint.aclose()
    assert ["GET", method] == server.asked


async def test_a_read_may_be_repeated() -> None:
    """Reading twice changes nothing: an idle connection that the server closed is not a failure of the endpoint."""
    server = Breaking(reset=False)
    async with wire(server.session) as base:
        endpoint = Endpoint("vendor", base, EndpointSettings(), SystemClock())
        try:
            await endpoint.call("GET", "/orders", effect=Effect.READ)
            assert (await endpoint.call("GET", "/orders", effect=Effect.READ)).status == 200
        finally:
            await endpoint.aclose()
    assert ["GET", "GET", "GET"] == server.asked
