"""Every leaf of the vendors' own examples, and of every field that their documents name, is in the canonical order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from connector.mapping.iso_codes import country_code
from connector.order import Order
from connector.sandbox.propeller.orders import seed_order
from connector.sandbox.server import encode
from connector.sandbox.traede.orders import production_orders, traede_orders
from connector.sandbox.zendera.shipments import seed_shipment
from connector.sources.ewarehousing import order as ewarehousing_order
from connector.sources.propeller import order as propeller_order
from connector.sources.traede import order as traede_order
from connector.sources.traede import production_order
from connector.sources.zendera import order as zendera_shipment
from tests.clients.ewarehousing.seed import RETRIEVE

OSLO = ZoneInfo("Europe/Oslo")


def _zendera(*shipments: dict[str, Any]) -> Order:
    raw = encode({"orderId": str(shipments[0]["orderId"]), "shipments": list(shipments)})
    return zendera_shipment.to_order("transport", raw, zone=OSLO)


DOCUMENTED_PROPELLER: dict[str, Any] = {
    **seed_order(),
    "reference": "WEB-7",
    "remarks": "Bel aan",
    "postageData": {
        **seed_order()["postageData"],
        "pickUpLocationId": 12,
        "requestDate": "2026-07-20T00:00:00Z",
        "carrier": "DHL",
    },
    "items": [
        {**seed_order()["items"][0], "notes": "Graveren", "eanCode": "8712345678906", "isBonus": "Y"},
        {"id": 9, "class": "surcharge", "sku": "FUEL", "name": "Brandstof", "quantity": 1, "price": "3.5"},
    ],
    "addresses": [
        {
            "type": kind,
            "company": f"{kind} company",
            "firstName": f"{kind} first",
            "middleName": f"{kind} middle",
            "lastName": f"{kind} last",
            "street": f"{kind} street",
            "number": f"{kind} number",
            "numberExtension": f"{kind} extension",
            "street2": f"{kind} street2",
            "extra": f"{kind} extra",
            "postalCode": f"{kind} code",
            "city": f"{kind} city",
            "region": f"{kind} region",
            "country": "NL",
            "email": f"{kind}@example.com",
            "phone": f"{kind} phone",
            "mobile": f"{kind} mobile",
            "notes": f"{kind} notes",
        }
        for kind in ("delivery", "invoice", "home")
    ],
}
ADDRESS_OF_TRAEDE = {
    "company": "company",
    "first_name": "Bo",
    "last_name": "Ek",
    "attention": "c/o Hansen",
    "address": "Søndergade 4",
    "address2": "Baghuset",
    "street2": "2. sal th",
    "zip": "8000",
    "city": "Aarhus C",
    "state": "Jylland",
    "country": "DK",
    "email": "bo@example.com",
    "phone": "+45 1",
    "mobile": "+45 2",
}
DOCUMENTED_TRAEDE: dict[str, Any] = {
    **traede_orders(1)[0],
    "delivery_address": ADDRESS_OF_TRAEDE,
    "invoice_address": {**ADDRESS_OF_TRAEDE, "city": "Odense"},
    "customer": {"vat_number": "DK12345678", "email": "kunde@example.com", "phone": "+45 3", "contact_person": "Kim"},
    "order_meta": {"rush": True, "tags": ["fragile"], "delivery": {"method": "pickup"}},
    "external_comments": "Ring først",
    "comments": "Bagindgang",
    "internal_comments": "Rabat givet",
}
DOCUMENTED_ZENDERA: dict[str, Any] = {
    **seed_shipment(),
    "sender": {**seed_shipment()["sender"], "instructions": "Port 4, kode 1234"},
    "status": "DISPATCHED",
}
EXAMPLES: dict[str, tuple[dict[str, Any], Callable[[], Order]]] = {
    "seed 000": (seed_order(), lambda: propeller_order.to_order("shop", encode(seed_order()))),
    "propeller": (DOCUMENTED_PROPELLER, lambda: propeller_order.to_order("shop", encode(DOCUMENTED_PROPELLER))),
    "traede": (DOCUMENTED_TRAEDE, lambda: traede_order.to_order("wholesale", encode(DOCUMENTED_TRAEDE))),
    "seed 003": (seed_shipment(), lambda: _zendera(seed_shipment())),
    "zendera": (DOCUMENTED_ZENDERA, lambda: _zendera(DOCUMENTED_ZENDERA)),
    "seed 004": (msgspec.json.decode(RETRIEVE), lambda: ewarehousing_order.to_order("warehouse", RETRIEVE)),
}
SAID_OTHERWISE = {
    "seed 000": {
        "total.discountType": "an amount is in totals.discount",
        "addresses.type": "they are the delivery and the invoice address",
    },
    "traede": {
        "approved_at": "an order that is approved moves on by itself, and is no other order",
        "updated_at": "likewise",
    },
    "seed 003": {"references.type": "it is in the name of the metadata"},
    "zendera": {"references.type": "it is in the name of the metadata"},
    "propeller": {
        "total.discountType": "an amount is in totals.discount",
        "items.class": "it is in the names of the metadata",
        "addresses.type": "it is in the names of the metadata",
    },
}
"""Leaves whose value is a field of the canonical order, and not a text."""


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each leaf with a value, and the path to it."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from leaves(each, f"{path}.{key}".lstrip("."))
    elif isinstance(value, list):
        for each in value:
            yield from leaves(each, path)
    elif value not in (None, ""):
        yield path, value


def told(value: Any) -> Iterator[Any]:
    """Yield all values of the canonical order, without `raw`."""
    if isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            if name != "raw":
                yield from told(getattr(value, name))
    elif isinstance(value, dict):
        for each in value.values():
            yield from told(each)
    elif isinstance(value, tuple):
        for each in value:
            yield from told(each)
    elif value is not None:
        yield value


def carried(leaf: Any, texts: set[str], numbers: set[Decimal], days: set[date]) -> bool:
    """Return whether a leaf is there, in any form: a number's value, a time's instant or its day, a part of a text."""
    text = str(leaf).lower() if isinstance(leaf, bool) else str(leaf)
    if text in ("Y", "N") or country_code(text) in texts or any(text.strip() in each for each in texts):
        return True
    try:
        return Decimal(text) in numbers or Decimal(text) / 100 in numbers
    except InvalidOperation:
        pass
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return False
    return at.isoformat() in texts or at.date() in days or at.strftime("%Y-%m-%dT%H:%M:%S") in "\n".join(texts)


@pytest.mark.fault(147)
@pytest.mark.parametrize("name", EXAMPLES)
def test_every_leaf_is_somewhere(name: str) -> None:
    """One that appears nowhere is lost to every receiver; `raw` does not count."""
    wire, read = EXAMPLES[name]
    found = list(told(read()))
    texts = {each.isoformat() if isinstance(each, datetime) else str(each) for each in found}
    numbers = {each for each in found if isinstance(each, Decimal)}
    for each in found:
        if isinstance(each, str):
            try:
                numbers.add(Decimal(each))
            except InvalidOperation:
                continue
    days = {each for each in found if type(each) is date}
    known = SAID_OTHERWISE.get(name, {})
    lost = [
        (path, leaf) for path, leaf in leaves(wire) if path not in known and not carried(leaf, texts, numbers, days)
    ]
    assert not lost


@pytest.mark.fault(147)
def test_a_production_order_keeps_its_goods() -> None:
    """Quantities and supplier; how far it has come changes by itself, and is no content."""
    wire = production_orders(1)[0]
    order = production_order.to_order("production", encode(wire))
    assert [line.quantity for line in order.lines] == [Decimal(line["ordered"]) for line in wire["lines"]]
