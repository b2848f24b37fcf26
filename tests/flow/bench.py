"""A whole connector between in-memory endpoints, in virtual time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio

from connector.app import Connector
from connector.events import Event
from connector.journal.base import Journal
from connector.journal.sqlite import MemoryJournal, SqliteJournal
from connector.pipeline.drain import Drained
from connector.settings import Settings
from connector.settings.model import RetrySettings, RouteSettings
from connector.settings.values import Duration, Rate
from tests.doubles import DoubleReceiverSettings, DoubleSourceSettings, LoopClock, MemoryReceiver, MemorySource

__all__ = ["Bench"]


class Bench:
    """One source `shop`, receivers (`wms` by default), and connectors that run between them."""

    def __init__(
        self,
        *receivers: str,
        sources: tuple[str, ...] = ("shop",),
        concurrency: int = 4,
        settle: float = 30,
        rate_limit: str | None = None,
        page_size: int = 50,
        ack_interval: float = 1,
        poll_interval: float = 60,
    ) -> None:
        self.clock = LoopClock()
        self.sources = {name: MemorySource(name, self.clock, page_size=page_size) for name in sources}
        self.receivers = {name: MemoryReceiver(name, self.clock) for name in receivers or ("wms",)}
        self.events: list[Event] = []
        self.settings = Settings(
            sources={
                name: DoubleSourceSettings(
                    poll_interval=Duration(poll_interval),
                    ack_interval=Duration(ack_interval),
                    retry=RetrySettings(first=Duration(1), longest=Duration(60)),
                )
                for name in sources
            },
            receivers={
                name: DoubleReceiverSettings(
                    concurrency=concurrency,
                    settle=Duration(settle),
                    rate_limit=Rate.parse(rate_limit) if rate_limit else None,
                    retry=RetrySettings(first=Duration(1), longest=Duration(60)),
                )
                for name in self.receivers
            },
            routes=[RouteSettings(source=name, receivers=list(self.receivers)) for name in sources],
        )

    @property
    def shop(self) -> MemorySource:
        """The first source."""
        return next(iter(self.sources.values()))

    @property
    def wms(self) -> MemoryReceiver:
        """The first receiver."""
        return next(iter(self.receivers.values()))

    @asynccontextmanager
    async def running(self, journal: Journal) -> AsyncIterator[Connector]:
        """Run a connector; leaving the block stops it and waits until it has ended."""
        connector = Connector(
            self.settings, sources=self.sources, receivers=self.receivers, journal=journal, clock=self.clock
        )
        async with connector, anyio.create_task_group() as tg:
            observer = connector.events()

            async def watch() -> None:
                async for event in observer:
                    self.events.append(event)

            tg.start_soon(watch, name="watch the events")
            tg.start_soon(connector.run, name="run the connector")
            yield connector
            connector.stop()

    async def drained(self, journal: Journal | None = None) -> Drained:
        """Run a connector until it is drained, and end it."""
        async with self.running(journal or MemoryJournal()) as connector:
            with anyio.fail_after(36_000):
                return await connector.drain()

    def journal(self, folder: Path) -> Callable[[], Any]:
        """Return a context that opens the journal in `folder`."""
        return lambda: SqliteJournal.open(folder / "journal.db", self.clock)
