"""The client of eWarehousing decodes responses: both spellings, any type, unknown keys (seed 004)."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from connector.clients.ewarehousing.responses import DocumentRecord, LineRecord, OrderRecord, ShipmentRecord, Variant


def test_both_spellings_are_read() -> None:
    """Where the documents spell a name in two ways, either fills both attributes (vendors.md 6/004 #6)."""
    for pair in (("is_business_to_business", "business_to_business"), ("inco_terms", "incoterms")):
        for name in pair:
            value: Any = True if "business" in name else "DAP"
            order = read({name: value}, OrderRecord)
            assert [getattr(order, one) for one in pair] == [value, value]
    for name in ("is_shipping_label", "shipping_label"):
        document = read({name: False}, DocumentRecord)
        assert (document.is_shipping_label, document.shipping_label) == (False, False)
    for name in ("order_price", "orderPrice"):
        assert read({name: 115}, DocumentRecord).order_price == 115
    for name in ("meta_data", "order_line_meta_data"):
        assert read({name: {"a": "b"}}, LineRecord).pairs == {"a": "b"}
    for name in ("shipment_labels", "labels"):
        shipment = read({name: [{"tracking_code": "3S"}]}, ShipmentRecord)
        assert [label.tracking_code for label in shipment.shipment_labels or ()] == ["3S"]


def test_answers_are_read_with_an_open_mind() -> None:
    """Unknown fields, ids as numbers, null for nothing, an empty object as PHP writes it, a variant by its id."""
    order = read(
        {
            "id": 5,
            "external_id": None,
            "surprise": [{}],
            "meta_data": [],
            "shipping_address": None,
            "order_lines": [{"variant": "v-1", "quantity": "7", "serial_numbers": [12], "meta_data": {"n": 2**80}}],
        },
        OrderRecord,
    )
    assert (order.id, order.external_id, order.status) == ("5", "", "")
    assert (order.meta_data, order.pairs) == ({}, {})
    assert order.order_lines is not None
    (line,) = order.order_lines
    assert line.article == Variant(id="v-1")
    assert line.quantity == 7
    assert line.pairs == {"n": str(2**80)}


def read(content: Any, kind: Any) -> Any:
    """Return `content` as it is read off the wire; json writes 2**80, where msgspec does not."""
    return msgspec.json.decode(json.dumps(content), type=kind)
