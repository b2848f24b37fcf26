"""A client of eWarehousing on a real socket: before the stand-in, or before a vendor with scripted responses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from aiohttp import web
from aiohttp.test_utils import TestServer

from connector.clients.ewarehousing.requests import CreateOrder
from connector.receivers.ewarehousing.receiver import EwarehousingClient
from connector.sandbox.ewarehousing.app import EwarehousingStandIn
from connector.sandbox.server import serving
from tests.receivers.ewarehousing.bench import REQUEST, Vendor

__all__ = ["DOCUMENTS", "ORDERS", "PDF", "client", "request", "scripted"]

ORDERS, DOCUMENTS = "/wms/orders/", "/wms/documents/"
PDF = b"%PDF-1.4 a label"


@asynccontextmanager
async def client(**vendor: Any) -> AsyncIterator[tuple[EwarehousingClient, EwarehousingStandIn]]:
    """Serve a stand-in and log a client in to it."""
    standin = EwarehousingStandIn(**vendor)
    async with (
        serving(standin) as base_url,
        EwarehousingClient(
            base_url=base_url,
            username="sandbox",
            password="sandbox-secret",
            wms_code="DEV",
            customer_code="SANDBOX",
        ) as made,
    ):
        yield made, standin


@asynccontextmanager
async def scripted() -> AsyncIterator[tuple[EwarehousingClient, Vendor]]:
    """Serve a vendor whose answers the test writes."""
    vendor = Vendor()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", vendor.handle)
    async with (
        TestServer(app) as server,
        EwarehousingClient(
            base_url=f"http://127.0.0.1:{server.port}",
            username="someone",
            password="canary-password",
            wms_code="DEV",
            customer_code="C-1",
        ) as made,
    ):
        yield made, vendor


def request(number: int = 1, **changes: Any) -> CreateOrder:
    """Return the seed's create as the `number`th of its kind."""
    identity = {"external_reference": f"WEB-{number}", "external_id": f"order-{number}"}
    return msgspec.convert({**REQUEST, **identity, **changes}, CreateOrder)
