"""
The baseline: a loop over aiohttp that keeps no record of anything.

    python -m tests.benchmarks.bare URL SHAPE LOOP [mapped]

It makes the calls that the connector makes, over sessions like the connector's: it logs in, walks the feed until a walk
finds nothing new, creates every order at the receiver, 32 at once, and acknowledges at the source, one order a call or
in the vendor's batches. It forgets everything when it ends: after a crash it would double orders, and after a lost
answer lose them. Nobody can deliver orders with less, so the connector's promise is priced against it. The garbage
collector is as `connector run` has it, here and in the connector that it is compared with.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec

from connector.cli import gc_tuning
from tests.benchmarks.loops import new_loop
from tests.benchmarks.mapped import RAW, mapped
from tests.benchmarks.plain import ID_KEYS, MAPS
from tests.benchmarks.shapes import CONCURRENCY, PAGES
from tests.benchmarks.usage import Usage, say

__all__ = ["Bare", "main", "opened"]

ACK_LIMIT = {"patch": 1, "tens": 10, "fifties": 50}
HEADERS = {"User-Agent": "bare/0.1", "Accept": "application/json"}
_raws = msgspec.json.Decoder(dict[str, msgspec.Raw])
JSON = {"Content-Type": "application/json"}
EXPORT = (
    "/v10/orders/export?system_id=erp&includes%5B%5D=lines&include_not_approved=0&include_cancelled=0"
    "&include_archived=0&page={}&limit={}"
)


@asynccontextmanager
async def session(url: str, **headers: str) -> AsyncIterator[aiohttp.ClientSession]:
    """Open a session as the connector does."""
    async with aiohttp.ClientSession(
        url,
        headers={**HEADERS, **headers},
        connector=aiohttp.TCPConnector(limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=30, connect=10, sock_connect=10, sock_read=30),
        trust_env=False,
        raise_for_status=True,
    ) as opened:
        yield opened


class Bare:
    """
    The loop, for one shape. Enter `source` and `receiver` (sessions) first.

    `alike`: it maps as the connector does, see mapped.py; otherwise by ten lines of its own, see plain.py.
    """

    def __init__(
        self, shape: str, source: aiohttp.ClientSession, receiver: aiohttp.ClientSession, *, alike: bool = False
    ) -> None:
        self._shape = shape
        self._alike = alike
        self._source = source
        self._receiver = receiver
        self._size = PAGES[shape]
        self._limit = ACK_LIMIT[shape]
        self._to_tell: list[str] = []
        self._telling = asyncio.Lock()
        self._seen: set[str] = set()
        self._gone = 0
        self._orders: asyncio.Queue[dict[str, Any]] = asyncio.Queue(2 * self._size if shape != "fifties" else 0)

    async def log_in(self) -> None:
        """Get the tokens."""
        if self._shape == "patch":
            body = b"grant_type=client_credentials&client_id=benchmark&client_secret=benchmark-secret"
            form = {"Content-Type": "application/x-www-form-urlencoded"}
            async with self._source.post("/oauth2/token", data=body, headers=form) as response:
                token = msgspec.json.decode(await response.read())["access_token"]
            self._source.headers["Authorization"] = f"Bearer {token}"
        async with self._receiver.post(
            "/wms/auth/login/", data=b'{"username":"benchmark","password":"benchmark-secret"}', headers=JSON
        ) as response:
            token = msgspec.json.decode(await response.read())["token"]
        self._receiver.headers["Authorization"] = f"Bearer {token}"

    async def drain(self) -> None:
        """Walk until nothing is new, deliver, and acknowledge."""
        workers = [asyncio.create_task(self._work()) for _ in range(CONCURRENCY)]
        try:
            while await self.walk():
                await self._orders.join()
                await self._tell(everything=True)
        finally:
            for worker in workers:
                worker.cancel()
        failures = await asyncio.gather(*workers, return_exceptions=True)
        for failure in failures:
            if not isinstance(failure, asyncio.CancelledError):
                raise RuntimeError("a worker ended early") from failure

    async def walk(self) -> int:
        """Read the feed and queue the new orders; return their number."""
        before, number, listed = len(self._seen), 0, 1
        found: list[dict[str, Any]] = []
        key = ID_KEYS[self._shape]
        while listed:
            rows = await self.page(number)
            listed = len(rows)
            for row in rows:
                if (order_id := str(row[key])) not in self._seen:
                    self._seen.add(order_id)
                    found.append(row)
            if self._shape == "fifties":  # nothing may leave this feed while it is read
                number += 1
                continue
            for row in found:
                await self._orders.put(row)
            listed = listed if found else 0
            found.clear()
            number = max(len(self._seen) - self._gone, 0) // self._size
        for row in found:
            self._orders.put_nowait(row)
        return len(self._seen) - before

    async def page(self, number: int) -> list[dict[str, Any]]:
        """Return one page of the feed, counted from 0."""
        if self._shape == "patch":
            asked = {"status": ["NEW"], "exportStatuses": [], "page": number + 1, "offset": self._size}
            async with self._source.post(
                "/v2/orders/search?expands=ORDER_ITEMS,ADDRESSES", data=msgspec.json.encode(asked), headers=JSON
            ) as response:
                return self._rows(await response.read(), "items")
        if self._shape == "tens":
            path, listed = EXPORT.format(number, self._size), "orders"
        else:
            path, listed = f"/api/v1/orders/export?page={number + 1}&perPage={self._size}", "shipments"
        async with self._source.get(path) as response:
            return self._rows(await response.read(), listed)

    async def create(self, order: dict[str, Any]) -> None:
        """Map one order and create it."""
        external_id = f"feed-{order[ID_KEYS[self._shape]]}"
        body = mapped(self._shape, order) if self._alike else msgspec.json.encode(MAPS[self._shape](order))
        async with self._receiver.post("/wms/orders/", data=body, headers=JSON) as response:
            made = msgspec.json.decode(await response.read())
        if made["external_id"] != external_id:
            raise RuntimeError(f"{external_id} was answered with {made['external_id']}")

    def _rows(self, page: bytes, listed: str) -> list[dict[str, Any]]:
        if not self._alike:
            rows: list[dict[str, Any]] = msgspec.json.decode(page)[listed]
            return rows
        raws = _raws.decode(page)[listed]
        return [
            {**msgspec.json.decode(raw), RAW: bytes(raw)} for raw in msgspec.json.decode(raws, type=list[msgspec.Raw])
        ]

    async def _work(self) -> None:
        key = ID_KEYS[self._shape]
        while True:
            order = await self._orders.get()
            await self.create(order)
            if self._shape == "patch":
                await self.patch(order["id"])
            else:
                self._to_tell.append(str(order[key]))
                if len(self._to_tell) >= self._limit:
                    await self._tell()
            self._orders.task_done()

    async def patch(self, order_id: int) -> None:
        """Acknowledge one order in a call of its own."""
        body = {"exportedAt": "2026-01-02T06:00:00.000Z", "exportMessage": "exported", "exportStatus": "exported"}
        async with self._source.patch(
            f"/v2/orders/id/{order_id}", data=msgspec.json.encode(body), headers=JSON
        ) as response:
            msgspec.json.decode(await response.read())
        self._gone += 1

    async def tell(self, batch: Sequence[str]) -> None:
        """Acknowledge a batch in one call."""
        content: Any
        if self._shape == "tens":
            path, listed = "/v10/orders/mark-as-exported", "orders"
            content = [{"order_id": int(each), "system_id": "erp"} for each in batch]
        else:
            path, listed = "/api/v1/orders/export/status", "create"
            content = [{"orderId": int(each), "status": "EXPORTED_SUCCESSFULLY"} for each in batch]
        async with self._source.post(path, data=msgspec.json.encode({listed: content}), headers=JSON) as response:
            msgspec.json.decode(await response.read())
        self._gone += len(batch)

    async def _tell(self, *, everything: bool = False) -> None:
        async with self._telling:
            while len(self._to_tell) >= (1 if everything else self._limit):
                batch, self._to_tell = self._to_tell[: self._limit], self._to_tell[self._limit :]
                await self.tell(batch)


@asynccontextmanager
async def opened(url: str, shape: str, *, alike: bool = False, made: Callable[..., Bare] = Bare) -> AsyncIterator[Bare]:
    """Open both sessions, and log in; return the loop that is `made` with them."""
    source = {
        "patch": {},
        "tens": {"Authorization": "Bearer benchmark-token", "X-Traede-App-Key": "benchmark-key"},
        "fifties": {"Authorization": "apikey benchmark-key"},
    }[shape]
    codes = {"X-Wms-Code": "DEV", "X-Customer-Code": "BENCHMARK"}
    async with session(url, **source) as from_here, session(url, **codes) as to_here:
        loop = made(shape, from_here, to_here, alike=alike)
        await loop.log_in()
        yield loop


async def _drain(url: str, shape: str, *, alike: bool) -> None:
    usage = Usage()
    async with opened(url, shape, alike=alike) as loop:
        gc_tuning.freeze_loaded()
        await loop.drain()
        say(usage.so_far())


def main() -> None:
    """Deliver every order of the stand-in once, and print the cost."""
    url, shape, loop, *rest = sys.argv[1:]
    with gc_tuning.collect_rarely(), asyncio.Runner(loop_factory=new_loop(loop)) as runner:
        runner.run(_drain(url, shape, alike=rest == ["mapped"]))


if __name__ == "__main__":
    main()
