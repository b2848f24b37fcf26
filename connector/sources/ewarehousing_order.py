"""eWarehousing's order as it comes over the wire (seed 004), and the canonical order that it becomes."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import msgspec

from connector.errors import Unmappable
from connector.mapping.money import decimals
from connector.order import Address, Contact, Customer, Line, Order, Totals
from connector.receivers.ewarehousing_answers import AddressRecord, LineRecord, OrderRecord

__all__ = ["CANCELLED", "to_order"]

CANCELLED = frozenset({"cancelled", "canceled"})

_decoder = msgspec.json.Decoder(OrderRecord)


def to_order(source: str, raw: bytes) -> Order:
    """
    Turn one order, with all its groups, into the canonical form. Pure; raises `Unmappable` and nothing else.

    The contact is in the address (vendors.md 6/004 #5), of the delivery date only the date counts (#4), and amounts
    are in the smallest unit of the currency (#2, #3; cents where no currency is given). A line has no price in this
    API. What the warehouse says only to itself (`note`), and its own names for things, are metadata.
    """
    try:
        wire = _decoder.decode(raw)
    except (ValueError, RecursionError) as exc:  # ValueError: msgspec's errors, and invalid UTF-8
        raise Unmappable("unreadable order", str(exc)) from None
    if not wire.id:
        raise Unmappable("unreadable order", "it has no id")
    if wire.order_lines is None:
        raise Unmappable("the order came without its lines", "order_lines were asked for, and did not come")
    address = wire.shipping_address
    amount = _money(wire.order_amount, wire.currency, "order_amount")
    return Order(
        source=source,
        order_id=wire.id,
        reference=wire.external_reference or wire.reference or wire.id,
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
        lines=tuple(_line(line) for line in wire.order_lines),
        totals=Totals(including_tax=amount),
        notes=wire.customer_note,
        requested_delivery_date=_date(wire.requested_delivery_date),
        cancelled=wire.status.casefold() in CANCELLED,
        metadata=_metadata(wire),
        raw=raw,
    )


def _metadata(wire: OrderRecord) -> dict[str, str]:
    """Return the order's own metadata, and what else it is known by; what the vendor says wins."""
    told = {
        "status": wire.status,
        "ewarehousing_reference": wire.reference,
        "external_reference": wire.external_reference,
        "external_id": wire.external_id,
        "po_number": wire.po_number,
        "shipping_method": wire.shipping_method,
        "note": wire.note,
        "inco_terms": wire.inco_terms,
        "assured_amount": _plain(_money(wire.assured_amount, wire.currency, "assured_amount")),
    }
    return wire.pairs | {key: value for key, value in told.items() if value}


def _line(line: LineRecord) -> Line:
    if line.quantity is None:
        raise Unmappable("unreadable order", "a line without quantity")
    article = line.article
    serial_numbers = ", ".join(str(number) for number in line.serial_numbers or ())
    told = {"variant_id": article.id, "serial_numbers": serial_numbers}
    return Line(
        sku=article.article_code or article.sku or article.ean,
        name=line.description or article.name,
        quantity=_checked(line.quantity, "quantity"),
        metadata=line.pairs | {key: value for key, value in told.items() if value},
    )


def _address(found: AddressRecord) -> Address:
    return Address(
        company=found.addressed_to,  # a company or a person: the vendor does not tell them apart
        street=found.street,
        number=found.street_number,
        number_addition=found.street_number_addition,
        street2=found.street2,
        postal_code=found.zipcode,
        city=found.city,
        region=found.state,
        country=found.country,
        email=found.email_address,
        phone=found.phone_number,
        mobile=found.mobile_number,
    )


def _money(amount: Decimal | None, currency: str, field: str) -> Decimal | None:
    if amount is None:
        return None
    return _checked(amount, field).scaleb(-decimals(currency.upper()))


def _plain(amount: Decimal | None) -> str:
    return "" if amount is None else f"{amount:f}"


def _checked(value: Decimal, field: str) -> Decimal:
    """Return `value` if it can be reckoned with: adding 1 to 1E+400000000 takes for ever (faults.md 3, #13)."""
    if not value.is_finite() or abs(value.adjusted()) > 12 or len(value.as_tuple().digits) > 28:
        raise Unmappable(f"number out of range: {field}")
    return value


def _date(value: str) -> date | None:
    if not value:
        return None
    try:
        return date.fromisoformat(value[:10])
    except ValueError as exc:
        raise Unmappable("unreadable order", f"requested_delivery_date: {exc}") from None


def _time(value: str) -> datetime | None:
    """Return a time in UTC; one without a zone is taken for UTC."""
    if not value:
        return None
    try:
        at = datetime.fromisoformat(value)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError) as exc:
        raise Unmappable("unreadable order", f"created_at: {exc}") from None
