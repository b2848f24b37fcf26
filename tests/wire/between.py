"""A raw server between the connector and a stand-in: the first creates fail, everything else is forwarded."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from tests.http.wire import request, wire

__all__ = ["Between", "Forward", "Mishap", "is_create"]

Forward = Callable[[], Awaitable[bytes]]
"""Forwards the request to the stand-in and returns its response, byte for byte."""

Mishap = Callable[[asyncio.StreamWriter, Forward], Awaitable[None]]
"""Takes the place of the response to a create."""


def is_create(head: bytes) -> bool:
    """Return True if a request creates an order in the warehouse."""
    return head.startswith(b"POST /wms/orders/ ")


class Between:
    """
    Forwards to the server at `there`, except for the first creates, whose response is `mishap`.

    The connection is closed after a mishap. `times` is the number of creates that fail; `asked` lists the first line of
    every request in order.
    """

    def __init__(self, there: str, mishap: Mishap | None = None, *, times: int = 1) -> None:
        self.asked: list[str] = []
        self._there = urlsplit(there)
        self._mishap = mishap
        self._times = times

    @asynccontextmanager
    async def serving(
        self, *, taken: socket.socket | None = None, tls: ssl.SSLContext | None = None
    ) -> AsyncIterator[str]:
        """Serve on a free port, or on `taken`; yield the address."""
        async with wire(self._session, taken=taken, tls=tls) as base:
            yield base

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            content = await request(reader)
            self.asked.append(content.split(b"\r\n", 1)[0].decode())
            if self._mishap is not None and self._times > 0 and is_create(content):
                self._times -= 1

                async def forward(content: bytes = content) -> bytes:
                    return await self.forward(content)

                await self._mishap(writer, forward)
                return
            writer.write(await self.forward(content))
            await writer.drain()

    async def forward(self, content: bytes) -> bytes:
        """Forward a request; return the response."""
        reader, writer = await asyncio.open_connection(self._there.hostname, self._there.port)
        try:
            writer.write(content)
            return await request(reader)  # an answer has the same shape
        finally:
            writer.close()
