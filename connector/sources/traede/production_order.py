"""
Maps Traede's production order to the canonical order.

Seed 002 names the nested resources; the fields are those of the core API's production order object (vendors.md section
2). Two resources change their spelling between request and response (vendors.md 6, seeds 001/002, #10); they are
accepted under each name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal
from zoneinfo import ZoneInfo

from connector.errors import Unmappable
from connector.order import Contact, Customer, Line, Order
from connector.sources.parsing import whole_number_id
from connector.sources.traede import wire
from connector.sources.traede.order import NOBODY, ZONE, article, cancelled, code, listed_lines
from connector.sources.traede.parsing import day, first, moment, named, number, rows

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
"""The keys of the id; a mark calls it `production_order_id`."""


def to_order(source: str, raw: bytes, zone: ZoneInfo = ZONE) -> Order:
    """
    Map one production order to the canonical order. Pure; raises `Unmappable` and nothing else.

    - The customer is the supplier with whom the order is placed: each is the other party.
    - A line's quantity is the ordered one, not the progress, which changes while nothing else does.
    - Comments for the supplier are the notes; internal ones are metadata.
    - There is no delivery address: the vendor's object has none.
    """
    return _order(source, raw, wire.decode(wire.Production, raw), zone)


def _order(source: str, raw: bytes, found: wire.Production, zone: ZoneInfo) -> Order:
    key = whole_number_id(first(found.production_order_id, found.id))
    if key is None:
        raise Unmappable("unreadable order", "the id is not a number from 1 to 2^63-1")
    supplier = found.supplier or NOBODY
    orders = rows(found.salesOrders, found.sales_orders, found.orders)
    notes = rows(found.deliveryNotes, found.delivery_notes)
    metadata = {
        "status": found.status or "",
        "internal_comments": found.internal_comments or "",
        "sales_orders": _listed(orders, "order_number", "order_id", "id"),
        "delivery_notes": _listed(notes, "delivery_note_number", "number", "delivery_note_id", "id"),
    }
    return Order(
        source=source,
        order_id=key,
        kind="production",
        reference=found.production_order_number or key,
        created_at=moment("created_at", found.created_at),
        currency=code(found.currency, found.currency_code) or code(supplier.currency),
        customer=Customer(
            id=found.supplier_id or supplier.supplier_id or supplier.id or "",
            name=supplier.name or supplier.company or supplier.company_name or "",
            vat_number=supplier.vat_number or supplier.vat_no or supplier.vat or supplier.cvr or "",
            email=supplier.email or "",
            phone=supplier.phone or "",
        ),
        contact=Contact(
            name=supplier.contact_person or supplier.contact_name or supplier.contact or "",
            email=supplier.email or "",
            phone=supplier.phone or "",
        ),
        lines=tuple([_line(each) for each in listed_lines(found)]),
        notes=found.external_comments or "",
        requested_delivery_date=day("expected_delivery", zone, found.expected_delivery),
        cancelled=cancelled(found),
        metadata={name: value for name, value in metadata.items() if value},
        raw=raw,
    )


def _line(line: wire.Line) -> Line:
    quantity = number("lines.ordered", line.ordered, line.quantity)
    return article(line, quantity, number("lines.unit_price", line.unit_price))


def _listed(found: Sequence[Any], *names: str) -> str:
    """Return the names of nested objects, or bare ids, as one text."""
    called = [named(each, *names) if isinstance(each, dict) else named({"id": each}, "id") for each in found]
    return ", ".join([name for name in called if name])
