"""Zendera for the contract of all sources: the stand-in at the end of a real socket, below its base path."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Literal

from aiohttp import web

from connector.ack import Acknowledgement
from connector.clock import SystemClock
from connector.sandbox.server import Fault, encode, serving
from connector.sandbox.zendera.app import ZenderaStandIn
from connector.sandbox.zendera.shipments import seed_shipment
from connector.settings.values import Secret, Url
from connector.sources.zendera.settings import ZenderaSettings
from connector.sources.zendera.source import ZenderaSource
from tests.contracts.source_harness import Call, SourceHarness, closed_port

__all__ = ["AT", "BASE", "KEY", "PATHS", "ZenderaHarness", "failed", "group", "offline", "shipment", "told", "zendera"]

BASE = "https://app.zenderatms.com/api"
KEY = Secret("key-of-the-organisation")
AT = datetime(2026, 6, 11, 10, 0, tzinfo=UTC)

PATHS: dict[Call, str] = {"fetch": "/api/v1/orders/export", "ack": "/api/v1/orders/export/status"}


class ZenderaHarness(SourceHarness):
    """The source, and the stand-in that holds its shipments."""

    def __init__(self, source: ZenderaSource, vendor: ZenderaStandIn) -> None:
        self.source: ZenderaSource = source
        self.vendor = vendor

    @property
    def secrets(self) -> tuple[str, ...]:
        """Return the key."""
        return (KEY.reveal(),)

    def acknowledged(self) -> list[str]:
        """Return the ids of the entries that were applied."""
        return [str(entry["orderId"]) for entry in self.vendor.statuses]

    def spoil(self, order_id: str) -> None:
        """Give the order a parcel that weighs words."""
        for listed in self.vendor.shipments:
            if str(listed["orderId"]) == order_id:
                listed["parcels"] = [{"weight": "much"}]

    def fault(self, call: Call, fault: Fault, *, times: int = 1) -> None:
        """Let `fault` befall pages or acknowledgements."""
        self.fault_at(PATHS[call], fault, times=times)

    def fault_at(self, path: str, fault: Fault, *, times: int = 1) -> None:
        """Let `fault` befall calls of `path`."""

        def on(request: web.Request) -> bool:
            return request.path == path

        self.vendor.fault(fault, times=times, on=on)

    def calls(self, path: str) -> int:
        """Return how many calls of `path` there were."""
        return sum(call.path == path for call in self.vendor.history)


def shipment(order_id: int | str, **changes: Any) -> dict[str, Any]:
    """Return the only shipment of an order."""
    return seed_shipment(**{"orderId": order_id, "id": 700_000 + int(order_id), **changes})


def group(*shipments: dict[str, Any], order_id: str = "12345") -> bytes:
    """Return an order as the feed puts it together."""
    return encode({"orderId": order_id, "shipments": list(shipments)})


def offline(**settings: Any) -> ZenderaSource:
    """Return a source at the vendor's real address, which no test calls."""
    return ZenderaSource("transport", ZenderaSettings(api_key=KEY, **settings), SystemClock())


def told(
    order_id: str, outcome: Literal["exported", "failed"], message: str = "Unknown postal code", at: datetime = AT
) -> Acknowledgement:
    """Return the pipeline's acknowledgement of an order."""
    return Acknowledgement(key=1, order_id=order_id, outcome=outcome, at=at, message=message)


def failed(order_id: str, **given: Any) -> Acknowledgement:
    """Return a failure."""
    return told(order_id, "failed", **given)


@asynccontextmanager
async def zendera(
    shipments: Iterable[dict[str, Any]] = (),
    *,
    up: bool = True,
    standin: type[ZenderaStandIn] = ZenderaStandIn,
    **given: Any,
) -> AsyncIterator[ZenderaHarness]:
    """Serve `shipments` and point a source at them; settings begin with `page_size` 5."""
    options = {key: given.pop(key) for key in ("ids_as_text", "largest_page", "now") if key in given}
    vendor = standin(shipments, api_key=KEY.reveal(), **options)
    async with serving(vendor) as base:
        with closed_port() as closed:
            address = Url((base if up else closed) + "/api")
            made = ZenderaSettings(base_url=address, api_key=KEY, **{"page_size": 5, **given})
            source = ZenderaSource("transport", made, SystemClock())
            try:
                yield ZenderaHarness(source, vendor)
            finally:
                await source.aclose()
