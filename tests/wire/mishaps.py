"""The mishaps: every row of the table in faults.md 4.3 that a response, or its absence, can cause."""

from __future__ import annotations

import asyncio
import socket
from typing import NamedTuple

from tests.wire.between import Forward, Mishap

__all__ = ["JSON", "LOST", "REFUSED", "Row", "answer", "applied", "said"]

SHORT = "300ms"


class Row(NamedTuple):
    """
    A mishap, the cases of the catalogue that it covers, and the timeout that it needs.

    `applied`: the warehouse has executed the create before.
    """

    mishap: Mishap
    cases: tuple[int, ...]
    timeout: str = "20s"


def answer(status: str, body: bytes = b"", *headers: str) -> bytes:
    """Return a complete response."""
    head = "\r\n".join([f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "Connection: close"])
    return f"{head}\r\n\r\n".encode() + body


def said(*parts: bytes) -> Mishap:
    """Send these bytes in place of the response, and close."""

    async def mishap(writer: asyncio.StreamWriter, _forward: Forward) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()

    return mishap


async def reset(writer: asyncio.StreamWriter, _forward: Forward) -> None:
    """Reset the connection."""
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    writer.transport.abort()


async def reset_in_the_body(writer: asyncio.StreamWriter, forward: Forward) -> None:
    """Reset the connection in the middle of the response."""
    await said(HALF)(writer, forward)
    await reset(writer, forward)


async def nothing(_writer: asyncio.StreamWriter, _forward: Forward) -> None:
    """Send nothing, and keep the connection open."""
    await asyncio.Event().wait()


def then_for_ever(head: bytes, part: bytes) -> Mishap:
    """Send `head`, and then `part` forever, each time well within any read timeout."""

    async def mishap(writer: asyncio.StreamWriter, _forward: Forward) -> None:
        writer.write(head)
        while True:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0.005)

    return mishap


async def stalls(writer: asyncio.StreamWriter, _forward: Forward) -> None:
    """Send half of a response, and never the rest."""
    writer.write(HALF)
    await asyncio.Event().wait()


HALF = b'HTTP/1.1 201 Created\r\nContent-Length: 50\r\n\r\n{"id":'
PAGE = b"<!DOCTYPE html><html><body>Sign in to go on.</body></html>"
JSON = "Content-Type: application/json"

LOST: dict[str, Row] = {
    "closed": Row(said(), (80,)),
    "reset": Row(reset, (80,)),
    "reset in the answer": Row(reset_in_the_body, (81,)),
    "half a head": Row(said(b"HTTP/1.1 201 Created\r\nContent-Le"), (81,)),
    "a garbage status line": Row(said(b"HTTP/1.1 two hundred\r\n\r\n"), (81,)),
    "not HTTP": Row(said(b"SSH-2.0-OpenSSH_9.6\r\n"), (81,)),
    "5,000 headers": Row(
        said(b"HTTP/1.1 201 Created\r\n", *[b"X-%d: y\r\n" % number for number in range(5000)], b"\r\n"), (81,)
    ),
    "no answer": Row(nothing, (67, 68), SHORT),
    "an answer that stalls": Row(stalls, (82,), SHORT),
    "an answer byte by byte": Row(
        then_for_ever(b"HTTP/1.1 201 Created\r\nContent-Length: 99999\r\n\r\n", b" "), (82,), SHORT
    ),
    "hints for ever": Row(then_for_ever(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), (84,), SHORT),
    "201, half of the body": Row(said(HALF), (52,)),
    "201, an empty body": Row(said(answer("201 Created")), (52,)),
    "201, no JSON": Row(said(answer("201 Created", b"created", JSON)), (52,)),
    "204": Row(said(answer("204 No Content")), (52,)),
    "200, a page": Row(said(answer("200 OK", PAGE, "Content-Type: text/html")), (53,)),
    "202": Row(said(answer("202 Accepted", b'{"id": "1"}', JSON)), (55,)),
    "201, a number for an id": Row(said(answer("201 Created", b'{"id": 5}', JSON)), (85,)),
    "201, null for an id": Row(said(answer("201 Created", b'{"id": null, "external_id": null}', JSON)), (85,)),
    "201, a list": Row(said(answer("201 Created", b"[]", JSON)), (85,)),
    "201, no external id": Row(said(answer("201 Created", b'{"id": "a"}', JSON)), (85,)),
    "201, invalid UTF-8": Row(said(answer("201 Created", b'{"id": "\xff"}', JSON)), (85,)),
    "201, nested too deep": Row(said(answer("201 Created", b"[" * 100_000, JSON)), (85,)),
    "402": Row(said(answer("402 Payment Required")), ()),
    "408": Row(said(answer("408 Request Timeout")), (64,)),
    "409": Row(said(answer("409 Conflict", b'{"message": "Conflict"}', JSON)), (57,)),
    "418": Row(said(answer("418 I'm a teapot")), ()),
    "500": Row(said(answer("500 Internal Server Error", PAGE)), (66,)),
    "502": Row(said(answer("502 Bad Gateway", PAGE)), (66,)),
    "503": Row(said(answer("503 Service Unavailable", b"", "Retry-After: 0")), (66,)),
    "504": Row(said(answer("504 Gateway Timeout")), (66,)),
    "599": Row(said(answer("599 Odd")), ()),
}
"""After these it is unknown if the create was applied."""

REFUSED: dict[str, Row] = {
    "401": Row(said(answer("401 Unauthorized", b'{"code": 401, "message": "Expired JWT Token"}', JSON)), (59,)),
    "403": Row(said(answer("403 Forbidden")), (61,)),
    "404, a page": Row(said(answer("404 Not Found", PAGE)), (62,)),
    "405": Row(said(answer("405 Method Not Allowed")), (63,)),
    "413": Row(said(answer("413 Content Too Large")), (63,)),
    "415": Row(said(answer("415 Unsupported Media Type")), (63,)),
    "429": Row(said(answer("429 Too Many Requests")), (65,)),
}
"""These prove that the create was not applied, and that the order is not at fault."""


def applied(mishap: Mishap) -> Mishap:
    """Let the warehouse execute the create before the mishap."""

    async def after(writer: asyncio.StreamWriter, forward: Forward) -> None:
        await forward()
        await mishap(writer, forward)

    return after
