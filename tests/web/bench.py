"""A connector between in-memory vendors, served on loopback, and a clock that a test can advance."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import aiohttp
import anyio
from prometheus_client.parser import text_string_to_metric_families

from connector.app import Connector
from connector.events import Event
from connector.journal.base import Journal
from connector.journal.sqlite import MemoryJournal
from connector.settings.model import ServerSettings
from connector.web import serve
from tests.doubles import LoopClock
from tests.flow.bench import Bench

__all__ = ["ANY_PORT", "PATHS", "Ahead", "Silent", "Site", "opened", "raw", "served", "unstarted"]

T = TypeVar("T")

ANY_PORT = ServerSettings(port=0)
PATHS = ("/health/live", "/healthz", "/health/ready", "/readyz", "/metrics")


class Ahead(LoopClock):
    """A clock with the loop's time plus an offset set by the test."""

    ahead = 0.0

    def monotonic(self) -> float:
        """Return the seconds that the loop has run, plus the offset."""
        return super().monotonic() + self.ahead


class Silent(MemoryJournal):
    """A journal whose disk does not respond; `asked` counts the reads."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    async def read(self, question: Callable[[sqlite3.Connection], T]) -> T:
        """Wait forever."""
        self.asked += 1
        await anyio.sleep_forever()
        raise AssertionError("for ever is over")


class Site:
    """A connector, and a client of its server."""

    def __init__(self, connector: Connector, url: str, session: aiohttp.ClientSession, clock: Ahead) -> None:
        self.connector = connector
        self.url = url
        self.port = int(url.rpartition(":")[2])
        self.clock = clock
        self._session = session
        self._events = connector.events()

    async def ask(self, path: str, method: str = "GET", **options: Any) -> tuple[aiohttp.ClientResponse, str]:
        """Send one request; return the response and its text."""
        async with self._session.request(method, self.url + path, **options) as answer:
            return answer, await answer.text()

    async def ready(self) -> tuple[int, Any]:
        """Return the status and the content of the readiness probe."""
        answer, _ = await self.ask("/health/ready")
        return answer.status, await answer.json()

    async def metrics(self) -> dict[tuple[str, ...], float]:
        """Return the metrics as values by name and sorted labels."""
        _, text = await self.ask("/metrics")
        return {
            (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    async def until(self, kind: type[Event]) -> None:
        """Wait for an event of `kind`."""
        with anyio.fail_after(10):
            async for event in self._events:
                if isinstance(event, kind):
                    return


@asynccontextmanager
async def served(bench: Bench, journal: Journal | None = None) -> AsyncIterator[Site]:
    """Run the connector of `bench` and serve it."""
    bench.clock = clock = Ahead()
    async with (
        bench.running(journal or MemoryJournal()) as connector,
        serve(connector, ANY_PORT) as url,
        aiohttp.ClientSession() as session,
    ):
        yield Site(connector, url, session, clock)


def unstarted(bench: Bench) -> Connector:
    """Return the connector of `bench`, neither entered nor run."""
    return Connector(
        bench.settings, sources=bench.sources, receivers=bench.receivers, journal=MemoryJournal(), clock=bench.clock
    )


async def opened(port: int, request: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a connection and send `request`, which may be incomplete."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    await writer.drain()
    return reader, writer


async def raw(port: int, request: bytes) -> bytes:
    """Send `request` unchanged; return all bytes until the server closes the connection."""
    reader, writer = await opened(port, request)
    try:
        with anyio.fail_after(10):
            return await reader.read()
    finally:
        writer.close()
