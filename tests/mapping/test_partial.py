"""The default mapping need not be able to map parts that a mapping replaces, for each receiver that maps in parts."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from connector.clients.ewarehousing.requests import encode
from connector.clock import SystemClock
from connector.errors import Unmappable
from connector.mapping.mapper import mapper
from connector.mapping.partial import MissingPart, missing_parts
from connector.order import Address, Document, Line, Order, Totals
from connector.receivers import RECEIVERS
from connector.receivers.base import SupportsPartialMapping
from connector.receivers.ewarehousing.receiver import EwarehousingReceiver
from connector.receivers.ewarehousing.settings import EwarehousingSettings
from connector.receivers.file.receiver import FileReceiver
from connector.receivers.file.settings import FileSettings
from connector.receivers.webhook.receiver import WebhookReceiver
from connector.receivers.webhook.settings import WebhookSettings
from connector.settings.values import Secret, Url
from tests.contracts.receiver_harness import EXAMPLE, mutated

SECRET = Secret("whsec_c2FuZGJveC1zZWNyZXQtb2YtdGhlLXN0YW5kLWlu")
PLAIN = ("webhook", "file")
ADDRESS = {"addressed_to": "V", "street": "Dam", "city": "Amsterdam", "country": "NL"}
LINES = {"each": "=lines", "do": {"article_code": "=item.sku", "quantity": 1, "description": "=item.name"}}


def receiver(kind: str) -> Any:
    """Return a receiver of this type; it makes no calls."""
    if kind == "webhook":
        return WebhookReceiver("erp", WebhookSettings(url=Url("http://127.0.0.1:1"), secret=SECRET), SystemClock())
    if kind == "file":
        return FileReceiver("archive", FileSettings(path="orders.jsonl"), SystemClock())
    keys: dict[str, Any] = {"username": "u", "password": SECRET, "wms_code": "DEV", "customer_code": "C"}
    return EwarehousingReceiver("warehouse", EwarehousingSettings(**keys), SystemClock())


def sent(kind: str, tree: dict[str, Any], order: Order) -> dict[str, Any]:
    """Return the request that this mapping makes."""
    made = receiver(kind)
    body = mapper(tree, made.request, made.default, {}, made.partial)(order)
    found: dict[str, Any] = msgspec.json.decode(body)
    return found


def held(kind: str, tree: dict[str, Any], order: Order) -> str:
    """Return the cause under which the order is held."""
    with pytest.raises(Unmappable) as caught:
        sent(kind, tree, order)
    return caught.value.cause


def changed(**more: Any) -> Order:
    """Return the example order with changes."""
    return replace(EXAMPLE, **more)


def elsewhere(**more: Any) -> Order:
    """Return the example order with changes in its delivery address."""
    assert EXAMPLE.delivery_address is not None
    return changed(delivery_address=replace(EXAMPLE.delivery_address, **more))


@pytest.mark.parametrize("kind", sorted(RECEIVERS))
def test_every_receiver_maps_in_parts(kind: str) -> None:
    """For a complete order the parts are the whole; for others there are missing parts, and never an error."""
    made = receiver(kind)
    parted: object = made
    assert isinstance(parted, SupportsPartialMapping)
    whole = 0
    for order in mutated():
        try:
            mapped: Any = msgspec.json.decode(encode(made.default(order)))
        except Unmappable:
            mapped = None
        try:
            parts = made.partial(order)
        except Unmappable:
            assert mapped is None
            continue
        if not list(missing_parts(parts)) and mapped is not None:
            whole += 1
            assert msgspec.json.decode(encode(msgspec.convert(parts, made.request))) == mapped
    assert whole > 50


@pytest.mark.parametrize(
    ("order", "tree"),
    [
        (elsewhere(postal_code=""), {"shipping_address": {"zipcode": "1015AA"}}),
        (elsewhere(postal_code=""), {"shipping_address": {"zipcode": None}}),
        (elsewhere(country="Nederland"), {"shipping_address": {"country": "NL"}}),
        (elsewhere(street="", city=""), {"shipping_address": {"street": "Dam", "city": "=default(notes, 'A')"}}),
        (changed(delivery_address=None), {"shipping_address": ADDRESS}),
        (changed(delivery_address=None), {"shipping_address": ADDRESS, "shipping_contactperson": "W"}),
        (changed(lines=(Line(sku="A", name="n", quantity=Decimal("1.5")),)), {"order_lines": LINES}),
        (changed(lines=(Line(sku="A", name="n"),)), {"order_lines": {"when": "=lines", **LINES}}),
        (changed(currency="EURO"), {"currency": "EUR", "order_amount": 5}),
        (changed(currency="EURO"), {"currency": None}),
        (changed(totals=Totals(including_tax=Decimal("1E+40"))), {"order_amount": "=`5`"}),
        (changed(created_at=None, requested_delivery_date=None), {"requested_delivery_date": "2026-04-18"}),
    ],
)
def test_what_is_replaced_for_the_warehouse_need_not_be_there(order: Order, tree: dict[str, Any]) -> None:
    """
    Without `defaults: false`: the order is held without the mapping, and with
    it all other parts are the default's.
    """
    assert held("ewarehousing", {}, order)
    found = sent("ewarehousing", tree, order)
    usual = sent("ewarehousing", {}, EXAMPLE)
    assert {key for key in usual if found.get(key) != usual[key]} <= {
        *tree,
        "order_amount",
        "order_lines",
        "shipping_email",
        "meta_data",  # which says what the fields do not
    }


@pytest.mark.parametrize("kind", PLAIN)
@pytest.mark.parametrize(
    ("order", "tree"),
    [
        (changed(created_at=datetime(2026, 3, 24)), {"created_at": None}),  # noqa: DTZ001 - on purpose
        (changed(cash_on_delivery=Decimal("1E+40")), {"cash_on_delivery": "5"}),
        (changed(totals=replace(EXAMPLE.totals, tax=Decimal("1E+40"))), {"totals": {"tax": "0"}}),
        (changed(lines=(Line(quantity=Decimal("1E+40")),)), {"lines": []}),
    ],
)
def test_what_is_replaced_in_a_plain_order_need_not_be_there(kind: str, order: Order, tree: dict[str, Any]) -> None:
    """As for the warehouse; parts that are not replaced stay, including the other totals."""
    assert held(kind, {}, order)
    found, usual = sent(kind, tree, order), sent(kind, {}, EXAMPLE)
    assert {key for key in usual if found.get(key) != usual[key]} <= {*tree}
    assert found["totals"]["including_tax"] == usual["totals"]["including_tax"]


@pytest.mark.parametrize(
    ("order", "tree", "cause"),
    [
        (elsewhere(postal_code=""), {"note": "x"}, "missing field: shipping_address.zipcode"),
        (elsewhere(postal_code=""), {"shipping_address": {"city": "A"}}, "missing field: shipping_address.zipcode"),
        (
            elsewhere(postal_code=""),
            {"note": "=mapped.shipping_address.zipcode"},
            "missing field: shipping_address.zip",
        ),
        (changed(delivery_address=None), {"shipping_address": {"city": "A"}}, "missing field: shipping_address"),
        (changed(delivery_address=None), {"shipping_address": {}}, "missing field: shipping_address"),
        (changed(delivery_address=None), {"shipping_address": "=mapped.shipping_address"}, "missing field: shipping_a"),
        (changed(lines=()), {"order_lines": {"when": "=lines", **LINES}}, "missing field: order_lines"),
        (changed(lines=()), {"order_lines": LINES}, "missing field: order_lines"),
        (changed(currency="EURO"), {"currency": "=reference"}, "not what the receiver takes: currency"),
        (changed(lines=(), currency="?"), {"order_lines": [], "order_amount": "=mapped.currency"}, "not an ISO 4217"),
        (changed(currency="?"), {"note": "=to_string(mapped)"}, "mapping failed: note"),
    ],
)
def test_what_is_needed_holds_the_order(order: Order, tree: dict[str, Any], cause: str) -> None:
    """A part that nothing replaces, or that an expression reads, holds the order under the default's own cause."""
    assert held("ewarehousing", tree, order).startswith(cause)


def test_what_no_mapping_replaces() -> None:
    """An id that cannot be a webhook-id is in a header, not in the mapped request."""
    assert held("webhook", {"order_id": "1"}, changed(order_id="1 2")) == "id cannot be sent"


def test_documents_survive(tmp_path: Path) -> None:
    """The rest of a plain order is the same with and without missing parts."""
    order = changed(documents=(Document(title="label", content=b"%PDF"),), lines=(Line(quantity=Decimal("NaN")),))
    found = sent("file", {"lines": []}, order)
    assert found["documents"] == [{"title": "label", "content": "JVBERg=="}]


def test_a_receiver_without_parts_is_as_it_was() -> None:
    """Its default mapping decides about the hold."""
    made = receiver("ewarehousing")
    with pytest.raises(Unmappable, match="missing field: order_lines"):
        mapper({"order_lines": []}, made.request, made.default)(changed(lines=()))


def test_holes_are_found_wherever_they_are() -> None:
    """In lists and mappings, each with its path."""
    hole = MissingPart(Unmappable("x"))
    found = dict(missing_parts({"a": hole, "b": {"c": [1, hole]}, "d": Address().city}))
    assert found == {"a": hole, "b.c.1": hole}
