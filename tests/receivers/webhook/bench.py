"""The webhook receiver and its stand-in at the two ends of a real socket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import msgspec

from connector.app import Connector
from connector.clock import SystemClock
from connector.events import OrderHeld
from connector.journal.sqlite import SqliteJournal
from connector.pipeline.drain import Drained
from connector.receivers.base import Delivery
from connector.receivers.webhook.receiver import WebhookReceiver
from connector.receivers.webhook.settings import WebhookSettings
from connector.sandbox.server import serving
from connector.sandbox.webhook import SECRET, WebhookStandIn
from connector.settings import Settings
from connector.settings.model import RetrySettings, RouteSettings
from connector.settings.values import Duration, Secret, Url
from tests.contracts.receiver_harness import EXAMPLE
from tests.doubles import DoubleSourceSettings, LoopClock, MemorySource

__all__ = ["IDS", "Bench", "Run", "bench", "delivery", "settings"]

IDS = [str(number) for number in range(1, 24)]
SHORT = RetrySettings(first=Duration(0.01), longest=Duration(0.02))


@dataclass
class Bench:
    """A receiver and its server."""

    receiver: WebhookReceiver
    standin: WebhookStandIn


def settings(base_url: str, *, secret: str = SECRET, finds: bool = False, **more: Any) -> WebhookSettings:
    """Return settings that lead to a stand-in at `base_url`."""
    find_url = Url.parse(f"{base_url}/orders") if finds else None
    return WebhookSettings(url=Url.parse(f"{base_url}/orders"), secret=Secret(secret), find_url=find_url, **more)


@asynccontextmanager
async def bench(standin: WebhookStandIn | None = None, **more: Any) -> AsyncIterator[Bench]:
    """Serve a stand-in and point a receiver at it; `more` goes into its settings."""
    standin = standin or WebhookStandIn()
    async with serving(standin) as base_url:
        receiver = WebhookReceiver("erp", settings(base_url, **more), SystemClock())
        try:
            yield Bench(receiver, standin)
        finally:
            await receiver.aclose()


def delivery(receiver: WebhookReceiver, order_id: str = "1") -> Delivery:
    """Return an order as the pipeline hands it over."""
    order = msgspec.structs.replace(EXAMPLE, order_id=order_id)
    return Delivery(order.external_id, msgspec.json.encode(receiver.default(order)))


class Run:
    """A connector between 23 orders in memory and a webhook."""

    def __init__(self, standin: WebhookStandIn, **own: Any) -> None:
        self.standin = standin
        self.own = own
        self.source = MemorySource("shop", LoopClock())
        self.source.put(*IDS)
        self.held: list[OrderHeld] = []

    async def drained(self, folder: Path) -> Drained:
        """Run until all is settled."""
        async with serving(self.standin) as base_url:
            made = settings(base_url, settle=Duration(0.01), retry=SHORT, concurrency=4, **self.own)
            clock = SystemClock(1)
            connector = Connector(
                Settings(
                    sources={"shop": DoubleSourceSettings(ack_interval=Duration(0), retry=SHORT)},
                    receivers={"erp": made},
                    routes=[RouteSettings(source="shop", receivers=["erp"])],
                ),
                sources={"shop": self.source},
                receivers={"erp": WebhookReceiver("erp", made, clock)},
                journal=await SqliteJournal.open(folder / "journal.db", clock),
                clock=clock,
            )
            async with connector, anyio.create_task_group() as tg:
                events = connector.events()
                tg.start_soon(self._watch, events)
                tg.start_soon(connector.run)
                with anyio.fail_after(30):
                    drained = await connector.drain()
                connector.stop()
        return drained

    async def _watch(self, events: Any) -> None:
        async for event in events:
            if isinstance(event, OrderHeld):
                self.held.append(event)
