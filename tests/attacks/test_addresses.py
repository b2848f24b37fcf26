"""Addresses in responses are data: whatever a vendor lists, calls go only to the address in the settings."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from connector.clients.ewarehousing.responses import row_id
from connector.errors import EndpointError, Unmappable
from connector.http.endpoint import segment
from connector.order import Document
from connector.receivers.base import Receipt, SupportsAttachments, SupportsStatus
from connector.sandbox.server import StandIn
from connector.sources.base import SupportsAckLookup
from connector.sources.zendera.wire import identity
from tests.contracts.receiver_harness import Vendor
from tests.contracts.source_harness import numbers
from tests.receivers.ewarehousing import test_receiver as test_ewarehousing
from tests.receivers.webhook import test_receiver as test_webhook
from tests.sources.ewarehousing import test_source as test_ewarehousing_source
from tests.sources.propeller import test_source as test_propeller
from tests.sources.traede import test_source as test_traede
from tests.sources.zendera import test_source as test_zendera

SOURCES: dict[str, Any] = {
    "propeller": test_propeller.TestPropellerSource,
    "traede orders": test_traede.TestTraedeOrders,
    "traede production orders": test_traede.TestTraedeProductionOrders,
    "zendera": test_zendera.TestZenderaSource,
    "ewarehousing": test_ewarehousing_source.TestEwarehousingSource,
}
RECEIVERS: dict[str, Any] = {
    "ewarehousing": test_ewarehousing.TestEwarehousing,
    "webhook": test_webhook.TestWebhookThatIsAsked,
}


@pytest.fixture
async def strangers(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[str]]:
    """Make every response of every stand-in name another server wherever it can; yield the requests that server got."""
    heard: list[str] = []

    async def stranger(request: web.Request) -> web.Response:
        heard.append(request.path)
        return web.Response(text="{}")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", stranger)
    applied = StandIn._applied
    async with TestServer(app) as server:
        there = str(server.make_url("/stolen"))

        def planted(self: StandIn, call: Any, request: web.Request) -> web.Response:
            response = applied(self, call, request)
            if not isinstance(response.body, bytes) or not response.body.strip():
                return response
            body = msgspec.json.encode(plant(msgspec.json.decode(response.body), there))
            named = {"Link": f'<{there}>; rel="next"', "Location": there, "Content-Location": there, "Refresh": "0"}
            return web.Response(
                status=response.status, body=body, content_type="application/json", headers={**named, "Refresh": there}
            )

        monkeypatch.setattr(StandIn, "_applied", planted)
        yield heard


def plant(value: Any, there: str) -> Any:
    """Return a response with addresses under every key that a client might follow."""
    if isinstance(value, list):
        return [plant(inner, there) for inner in value]
    if not isinstance(value, dict):
        return value
    grown = {key: plant(inner, there) for key, inner in value.items()}
    names = ("next", "next_page_url", "nextLink", "@odata.nextLink", "url", "href", "redirect", "location", "callback")
    for name in names:
        grown.setdefault(name, there)
    grown.setdefault("links", {"next": there, "self": {"href": there}})
    grown.setdefault("_links", {"next": {"href": there}})
    return grown


@pytest.mark.attack(4)
@pytest.mark.parametrize("name", SOURCES)
async def test_no_address_in_a_feed_is_called(name: str, strangers: list[str]) -> None:
    """The connector counts pages itself, and stores an order's links as they are."""
    bench: Any = SOURCES[name]()
    async with bench.make(numbers(bench.page_limit + 1)) as h:
        items = await h.listed()
        assert len(items) == bench.page_limit + 1
        for item in items:
            assert h.source.to_order(item.raw).order_id == item.order_id
        await h.acknowledge(["1", "2"])
        if isinstance(h.source, SupportsAckLookup):
            await h.source.is_acknowledged([h.acknowledgement("1"), h.acknowledgement("3")])
        await h.source.check()
    assert strangers == []


@pytest.mark.attack(4)
@pytest.mark.parametrize("name", RECEIVERS)
async def test_no_address_in_a_receivers_answer_is_called(name: str, strangers: list[str]) -> None:
    """Neither after a create, nor while it looks up, follows or documents an order."""
    bench: Any = RECEIVERS[name]()
    async with bench.make(Vendor()) as h:
        receipt = await h.receiver.create(h.delivery(h.order("1")))
        assert (await h.receiver.find("shop-1")).id == receipt.id
        if isinstance(h.receiver, SupportsAttachments):
            await h.receiver.attach(receipt, [Document(title="Label", content=b"%PDF")])
        if isinstance(h.receiver, SupportsStatus):
            await h.receiver.progress([Receipt(id=receipt.id)])
        await h.receiver.check()
    assert strangers == []


PATHS = [
    "..",
    ".",
    "../cancel",
    "..%2fcancel",
    "1/cancel",
    "1/../../x",
    "1?x=1",
    "1#x",
    "1%00",
    "/",
    "//evil.example",
    "",
]


@pytest.mark.attack(22)
@pytest.mark.parametrize("order_id", PATHS)
def test_no_id_is_a_path(order_id: str) -> None:
    """An id that a vendor lists is one segment of an address, or not in it at all."""
    try:
        inside = segment(order_id)
    except EndpointError:
        assert order_id in ("", ".", "..")
    else:
        assert not set(inside) & set("/?#")
    assert identity(order_id) not in ("..", ".")
    assert row_id(msgspec.json.encode({"id": order_id})) not in ("..", ".", "")


@pytest.mark.attack(22)
@pytest.mark.fault(44)
@pytest.mark.parametrize("name", ["propeller", "traede orders", "traede production orders"])
@pytest.mark.parametrize("order_id", [*PATHS, "1e3", "0x10", "-1", "0", "9" * 25, "²", "\u0661", " 1", "1 "])
def test_an_id_that_should_be_a_number_is_one(name: str, order_id: str) -> None:
    """Where the vendor's ids are numbers, nothing else becomes an order."""
    bench: Any = SOURCES[name]()
    source, wire = bench.offline(), msgspec.json.decode(bench.sample())
    key = next(key for key in ("production_order_id", "order_id", "id") if key in wire)
    with pytest.raises(Unmappable, match="unreadable order"):
        source.to_order(msgspec.json.encode({**wire, key: order_id}))
