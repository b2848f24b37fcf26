"""
Traede's production order as it comes over the wire, and the canonical order that it becomes.

Seed 002 names the nested resources; the fields are those of the core API's production order object (vendors.md
section 2). The two resources whose names change their spelling on the way (vendors.md 6, seeds 001/002, #10) are found
under each of them.
"""

from __future__ import annotations

from typing import Any, Literal

from connector.errors import Unmappable
from connector.order import Contact, Customer, Line, Order
from connector.sources.traede_order import article, cancelled, code, listed_lines
from connector.sources.traede_reading import Wire, day, decoded, first, moment, number, order_id, part, rows, text

__all__ = ["ID_KEYS", "Include", "to_order"]

Include = Literal[
    "deliveryNotes",
    "lines",
    "lines.product",
    "lines.variant",
    "salesOrders",
    "salesOrders.delivery",
    "salesOrders.lines",
    "salesOrders.lines.product",
    "salesOrders.lines.variant",
    "salesOrders.shop",
    "supplier",
]
"""The nested resources of seed 002."""

ID_KEYS = ("production_order_id", "id")
"""Where the id is; the mark calls it `production_order_id`."""


def to_order(source: str, raw: bytes) -> Order:
    """
    Turn one production order into the canonical form. Pure; raises `Unmappable` and nothing else.

    The supplier, with whom the order is placed, stands in the customer's place: both are the other party. The
    quantity of a line is what was ordered, and not how far it has come: that changes while nothing else does. What is
    to be said to the supplier are the notes; what is not goes to the metadata. There is no delivery address: the
    vendor's object has none.
    """
    wire = decoded(raw)
    found = order_id(first(wire, *ID_KEYS))
    if found is None:
        raise Unmappable("unreadable order", "the id is not a number from 1 to 2^63-1")
    supplier = part(wire, "supplier")
    metadata = {
        "status": text(wire, "status"),
        "internal_comments": text(wire, "internal_comments"),
        "sales_orders": _named(rows(wire, "salesOrders", "sales_orders", "orders"), "order_number", "order_id", "id"),
        "delivery_notes": _named(
            rows(wire, "deliveryNotes", "delivery_notes"), "delivery_note_number", "number", "delivery_note_id", "id"
        ),
    }
    return Order(
        source=source,
        order_id=found,
        kind="production",
        reference=text(wire, "production_order_number") or found,
        created_at=moment(wire, "created_at"),
        currency=code(wire, "currency", "currency_code") or code(supplier, "currency"),
        customer=Customer(
            id=text(wire, "supplier_id") or text(supplier, "supplier_id", "id"),
            name=text(supplier, "name", "company", "company_name"),
            vat_number=text(supplier, "vat_number", "vat_no"),
        ),
        contact=Contact(
            name=text(supplier, "contact_person", "contact_name", "contact"),
            email=text(supplier, "email"),
            phone=text(supplier, "phone"),
        ),
        lines=tuple(_line(each) for each in listed_lines(wire)),
        notes=text(wire, "external_comments"),
        requested_delivery_date=day(wire, "expected_delivery"),
        cancelled=cancelled(wire),
        metadata={key: value for key, value in metadata.items() if value},
        raw=raw,
    )


def _line(line: Wire) -> Line:
    quantity = number(line, "lines.ordered", "ordered", "quantity")
    return article(line, quantity, number(line, "lines.unit_price", "unit_price"))


def _named(found: Any, *names: str) -> str:
    """Return what the nested objects are called, in a row; a list of bare ids is one, too."""
    called = (text(each, *names) if isinstance(each, dict) else text({"id": each}, "id") for each in found)
    return ", ".join(name for name in called if name)
