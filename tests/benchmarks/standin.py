"""
A stand-in of the four vendors that is never the bottleneck: `python -m tests.benchmarks.standin`.

It speaks just enough of HTTP/1.1 and of each vendor that the real adapters work with it, and checks nothing;
`connector.sandbox` is the one that is faithful. It counts how often each order was created and told, so that a
measurement of something that loses or doubles orders does not count. It prints its port, and ends when its standard
input does: with the process that started it, however that ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, cast

import msgspec

from tests.benchmarks.feeds import FIRST_ID, Feed
from tests.benchmarks.loops import new_loop

__all__ = ["World", "main"]

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
PATCHED = (
    b'{"id":%d,"status":"NEW","exportedAt":"2026-01-02T06:00:00.000Z","exportStatus":"exported","exportMessage":""}'
)
CREATED = (
    b'{"id":"00000000-0000-4000-8000-%012d","created_at":"2026-01-02T06:00:00+00:00",'
    b'"requested_delivery_date":"2026-01-03T00:00:00+00:00","customer":"be62c27e-2aac-4ac1-902e-f770d64f8dce",'
    b'"external_reference":"%b","external_id":"%b","reference":"ORD%011d","status":"created",'
    b'"shipping_method":"9eb93dd6-6929-4b91-8419-8a619a72905b","language":"nl","currency":"EUR"}'
)
TOKEN = b'{"access_token":"benchmark-token","token_type":"Bearer","expires_in":86400}'
SESSION = b'{"token":"benchmark-token","iat":1767333600,"exp":1767420000,"refresh_token":"benchmark-refresh"}'


class _Search(msgspec.Struct):
    page: int
    offset: int


class _Create(msgspec.Struct):
    external_id: str


class _Mark(msgspec.Struct):
    order_id: int


class _Marks(msgspec.Struct):
    orders: list[_Mark]


class _Told(msgspec.Struct, rename="camel"):
    order_id: int


class _Status(msgspec.Struct):
    create: list[_Told]


class _Wanted(msgspec.Struct):
    """
    A measurement's command to the stand-in: to begin anew, or to let more orders appear.

    `listed`: so many of them, the last, are in the feed; the others left it before.
    """

    orders: int
    shape: str = ""
    listed: int | None = None


_search = msgspec.json.Decoder(_Search)
_create = msgspec.json.Decoder(_Create)
_marks = msgspec.json.Decoder(_Marks)
_status = msgspec.json.Decoder(_Status)
_wanted = msgspec.json.Decoder(_Wanted)


class World:
    """All vendors at once: one feed, and the fate of its orders."""

    def __init__(self) -> None:
        self._answers: tuple[tuple[bytes, bytes, Callable[[bytes, bytes], bytes]], ...] = (
            (b"POST", b"/wms/orders/", self._take),
            (b"PATCH", b"/v2/orders/id/", self._patch),
            (b"POST", b"/v2/orders/search", self._found),
            (b"GET", b"/v10/orders/export", self._exported),
            (b"POST", b"/v10/orders/mark-as-exported", self._mark),
            (b"GET", b"/api/v1/orders/export", self._listed),
            (b"POST", b"/api/v1/orders/export/status", self._told_of),
            (b"GET", b"/wms/orders/", self._look_up),
            (b"POST", b"/oauth2/token", lambda _path, _body: TOKEN),
            (b"POST", b"/wms/auth/login/", lambda _path, _body: SESSION),
            (b"POST", b"/benchmark/reset", self._reset),
            (b"POST", b"/benchmark/add", self._add),
            (b"POST", b"/benchmark/again", self._again),
            (b"GET", b"/benchmark/state", lambda _path, _body: msgspec.json.encode(self.state())),
        )
        self._begin("patch", 0)

    def answer(self, method: bytes, target: bytes, body: bytes) -> bytes | None:
        """Return the body of a 200; None for a path that no adapter requests."""
        path = target.partition(b"?")[0]
        for verb, known, answer in self._answers:
            if method == verb and (path == known or (verb == b"PATCH" and path.startswith(known))):
                if not known.startswith(b"/benchmark/"):
                    self.calls[f"{verb.decode()} {known.decode()}"] += 1
                return answer(target, body)
        return None

    def state(self) -> dict[str, Any]:
        """Return the events since the beginning; times are `time.monotonic`, which all processes share."""
        return {
            "orders": len(self.created),
            "created_once": self.created.count(1),
            "created_never": self.created.count(0),
            "told_once": self.told.count(1),
            "told_never": self.told.count(0),
            "left": self.feed.left,
            "calls": dict(self.calls),
            "first_asked": self.first_asked,
            "first_created": self.first_created,
            "waited": self.waited,
            "cpu": time.process_time(),
        }

    def _begin(self, shape: str, orders: int) -> None:
        self.feed = Feed(shape, orders)
        self.created = bytearray(orders)
        self.told = bytearray(orders)
        self.calls: Counter[str] = Counter()
        self.first_asked: float | None = None
        self.first_created: float | None = None
        self.waited: list[float] = []
        self._appeared: dict[int, float] = {}

    def _reset(self, _target: bytes, body: bytes) -> bytes:
        wanted = _wanted.decode(body)
        self._begin(wanted.shape, wanted.orders)
        if wanted.listed is not None:
            self.feed.leave(wanted.orders - wanted.listed)
        return b"{}"

    def _again(self, _target: bytes, _body: bytes) -> bytes:
        """Another process begins: the first to look up, and to create."""
        self.first_asked = self.first_created = None
        return b"{}"

    def _add(self, _target: bytes, body: bytes) -> bytes:
        """Let orders appear, and note when."""
        wanted, now = _wanted.decode(body), time.monotonic()
        self._appeared |= dict.fromkeys(range(len(self.created), len(self.created) + wanted.orders), now)
        self.created += bytes(wanted.orders)
        self.told += bytes(wanted.orders)
        self.feed.add(wanted.orders)
        return b"{}"

    def _page(self, first: int, size: int) -> bytes:
        if self.first_asked is None:
            self.first_asked = time.monotonic()
        return b",".join(self.feed.page(first, size))

    def _found(self, _target: bytes, body: bytes) -> bytes:
        asked = _search.decode(body)
        left, size = self.feed.left, asked.offset
        items = self._page((asked.page - 1) * size, size)
        return b'{"items":[%b],"itemsFound":%d,"offset":%d,"page":%d,"pages":%d,"start":1,"end":%d}' % (
            items,
            left,
            size,
            asked.page,
            -(-left // size),
            size,
        )

    def _exported(self, target: bytes, _body: bytes) -> bytes:
        page, size = _number(target, b"page"), _number(target, b"limit")
        return b'{"orders":[%b]}' % self._page(page * size, size)

    def _listed(self, target: bytes, _body: bytes) -> bytes:
        page, size, left = _number(target, b"page"), _number(target, b"perPage"), self.feed.left
        shipments = self._page((page - 1) * size, size)
        return b'{"shipments":[%b],"page":%d,"perPage":%d,"total":%d,"totalPages":%d}' % (
            shipments,
            page,
            size,
            left,
            -(-left // size),
        )

    def _tell(self, order_id: int) -> None:
        order = order_id - FIRST_ID
        self.told[order] = min(self.told[order] + 1, 255)
        self.feed.mark(order)

    def _patch(self, target: bytes, _body: bytes) -> bytes:
        order_id = int(target.rpartition(b"/")[2])
        self._tell(order_id)
        return PATCHED % order_id

    def _mark(self, _target: bytes, body: bytes) -> bytes:
        for mark in _marks.decode(body).orders:
            self._tell(mark.order_id)
        return b'{"success":true}'

    def _told_of(self, _target: bytes, body: bytes) -> bytes:
        for told in _status.decode(body).create:
            self._tell(told.order_id)
        return b"{}"

    def _take(self, _target: bytes, body: bytes) -> bytes:
        if self.first_created is None:
            self.first_created = time.monotonic()
        external_id = _create.decode(body).external_id
        order_id = int(external_id.rpartition("-")[2])
        order = order_id - FIRST_ID
        self.created[order] = min(self.created[order] + 1, 255)
        if order in self._appeared:
            self.waited.append(time.monotonic() - self._appeared.pop(order))
        known = external_id.encode()
        return CREATED % (order_id, known, known, order_id)

    def _look_up(self, target: bytes, _body: bytes) -> bytes:
        external_id = target.partition(b"external_id=")[2].partition(b"&")[0]
        order_id = int(external_id.rpartition(b"-")[2] or 0)
        if not 0 <= order_id - FIRST_ID < len(self.created) or not self.created[order_id - FIRST_ID]:
            return b"[]"
        return b"[%b]" % (CREATED % (order_id, external_id, external_id, order_id))


class Connection(asyncio.Protocol):
    """One connection, kept alive; requests are answered in the order in which they come."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._unread = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where the answers go."""
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's is not of asyncio's classes

    def data_received(self, data: bytes) -> None:
        """Answer the complete requests; keep the rest."""
        unread = self._unread + data if self._unread else data
        while (end := unread.find(b"\r\n\r\n")) >= 0:
            length = LENGTH.search(unread, 0, end)
            after = end + 4 + (int(length[1]) if length else 0)
            if len(unread) < after:
                break
            method, target, _ = unread[: unread.index(b"\r\n")].split(b" ", 2)
            body = self._world.answer(method, target, unread[end + 4 : after])
            if body is None:
                self._transport.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            else:
                self._transport.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
                    % (len(body), body)
                )
            unread = unread[after:]
        self._unread = unread


def _number(target: bytes, name: bytes) -> int:
    """Return a number of the query."""
    found = re.search(rb"[?&]%b=(\d+)" % name, target)
    return int(found[1]) if found else 0


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    world, ended = World(), asyncio.Event()
    server = await loop.create_server(lambda: Connection(world), "127.0.0.1", 0)

    def wait_for_the_end() -> None:
        sys.stdin.buffer.read()
        with contextlib.suppress(RuntimeError):  # the loop is closed already
            loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=wait_for_the_end, daemon=True).start()
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201 - to whoever started it
    await ended.wait()


def main() -> None:
    """Serve until standard input ends."""
    with asyncio.Runner(loop_factory=new_loop("fastest")) as runner:
        runner.run(_serve())


if __name__ == "__main__":
    main()
