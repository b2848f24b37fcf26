"""The webhook receiver and its stand-in at the two ends of a real socket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import msgspec

from connector.clock import SystemClock
from connector.receivers.base import Delivery
from connector.receivers.webhook import WebhookReceiver, WebhookSettings
from connector.sandbox.standin import serving
from connector.sandbox.webhook import SECRET, WebhookStandIn
from connector.settings.values import Secret, Url
from tests.contracts.receiver_harness import EXAMPLE

__all__ = ["Bench", "bench", "delivery", "settings"]


@dataclass
class Bench:
    """A receiver and what it talks to."""

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
