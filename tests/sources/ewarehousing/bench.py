"""eWarehousing for the contract of all sources: the stand-in at the end of a real socket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from connector.clock import SystemClock
from connector.sandbox.ewarehousing.app import EwarehousingStandIn
from connector.sandbox.ewarehousing.orders import new_order
from connector.sandbox.server import Fault, serving
from connector.settings.values import Secret, Url
from connector.sources.ewarehousing.settings import EwarehousingSourceSettings
from connector.sources.ewarehousing.source import EwarehousingSource
from tests.contracts.source_harness import Call, SourceHarness, closed_port
from tests.receivers.ewarehousing.bench import REQUEST

__all__ = ["EwarehousingSourceHarness", "ewarehousing", "settings"]

PASSWORD = "sandbox-secret"


class EwarehousingSourceHarness(SourceHarness):
    """The source, and the stand-in that holds its orders."""

    def __init__(self, source: EwarehousingSource, vendor: EwarehousingStandIn) -> None:
        self.source: EwarehousingSource = source
        self.vendor = vendor

    @property
    def secrets(self) -> tuple[str, ...]:
        """Return the password, and every token that was used."""
        used = {call.headers.get("authorization", "").rpartition(" ")[2] for call in self.vendor.history}
        return (PASSWORD, *(used - {""}))

    def acknowledged(self) -> list[str]:
        """Return the acknowledgements that the vendor received: always none, as only reads are sent."""
        asked = ("GET", "POST /wms/auth/")
        return [call.path for call in self.vendor.history if not f"{call.method} {call.path}".startswith(asked)]

    def put(self, order_id: str, **changes: Any) -> dict[str, Any]:
        """Put the seed's order into the stand-in under another id."""
        identity = {"external_reference": f"WEB-{order_id}", "external_id": f"order-{order_id}"}
        order = new_order({**REQUEST, **identity}, len(self.vendor.orders), "SANDBOX", self.vendor.now())
        order |= {"id": order_id, **changes}
        self.vendor.orders[order_id] = order
        return order

    def spoil(self, order_id: str) -> None:
        """Give the order a quantity in words."""
        self.vendor.orders[order_id]["order_lines"][0]["quantity"] = "two"

    def fault(self, call: Call, fault: Fault, *, times: int = 1) -> None:
        """Let `fault` befall the list; an acknowledgement is none of the vendor's business."""
        self._needs_call(call)

        def on(request: web.Request) -> bool:
            return request.path == "/wms/orders/"

        self.vendor.fault(fault, times=times, on=on)

    async def do(self, call: Call) -> object:
        """List."""
        self._needs_call(call)
        return await self.listed()

    def _needs_call(self, call: Call) -> None:
        if call == "ack":
            pytest.skip("an acknowledgement makes no call")


def settings(base_url: str, **given: Any) -> EwarehousingSourceSettings:
    """Return the settings for the stand-in."""
    return EwarehousingSourceSettings(
        **{
            "base_url": Url(base_url),
            "username": "sandbox",
            "password": Secret(PASSWORD),
            "wms_code": "DEV",
            "customer_code": "SANDBOX",
            "statuses": ["created", "planned"],
            "page_size": 5,
            **given,
        }
    )


@asynccontextmanager
async def ewarehousing(
    ids: Iterable[str] = (), *, up: bool = True, page_base: int = 1, **given: Any
) -> AsyncIterator[EwarehousingSourceHarness]:
    """Serve orders under these ids, in turns created and planned, and point a source at them."""
    vendor = EwarehousingStandIn(page_base=page_base)
    async with serving(vendor) as base:
        with closed_port() as closed:
            source = EwarehousingSource("warehouse", settings(base if up else closed, **given), SystemClock())
            harness = EwarehousingSourceHarness(source, vendor)
            for number, order_id in enumerate(ids):
                harness.put(order_id, status=("created", "planned")[number % 2])
            try:
                yield harness
            finally:
                await source.aclose()
