"""Every place where a receiver reads an answer of the other side."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import aclosing
from functools import partial
from typing import Any

import msgspec

from connector.clients.ewarehousing.client import EwarehousingClient
from connector.clock import SystemClock
from connector.order import Document
from connector.receivers.base import Delivery, Receipt
from connector.receivers.webhook.receiver import WebhookReceiver
from connector.receivers.webhook.success import SuccessSettings
from connector.registry import receiver_types
from connector.sandbox.server import encode
from connector.settings.values import Secret, Url
from tests.clients.ewarehousing import seed
from tests.fuzz.feeding import BASE, called, warehouse
from tests.fuzz.sources import SESSION
from tests.fuzz.target import Line, Target
from tests.receivers.ewarehousing.bench import CREATED, DELIVERY, LISTED

__all__ = ["receivers"]

RECEIPT = Receipt(id=str(CREATED["id"]), reference="ORD00000005939")
TITLE = str(msgspec.json.decode(seed.DOCUMENT_LIST)[0]["title"])
PDF = b"%PDF"
WHEN = "=starts_with(status, 'acc') && length(results[?created]) == `1` && sum([left, `0`]) == `0`"
"""Functions that fail for a value other than a text, a list or a number."""


def receivers() -> Iterator[Target]:
    """Yield the targets of every receiver that is called."""
    yield from _warehouse()
    yield from _webhook()


def _warehouse() -> Iterator[Target]:
    def wms(line: Line) -> Any:
        receiver = warehouse()
        line.join(receiver.endpoint)
        return receiver

    def usual(**often: bytes) -> Line:
        return Line({"/auth/login/": SESSION, "/auth/refresh/": SESSION}, often)

    refusal = encode({"errors": {"0": "No.", "externalReference": ["Reference is not unique"]}, "message": "no"})
    listed, created = encode([LISTED, {**LISTED, "id": "order-2", "external_id": "order-2"}]), encode(CREATED)
    whole = {**msgspec.json.decode(seed.RETRIEVE), **CREATED}
    whole["order_lines"][0]["quantity"] = 2  # as it is sent
    shown, changed = encode(whole), encode({**whole, "note": "as it was before"})
    cancelled = encode({**CREATED, "status": "cancelled"})
    shipments = [{"id": "s", "order_external_reference": ["WEB-10001"], "shipment_labels": [{"label_code": 1}]}]
    documents, missing = seed.DOCUMENT_LIST, [Document(title=TITLE, content=PDF), Document(title="new", content=PDF)]
    many, one = [f"order-{number}" for number in range(12)], f"/wms/orders/{RECEIPT.id}/"
    # What is called, the documented answers, and those that come before or after it.
    calls: dict[str, tuple[Callable[[Any], Any], tuple[bytes, ...], Line]] = {
        "find": (lambda r: r.find("order-10001"), (listed, refusal), usual()),
        "find many": (lambda r: r.find_many(many), (listed, refusal), usual()),
        "create": (lambda r: r.create(DELIVERY), (created, refusal), usual()),
        "update": (lambda r: r.update(RECEIPT, DELIVERY), (shown,), usual()),
        "update of another": (
            lambda r: r.update(RECEIPT, DELIVERY),
            (created, changed, refusal),
            usual(**{f"GET {one}": changed, f"PATCH {one}": created}),
        ),
        "cancel": (lambda r: r.cancel(RECEIPT), (created, cancelled, refusal), usual()),
        "cancel of another": (
            lambda r: r.cancel(RECEIPT),
            (created, cancelled, refusal, b"{}"),
            usual(**{f"GET {one}": created, "/cancel/": b""}),
        ),
        "attach": (lambda r: r.attach(RECEIPT, missing[:1]), (documents,), usual()),
        "attach another": (
            lambda r: r.attach(RECEIPT, missing),
            (documents, seed.DOCUMENT, refusal),
            usual(**{f"GET {one}documents/": documents, "POST /documents/": seed.DOCUMENT}),
        ),
        "progress": (lambda r: r.progress([RECEIPT]), (created,), usual()),
        "progress of many": (lambda r: r.progress([Receipt(id=each) for each in many]), (listed,), usual()),
        "check": (lambda r: r.check(), (listed,), usual()),
        "shipments": (lambda r: r._client.shipments(["WEB-10001"]), (encode(shipments),), usual()),
        "scan": (lambda r: _scanned(r._client), (listed,), usual()),
        "get": (lambda r: r._client.get("1"), (seed.RETRIEVE,), usual()),
        "document": (lambda r: r._client.document("1"), (seed.DOCUMENT,), usual()),
        "document of an order": (lambda r: r._client.order_document("1", "2"), (seed.DOCUMENT,), usual()),
    }
    for name, (call, samples, line) in calls.items():
        receiver = wms(line)
        yield called(f"ewarehousing.{name}", line, receiver.endpoint, partial(call, receiver), *samples)
    for name, path in (("login", "/auth/refresh/"), ("refresh", "/auth/login/")):
        line = Line({path: SESSION} if name == "refresh" else {})
        receiver = wms(line)
        session = receiver._client._transport._session

        async def fetch(session: Any = session, refresh: bool = name == "refresh") -> object:
            session._refresh_token = "refresh-1" if refresh else ""
            return await session.fetch()

        yield called(f"ewarehousing.{name}", line, receiver.endpoint, fetch, SESSION)


async def _scanned(client: EwarehousingClient) -> list[object]:
    async with aclosing(client.scan()) as orders:
        return [order async for order in orders]


def _webhook() -> Iterator[Target]:
    kind = receiver_types()["webhook"].settings
    own = kind(url=BASE, secret=Secret("s" * 24), find_url=Url("https://vendor.example/find"))
    delivery = Delivery("shop-1", b"{}")
    record = encode({"external_id": "shop-1", "id": 5, "status": "received"})
    taken = encode({"status": "accepted", "results": [{"external_id": "shop-1", "id": 5, "created": True}], "left": 0})
    picky = msgspec.structs.replace(own, success=SuccessSettings(status=[200, 201], when=WHEN))
    for name, call, samples in (
        ("create", lambda r: r.create(delivery), (record,)),
        ("create by success.when", lambda r: r.create(delivery), (taken,)),
        ("check", lambda r: r.check(), (encode([{"external_id": "connector-check", "id": 7}]), record)),
        ("find", lambda r: r.find("shop-1"), (record, encode([{"external_id": "shop-1", "id": "x"}]))),
    ):
        settings = picky if name.endswith("when") else own
        receiver, line = WebhookReceiver("erp", settings, SystemClock()), Line()
        yield called(f"webhook.{name}", line, receiver.endpoint, partial(call, receiver), *samples)
