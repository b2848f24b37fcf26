"""
Orders in their vendors' form that were once mapped wrongly (tests/cases/orders.json), and the requests expected for
them.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from connector.clients.ewarehousing.requests import encode
from connector.errors import Unmappable
from connector.mapping.money import exact
from connector.mapping.plain import plain_order
from connector.order import Order
from connector.receivers.ewarehousing.mapping import PICKUP, create_order
from connector.sources.propeller import order as propeller_order
from connector.sources.traede import order as traede_order
from tests.mapping.leaves import absent
from tests.sources.zendera import bench as zendera_bench

CASES = {
    case["name"]: case for case in msgspec.json.decode((Path(__file__).parents[1] / "cases/orders.json").read_bytes())
}

_read = msgspec.json.Decoder(float_hook=exact).decode

LINE = {"article_code": "A-1", "quantity": 1, "price": 1000}
REQUESTS: dict[str, dict[str, Any]] = {
    "cash_on_delivery": {
        "currency": "NOK",
        "meta_data": {
            "cash_on_delivery_amount": "1250.50",
            "cash_on_delivery_currency": "NOK",
            "cash_on_delivery_reference": "KID 123",
        },
    },
    "attention_beside_names": {
        "shipping_contactperson": "Bo Ek",
        "shipping_address": {"addressed_to": "Bo Ek", "street2": "c/o Hansen"},
    },
    "country_uk": {"shipping_address": {"country": "GB", "zipcode": "SW1A 1AA"}},
    "free_gift": {"order_lines": [LINE, {"article_code": "GIFT", "quantity": 1, "price": 0}]},
    "unit_price_below_a_cent": {
        "order_lines": [{"article_code": "SCREW", "quantity": 10000, "price": Decimal("0.45")}],
        "order_amount": 5445,
    },
    "date_stated_in_utc": {"requested_delivery_date": "2026-07-01"},
    "postal_code_as_number": {"shipping_address": {"zipcode": "01067", "country": "DE"}},
    "notes_of_lines_and_addresses": {
        "order_lines": [{**LINE, "meta_data": {"notes": "Graveren: Voor Oma"}}],
        "meta_data": {"delivery_notes": "Poort 3"},
        "customer_note": "Bel aan",
    },
    "sender_instructions_second_contact": {
        "shipping_contactperson": "Kari Moe",
        "shipping_address": {"phone_number": "+4700000003"},
        "meta_data": {"sender_notes": "Port 4, kode 1234", "contact_2_name": "Ola Moe"},
    },
    "order_meta_of_any_type": {
        "meta_data": {
            "order_meta_rush": "true",
            "order_meta_tags_1": "fragile",
            "order_meta_delivery_method": "pickup",
            "order_meta_gift": "yes",
        }
    },
    "comment_fields": {"customer_note": "Ring først\nLevér bagindgang\nGavepapir"},
    "second_address_line": {"shipping_address": {"street": "Dam 1", "street2": "Gebouw C, 3e etage, app. 12"}},
    "second_address_line_traede": {"shipping_address": {"street": "Søndergade 4", "street2": "Baghuset, 2. sal th"}},
    "country_without_postal_codes": {"shipping_address": {"country": "CW", "zipcode": None}},
    "dropshipment_phone": {
        "shipping_address": {"addressed_to": "Bos", "phone_number": None},
        "meta_data": {"invoice_name": "Dropshipper B.V.", "invoice_phone": "+31200000000"},
    },
    "customer_po": {"po_number": "PO 9117", "meta_data": {"reference": "10201"}},
    "created_at_only": {
        "requested_delivery_date": "2026-06-11",
        "meta_data": {"created_at": "2026-06-10T09:00:00+00:00"},
    },
    "ean_only": {"order_lines": [{"article_code": "8712345678906", "description": "Lamp", "price": 100}]},
}
"""The request to eWarehousing by the default mapping; None marks keys that are not sent."""
HELD = {
    "unknown_row_class": "unknown row class: configuration",
    "pickup_and_request_date": PICKUP,
}


def order_of(name: str) -> Order:
    """Return the canonical form of a case."""
    case = CASES[name]
    if case["source"] == "zendera":
        return zendera_bench.offline().to_order(msgspec.json.encode(case["order"]))
    raw = msgspec.json.encode(case["order"])
    return (
        propeller_order.to_order("shop", raw) if case["source"] == "propeller" else traede_order.to_order("shop", raw)
    )


def differences(expected: Any, found: Any, path: str = "") -> list[str]:
    """Return the places where `found` differs; additional keys are accepted, additional list elements are not."""
    if isinstance(expected, dict) and isinstance(found, dict):
        return [each for key, part in expected.items() for each in differences(part, found.get(key), f"{path}.{key}")]
    if isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        pairs = zip(expected, found, strict=True)
        return [
            each for number, (one, other) in enumerate(pairs) for each in differences(one, other, f"{path}[{number}]")
        ]
    return [] if expected == found else [f"{path}: expected {expected!r}, sent {found!r}"]


def test_every_case_is_here() -> None:
    """Each is either sent or held."""
    assert sorted(CASES) == sorted({*REQUESTS, *HELD})


@pytest.mark.fault(147)
@pytest.mark.parametrize("name", REQUESTS)
def test_a_case_is_sent_as_it_must_be(name: str) -> None:
    """The default mapping sends all of the order, and so does its plain form."""
    order = order_of(name)
    request = _read(encode(create_order(order)))
    assert differences(REQUESTS[name], request) == []
    assert absent(order, request) == []
    plain = _read(msgspec.json.encode(plain_order(order)))
    assert absent(order, plain) == []
    assert len(plain["lines"]) == len(request["order_lines"]) == len(order.lines)


@pytest.mark.parametrize("name", HELD)
def test_a_case_is_held_under_its_cause(name: str) -> None:
    """An order is held rather than sent without a part of it."""
    with pytest.raises(Unmappable) as caught:
        create_order(order_of(name))
    assert caught.value.cause == HELD[name]


def test_a_unit_price_in_units_has_its_fraction_of_a_cent() -> None:
    """The exact number: not rounded, not a float, without an exponent."""
    request = encode(create_order(order_of("unit_price_below_a_cent"), line_price="units"))
    assert b'"price":0.0045' in request


def test_a_pick_up_order_says_so_in_its_plain_form() -> None:
    """Method, place, carrier, date and a single delivery; the warehouse gets them together with a shipping method."""
    plain = _read(msgspec.json.encode(plain_order(order_of("pickup_and_request_date"))))
    expected = {
        "delivery_method": "PICKUP",
        "pickup_location": "12",
        "carrier": "DHL",
        "partial_delivery": False,
        "requested_delivery_date": "2026-07-20",
    }
    assert differences(expected, plain) == []
