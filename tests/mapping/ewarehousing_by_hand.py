"""
The default mapping to eWarehousing as it was first written: text by text, field by field, and decoded to be checked.

It is slow and has no short cut. What the connector uses must do the same (test_ewarehousing_same.py); a change of the
mapping is made in both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, timedelta
from decimal import Context, Decimal
from typing import Any, Literal
from zoneinfo import ZoneInfo

import msgspec

from connector.errors import Unmappable
from connector.mapping.clean import UNFIT
from connector.mapping.holes import Attempt, Hole, attempted, strict
from connector.mapping.money import decimals, rounded
from connector.order import Address, Line, Order
from connector.receivers.ewarehousing_wire import CreateOrder, OrderLine

__all__ = ["create_order", "partial_order"]

LinePrice = Literal["cents", "units", "none"]

WITHOUT_ZIPCODE = frozenset({"AE", "HK"})
"""The countries that the seed names as having no mandatory postal code."""

NOWHERE = Address()

_encode = msgspec.json.encode
_decode = msgspec.json.Decoder(CreateOrder).decode


def create_order(
    order: Order,
    *,
    delivery_days: int = 1,
    zone: str = "Europe/Amsterdam",
    line_price: LinePrice = "cents",
) -> CreateOrder:
    """Return the create request for `order`. Raises `Unmappable`, and nothing else."""
    fields = _fields(order, delivery_days, zone, line_price, strict)
    try:
        return _decode(_encode(fields))
    except ValueError as exc:  # msgspec's errors, and text that is not Unicode
        raise Unmappable("not a valid eWarehousing order", str(exc)) from None


def partial_order(
    order: Order,
    *,
    delivery_days: int = 1,
    zone: str = "Europe/Amsterdam",
    line_price: LinePrice = "cents",
) -> dict[str, Any]:
    """Return as much of it as can be made, with a hole for each part that cannot."""
    fields = _fields(order, delivery_days, zone, line_price, attempted)
    address = fields["shipping_address"]
    if isinstance(address, dict):
        fields["shipping_address"] = {key: value for key, value in address.items() if value is not None}
    lines = fields["order_lines"]
    if not isinstance(lines, Hole):
        fields["order_lines"] = msgspec.to_builtins(lines)
    return {key: value for key, value in fields.items() if value is not None}


def _fields(order: Order, days: int, zone: str, line_price: LinePrice, attempt: Attempt) -> dict[str, Any]:
    """Return the fields of the request; `attempt` makes each that can fail."""
    found = attempt(_currency, order.currency)
    currency = "" if isinstance(found, Hole) else found
    amount = order.totals.including_tax
    address = order.delivery_address or NOWHERE
    contact = _text(address.person) or _text(order.contact.name) or _text(address.company)
    return {
        "external_reference": order.external_id,
        "external_id": order.external_id,
        "order_lines": attempt(_lines, order, currency, line_price),
        "shipping_address": attempt(_address, order, attempt),
        "shipping_contactperson": attempt(_required, "shipping_contactperson", contact),
        "shipping_email": _text(address.email) or _text(order.contact.email) or None,
        "requested_delivery_date": attempt(_delivery_date, order, days, zone),
        "meta_data": _origin(order),
        "language": _language(order.language),
        "customer_note": _block(order.notes) or None,
        "order_amount": attempt(_minor_units, amount, currency) if amount is not None and currency else None,
        "currency": found or None,
    }


def _delivery_date(order: Order, days: int, zone: str) -> date:
    if order.requested_delivery_date is not None:
        return order.requested_delivery_date
    if order.created_at is None:
        raise Unmappable("missing field: requested_delivery_date")
    made = order.created_at if order.created_at.tzinfo is not None else order.created_at.replace(tzinfo=UTC)
    try:
        return made.astimezone(ZoneInfo(zone)).date() + timedelta(days=days)
    except OverflowError:
        raise Unmappable("not a valid date", f"created_at {made.isoformat()}") from None


def _meta_data(pairs: Mapping[str, str]) -> dict[str, str]:
    result: dict[str, str] = {}
    for key in sorted(pairs):
        name = _key(key)
        value = _block(pairs[key])
        if name and value:
            result.setdefault(name, value)
    return result


def _key(key: str) -> str:
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key).lower()
    return re.sub(r"[^a-z0-9_-]+", "_", snake).strip("_-")


def _origin(order: Order) -> dict[str, str]:
    """Tell where the order came from; what the source itself calls so cannot overwrite that."""
    told = {"source": order.source, "source_order_id": order.order_id}
    if order.reference and order.reference != order.order_id:
        told["reference"] = order.reference
    return _meta_data(order.metadata) | _meta_data(told)


def _lines(order: Order, currency: str, line_price: LinePrice) -> tuple[OrderLine, ...]:
    if not order.lines:
        raise Unmappable("missing field: order_lines")
    return tuple(_line(line, currency, line_price) for line in order.lines)


def _line(line: Line, currency: str, line_price: LinePrice) -> OrderLine:
    # An article code is opaque ("#117", "A  1"): nothing in it is changed.
    sku = _required("order_lines.article_code", line.sku.strip(), f"line {line.line_id} {line.name}")
    return OrderLine(
        article_code=sku,
        quantity=_quantity(line.quantity, sku),
        description=_text(line.name) or sku,
        price=_price(line.unit_price, currency, line_price),
        meta_data=_meta_data(line.metadata),
    )


def _quantity(quantity: Decimal, sku: str) -> int:
    if not quantity.is_finite() or quantity.adjusted() > 8:
        raise Unmappable("quantity out of range", sku)
    if quantity <= 0:
        raise Unmappable("quantity is not above zero", sku)
    # The bound from below keeps the remainder cheap and exact: 1E-400000000 is a number, too.
    if quantity.adjusted() < 0 or quantity % 1:
        raise Unmappable("fractional quantity", sku)
    return int(quantity)


def _price(price: Decimal | None, currency: str, line_price: LinePrice) -> int | float | None:
    if price is None or not currency or line_price == "none":
        return None
    if line_price == "cents":
        return _minor_units(price, currency)
    # A JSON number; the shortest text of a float gives back the same decimals, as `rounded` bounds them.
    return float(rounded(price, currency))


def _minor_units(amount: Decimal, currency: str) -> int:
    return int(rounded(amount, currency).scaleb(decimals(currency), context=Context(prec=60)))


def _address(order: Order, attempt: Attempt) -> dict[str, Any]:
    """Return the address, field by field."""
    address = order.delivery_address
    if address is None:
        raise Unmappable("missing field: shipping_address")
    country = attempt(_country, address.country)
    zipcode = _text(address.postal_code)
    if country not in WITHOUT_ZIPCODE:
        zipcode = attempt(_required, "shipping_address.zipcode", zipcode)
    name = _text(address.company) or _text(address.person)
    return {
        "addressed_to": attempt(_required, "shipping_address.addressed_to", name),
        "street": attempt(_required, "shipping_address.street", _text(address.street)),
        "street_number": _text(address.number) or None,
        "street_number_addition": _text(address.number_addition) or None,
        "street2": _text(address.street2) or None,
        "zipcode": zipcode or None,
        "city": attempt(_required, "shipping_address.city", _text(address.city)),
        "state": _text(address.region) or None,
        "country": country,
        "phone_number": _text(address.phone) or _text(order.contact.phone) or None,
        "mobile_number": _text(address.mobile) or None,
    }


def _country(country: str) -> str:
    code = _required("shipping_address.country", _text(country)).upper()
    if not re.fullmatch(r"[A-Z]{2}", code):
        raise Unmappable(f"not an ISO 3166 alpha-2 country code: {code}")
    return code


def _currency(currency: str) -> str:
    code = _text(currency).upper()
    if code and not re.fullmatch(r"[A-Z]{3}", code):
        raise Unmappable(f"not an ISO 4217 currency code: {code}")
    return code


def _language(language: str) -> str | None:
    """`NL`, `nl_NL` and `nl-NL` are `nl`; what is no language code is left out, as the receiver can do without."""
    found = re.fullmatch(r"([A-Za-z]{2})(?:[-_].*)?", _text(language))
    return found[1].lower() if found else None


def _required(field: str, value: str, detail: str = "") -> str:
    if not value:
        raise Unmappable(f"missing field: {field}", detail)
    return value


def _text(value: str) -> str:
    """Return `value` as one line without control characters (faults.md, section 3, #16)."""
    return " ".join(value.translate(UNFIT).split())


def _block(value: str) -> str:
    """Return `value` like `_text`, with its line breaks."""
    return "\n".join(_text(line) for line in value.splitlines()).strip()
