"""Somebody who requests the health and metrics pages of a process (connector/web), without a socket."""

from __future__ import annotations

from collections.abc import Callable

import anyio
import msgspec
from prometheus_client import CollectorRegistry, generate_latest

from connector.app import Connector
from connector.web.health import JournalProbe, paused, readiness
from connector.web.metrics import EventCounters, Metrics

__all__ = ["Probe"]


class Probe:
    """Requests pages of `connector`, which is entered, on command; the answers go to `tell`."""

    def __init__(self, connector: Connector, tell: Callable[[str, str], None]) -> None:
        self._connector = connector
        self._tell = tell
        self._asked = anyio.Event()

    def ask(self) -> None:
        """Request the pages soon."""
        self._asked.set()

    async def run(self) -> None:
        """Serve the requests, until cancelled."""
        own, observer = self._connector, self._connector.bus.observe()
        tally = EventCounters(own.settings, own.clock, observer)
        registry = CollectorRegistry(auto_describe=True)
        registry.register(metrics := Metrics(tally))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(tally.watch, name="count what happens")
            asker = JournalProbe(own, tasks)
            while True:
                await self._asked.wait()
                self._asked = anyio.Event()
                ages = await asker.ages()
                self._tell(msgspec.json.encode(readiness(own, tally, ages)).decode(), "the health page")
                out = {**paused(own.sources), **paused(own.receivers, own.distrusted)}
                metrics.read(out, ages, stalled=bool(own.stalled))
                self._tell(generate_latest(registry).decode(), "the metrics")
