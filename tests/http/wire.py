"""Servers on loopback that misbehave below HTTP, byte by byte."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

__all__ = ["Session", "request", "said", "wire"]

Session = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def request(reader: asyncio.StreamReader) -> bytes:
    """Read one request, head and body, and return it."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = 0
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    return head + await reader.readexactly(length)


def said(*parts: bytes) -> Session:
    """Return a session that reads a request, sends `parts`, and closes."""

    async def session(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        for part in parts:
            writer.write(part)
            await writer.drain()

    return session


@asynccontextmanager
async def wire(
    session: Session, *, taken: socket.socket | None = None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[str]:
    """Serve `session` on every connection, on a free port or on `taken`; yield the base address."""
    running: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        try:
            await session(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client left, or the test is over
        finally:
            running.discard(task)
            writer.close()

    where: dict[str, Any] = {"sock": taken} if taken else {"host": "127.0.0.1", "port": 0}
    server = await asyncio.start_server(accept, ssl=tls, **where)
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in list(running):
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await server.wait_closed()
