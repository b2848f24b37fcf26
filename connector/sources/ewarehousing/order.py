"""Maps eWarehousing's order (seed 004) to the canonical order."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from connector.clients.ewarehousing.responses import AddressRecord, LineRecord, OrderRecord
from connector.errors import Unmappable
from connector.mapping.iso_codes import read_country
from connector.mapping.money import decimals, exact
from connector.order import Address, Contact, Customer, Line, Order, Totals
from connector.sources.parsing import day_on, number_of, number_text, present, scalar_text

__all__ = ["CANCELLED", "TIMEZONE", "to_order"]

CANCELLED = frozenset({"cancelled", "canceled"})

TIMEZONE = "Europe/Amsterdam"
"""The calendar on which an instant becomes a day, unless the settings name another."""
ZONE = ZoneInfo(TIMEZONE)
MIDNIGHT = time(0)


class _LineNumbers(msgspec.Struct):
    quantity: Any = None


class _Numbers(msgspec.Struct):
    """The numbers with their digits; the types of the record would accept `1_000` and ` 5`, too."""

    order_amount: Any = None
    assured_amount: Any = None
    order_lines: list[_LineNumbers] | None = None


_decoder = msgspec.json.Decoder(OrderRecord)
_numbers = msgspec.json.Decoder(_Numbers, float_hook=exact).decode


def to_order(source: str, raw: bytes, zone: ZoneInfo = ZONE) -> Order:
    """
    Map one order, with all its groups, to the canonical order. Pure; raises `Unmappable` and nothing else.

    - The contact is in the address (vendors.md 6/004 #5).
    - The delivery date is the written date, if its time is midnight; another time is an instant, whose day is read on
      the calendar of `zone` (#4).
    - Amounts are in the smallest unit of the currency (#2, #3), in cents without a currency. A line has no price in
      this API.
    - The warehouse's internal `note`, and its own names, are metadata.
    """
    try:
        wire = _decoder.decode(raw)
        stated = _numbers(raw)
    except (ValueError, RecursionError) as exc:  # ValueError: msgspec's errors, and invalid UTF-8
        raise Unmappable("unreadable order", str(exc)) from None
    if not wire.id:
        raise Unmappable("unreadable order", "it has no id")
    if wire.order_lines is None:
        raise Unmappable("the order came without its lines", "order_lines were asked for, and did not come")
    address = wire.shipping_address
    amount = _money(number_of(stated.order_amount, "order_amount"), wire.currency)
    assured = _money(number_of(stated.assured_amount, "assured_amount"), wire.currency)
    quantities = [number_of(each.quantity, "quantity") for each in stated.order_lines or ()]
    return Order(
        source=source,
        order_id=wire.id,
        reference=wire.external_reference or wire.reference or wire.id,
        purchase_order=wire.po_number,
        created_at=_time(wire.created_at),
        currency=wire.currency,
        language=wire.language,
        customer=Customer(id=wire.customer, name=address.addressed_to if address else ""),
        contact=Contact(
            name=wire.contact_person,
            email=wire.email,
            phone=(address.phone_number or address.mobile_number) if address else "",
        ),
        delivery_address=_address(address) if address else None,
        lines=tuple(_line(*pair) for pair in zip(wire.order_lines, quantities, strict=True)),
        totals=Totals(including_tax=amount),
        notes=wire.customer_note,
        requested_delivery_date=_date(wire.requested_delivery_date, zone),
        cancelled=wire.status.casefold() in CANCELLED,
        metadata=_metadata(wire, assured),
        raw=raw,
    )


def _metadata(wire: OrderRecord, assured: Decimal | None) -> dict[str, str]:
    """Return the order's own metadata, and its other names; the vendor's metadata comes first."""
    extra = {
        "status": wire.status,
        "ewarehousing_reference": wire.reference,
        "external_reference": wire.external_reference,
        "external_id": wire.external_id,
        "po_number": wire.po_number,
        "shipping_method": wire.shipping_method,
        "note": wire.note,
        "inco_terms": wire.inco_terms,
        "assured_amount": number_text(assured),
        "business_to_business": scalar_text(wire.is_business_to_business),
        "address_invalid": scalar_text(wire.shipping_address.invalid) if wire.shipping_address else "",
    }
    for number, document in enumerate(wire.documents or (), 1):
        extra |= {
            f"document_{number}_id": document.id,
            f"document_{number}_title": document.title,
            f"document_{number}_mime_type": document.mime_type,
            f"document_{number}_quantity": number_text(document.quantity),
            f"document_{number}_is_shipping_label": scalar_text(document.is_shipping_label),
            f"document_{number}_order_price": number_text(document.order_price),
        }
    return wire.pairs | {key: value for key, value in extra.items() if value}


def _line(line: LineRecord, quantity: Decimal | None) -> Line:
    if quantity is None:
        raise Unmappable("unreadable order", "a line without quantity")
    article = line.article
    sku = article.article_code or article.sku or article.ean
    extra = {
        "variant_id": article.id,
        "variant_sku": article.sku if article.sku != sku else "",
        "ean": article.ean if article.ean != sku else "",
        "variant_name": article.name if article.name not in (sku, line.description) else "",
        "serial_numbers": ", ".join(str(number) for number in line.serial_numbers or ()),
    }
    return Line(
        sku=sku,
        name=line.description or article.name,
        quantity=quantity,
        metadata=line.pairs | present(extra),
    )


def _address(found: AddressRecord) -> Address:
    return Address(
        company=found.addressed_to,  # a company or a person: the vendor has one field for both
        street=found.street,
        number=found.street_number,
        number_addition=found.street_number_addition,
        street2=found.street2,
        postal_code=found.zipcode,
        city=found.city,
        region=found.state,
        country=read_country(found.country),
        email=found.email_address,
        phone=found.phone_number,
        mobile=found.mobile_number,
        fax=found.fax_number,
    )


def _money(amount: Decimal | None, currency: str) -> Decimal | None:
    return None if amount is None else amount.scaleb(-decimals(currency.upper()))


def _date(value: str, zone: ZoneInfo) -> date | None:
    if not value:
        return None
    try:
        at = datetime.fromisoformat(value)
        return at.date() if at.time() == MIDNIGHT else day_on(value, zone)
    except (ValueError, OverflowError) as exc:
        raise Unmappable("unreadable order", f"requested_delivery_date: {exc}") from None


def _time(value: str) -> datetime | None:
    """Return a time in UTC; one without a zone is in UTC."""
    if not value:
        return None
    try:
        at = datetime.fromisoformat(value)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError) as exc:
        raise Unmappable("unreadable order", f"created_at: {exc}") from None
