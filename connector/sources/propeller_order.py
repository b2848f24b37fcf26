"""Propeller's order as it comes over the wire (seed 000), and the canonical order that it becomes."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TypeVar

import msgspec

from connector.errors import Unmappable
from connector.mapping.money import sensible
from connector.order import Address, Contact, Customer, Line, Order, Totals

__all__ = ["Head", "order_id", "to_order"]

Text = str | int | None
"""What Propeller documents as text may come as a number where it looks like one (an sku, a house number)."""

LARGEST_ID = 2**63 - 1
CENT = Decimal("0.01")
NOWHERE = Address()


class Head(msgspec.Struct, rename="camel"):
    """The few fields that a poll needs; the rest of the order stays raw."""

    id: str | int
    status: str | None = None
    type: str | None = None
    export_status: str | None = None
    exported_at: str | None = None


class _Sums(msgspec.Struct, rename="camel"):
    gross: Decimal | None = None
    net: Decimal | None = None
    tax: Decimal | None = None
    discount_value: Decimal | None = None
    discount_type: str | None = None


class _Payment(msgspec.Struct):
    method: str | None = None


class _Item(msgspec.Struct, rename="camel"):
    quantity: Decimal
    id: Text = None
    product_id: Text = None
    sku: Text = None
    name: str | None = None
    price: Decimal | None = None
    tax_percentage: Decimal | None = None
    class_: str | None = msgspec.field(default=None, name="class")


class _Address(msgspec.Struct, rename="camel"):
    type: str | None = None
    company: str | None = None
    first_name: str | None = None
    middle_name: str | None = None
    last_name: str | None = None
    street: str | None = None
    number: Text = None
    number_extension: Text = None
    extra: Text = None
    street2: Text = None
    postal_code: Text = None
    city: str | None = None
    region: str | None = None
    country: str | None = None
    email: str | None = None
    phone: Text = None
    mobile: Text = None


class _Order(Head, rename="camel", kw_only=True):
    items: list[_Item] | None = None
    addresses: list[_Address] | None = None
    uuid: str | None = None
    reference: Text = None
    remarks: str | None = None
    email: str | None = None
    currency: str | None = None
    language: str | None = None
    date: str | None = None
    user_id: Text = None
    postage_data: _Sums | None = None
    payment_data: _Payment | None = None
    total: _Sums | None = None


_decoder = msgspec.json.Decoder(_Order)


def to_order(source: str, raw: bytes, cancelled: frozenset[str] = frozenset()) -> Order:
    """
    Turn one order of the feed into the canonical form. Pure; raises `Unmappable` and nothing else.

    `cancelled` are the statuses, in lower case, that the tenant says mean so.

    vendors.md 6, seed 000: line prices exclude tax; `paymentData` is never added to anything (#6); the sums are kept
    as given (#5); only products become lines (#12). A missing address is the receiver's concern, not ours.
    """
    try:
        wire = _decoder.decode(raw)
    except (ValueError, RecursionError) as exc:  # ValueError: msgspec's errors, and invalid UTF-8
        raise Unmappable("unreadable order", str(exc)) from None
    found = order_id(wire.id)
    if found is None:
        raise Unmappable("unreadable order", "the id is not a number from 1 to 2^63-1")
    if wire.items is None:
        raise Unmappable("the order came without its lines", "the search asks for ORDER_ITEMS, and got none")
    products = [item for item in wire.items if (item.class_ or "product").casefold() == "product"]
    delivery, invoice = _address(wire, "delivery"), _address(wire, "invoice")
    metadata = {
        "status": wire.status,
        "type": wire.type,
        "payment_method": wire.payment_data.method if wire.payment_data else None,
        "uuid": wire.uuid,
        "other_rows": str(len(wire.items) - len(products)) if len(products) < len(wire.items) else None,
    }
    return Order(
        source=source,
        order_id=found,
        reference=_text(wire.reference).strip() or found,
        created_at=_time(wire.date),
        currency=wire.currency or "",
        language=wire.language or "",
        customer=Customer(id=_text(wire.user_id), name=_name(invoice) or _name(delivery)),
        contact=_contact(wire, delivery, invoice),
        delivery_address=delivery,
        invoice_address=invoice,
        lines=tuple([_line(item) for item in products]),
        totals=_totals(wire),
        notes=wire.remarks or "",
        cancelled=(wire.status or "").casefold() in cancelled,
        metadata={key: value for key, value in metadata.items() if value},
        raw=raw,
    )


def order_id(value: str | int) -> str | None:
    """Return an id as text, or None if it is none: a number from 1 to 2^63-1, written as a number or as text."""
    if isinstance(value, str):
        if not (value.isascii() and value.isdecimal() and len(value) <= len(str(LARGEST_ID))):
            return None
        value = int(value)
    return str(value) if 1 <= value <= LARGEST_ID else None


def _line(item: _Item) -> Line:
    return Line(
        line_id=_text(item.id),
        sku=_text(item.sku),
        name=item.name or "",
        quantity=_number(item.quantity, "quantity"),
        unit_price=_number(item.price, "price"),
        tax_percentage=_number(item.tax_percentage, "taxPercentage"),
        metadata={} if item.product_id is None else {"product_id": str(item.product_id)},
    )


def _totals(wire: _Order) -> Totals:
    """
    Return the order's sums.

    The seed's sample has tax in `gross`, the vendor's other pages have it in `net` (vendors.md 6, seed 000, #4). So
    the names are not trusted: the larger is with tax, whatever the sign, and the difference has to be the tax.
    """
    total = wire.total or _Sums()
    excluding, including = _sides(total, "total")
    tax = _number(total.tax, "total.tax")
    if excluding is not None and including is not None and tax is not None:
        signed = -abs(tax) if including < 0 else tax  # a credit may state its tax with either sign
        if abs(including - excluding - signed) > CENT:
            raise Unmappable(
                "totals do not add up", f"gross {total.gross}, net {total.net}, tax {total.tax} differ by over a cent"
            )
    shipping, _with_tax = _sides(wire.postage_data or _Sums(), "postageData")
    discount = _number(total.discount_value, "total.discountValue")
    return Totals(
        excluding_tax=excluding,
        including_tax=including,
        tax=tax,
        shipping_excluding_tax=shipping,
        discount=discount if total.discount_type == "A" else None,  # A is an amount; P is a percentage, N is none
    )


def _sides(sums: _Sums, field: str) -> tuple[Decimal | None, Decimal | None]:
    """Return a sum without and with tax; neither, if the vendor gave but one of them: which one, nobody can tell."""
    gross, net = _number(sums.gross, field, ".gross"), _number(sums.net, field, ".net")
    if gross is None or net is None:
        return None, None
    return (net, gross) if abs(net) <= abs(gross) else (gross, net)


def _address(wire: _Order, kind: str) -> Address | None:
    """Return the first address of that kind."""
    for found in wire.addresses or ():
        if found.type is not None and found.type.casefold() == kind:
            return Address(
                company=found.company or "",
                first_name=found.first_name or "",
                middle_name=found.middle_name or "",
                last_name=found.last_name or "",
                street=found.street or "",
                number=_text(found.number),
                number_addition=_text(found.number_extension),
                street2=_text(found.street2) or _text(found.extra),
                postal_code=_text(found.postal_code),
                city=found.city or "",
                region=found.region or "",
                country=found.country or "",
                email=found.email or "",
                phone=_text(found.phone),
                mobile=_text(found.mobile),
            )
    return None


def _name(address: Address | None) -> str:
    return (address.company or address.person) if address else ""


def _contact(wire: _Order, delivery: Address | None, invoice: Address | None) -> Contact:
    """Return the person (else the company) at the delivery address, else at the invoice address."""
    first, second = delivery or NOWHERE, invoice or NOWHERE
    return Contact(
        name=first.person or first.company or second.person or second.company,
        email=wire.email or first.email or second.email,
        phone=first.phone or first.mobile or second.phone or second.mobile,
    )


def _text(value: Text) -> str:
    return "" if value is None else str(value)


Number = TypeVar("Number", Decimal, Decimal | None)


def _number(value: Number, field: str, part: str = "") -> Number:
    """Return `value` if it can be reckoned with."""
    if value is None:
        return None
    if not sensible(value):
        raise Unmappable(f"number out of range: {field}{part}")
    return value


def _time(value: str | None) -> datetime | None:
    """Return a time in UTC; one without a zone is taken for UTC. Never used to decide what to read next."""
    if not value:
        return None
    try:
        at = datetime.fromisoformat(value)
        # Not `replace`, which takes ten times as long.
        return datetime.combine(at, at.time(), UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError) as exc:
        raise Unmappable("unreadable order", f"date: {exc}") from None
