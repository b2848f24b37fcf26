"""
A reference of the default mapping to eWarehousing: text by text, field by field, and decoded to be checked.

It is slow and has no short cut. The connector's mapping must make the same requests (test_mapping_same.py); a change is
made in both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, timedelta
from decimal import Context, Decimal
from typing import Any, Literal
from zoneinfo import ZoneInfo

import msgspec

from connector.clients.ewarehousing.requests import CreateOrder, OrderLine
from connector.errors import Unmappable
from connector.mapping.iso_codes import COUNTRIES, CURRENCIES, WITHOUT_POSTAL_CODES
from connector.mapping.money import decimals, rounded
from connector.mapping.partial import Attempt, MissingPart, or_missing, or_raise
from connector.mapping.text import UNFIT
from connector.order import Address, Line, Order, Parcel
from connector.receivers.ewarehousing.mapping import COLLECTED

__all__ = ["create_order", "partial_order"]

LinePrice = Literal["cents", "units", "none"]

NOWHERE = Address()

_encode = msgspec.json.Encoder(decimal_format="number").encode
_decode = msgspec.json.Decoder(CreateOrder).decode


def create_order(
    order: Order,
    *,
    delivery_days: int = 1,
    zone: str = "Europe/Amsterdam",
    line_price: LinePrice = "cents",
) -> CreateOrder:
    """Return the create request for `order`. Raises `Unmappable`, and nothing else."""
    fields = _fields(order, delivery_days, zone, line_price, or_raise)
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
    fields = _fields(order, delivery_days, zone, line_price, or_missing)
    address = fields["shipping_address"]
    if isinstance(address, dict):
        fields["shipping_address"] = {key: value for key, value in address.items() if value is not None}
    lines = fields["order_lines"]
    if not isinstance(lines, MissingPart):
        fields["order_lines"] = msgspec.to_builtins(lines, builtin_types=(Decimal,))
    return {key: value for key, value in fields.items() if value is not None}


def _fields(order: Order, days: int, zone: str, line_price: LinePrice, attempt: Attempt) -> dict[str, Any]:
    """Return the fields of the request; `attempt` makes each that can fail."""
    found = attempt(_currency, order.currency)
    currency = "" if isinstance(found, MissingPart) else found
    amount = order.totals.including_tax
    address = order.delivery_address or NOWHERE
    person, company, asked = _text(address.person), _text(address.company), order.contact
    contact = person or _text(asked.name) or company
    phone = _text(address.phone)
    if not phone and _text(asked.name) in ("", contact, company):
        phone = _text(asked.phone)
    language = _language(order.language)
    sent = {"contactperson": contact, "email": _text(address.email) or _text(asked.email), "phone": phone}
    return {
        "external_reference": order.external_id,
        "external_id": order.external_id,
        "po_number": _text(order.purchase_order) or None,
        "order_lines": attempt(_lines, order, currency, line_price),
        "shipping_method": attempt(_shipping_method, order),
        "shipping_address": attempt(_address, order, contact, phone, attempt),
        "shipping_contactperson": attempt(_required, "shipping_contactperson", contact),
        "shipping_email": sent["email"] or None,
        "requested_delivery_date": attempt(_delivery_date, order, days, zone),
        "meta_data": attempt(_order_meta_data, order, sent, currency, language or ""),
        "language": language,
        "customer_note": _block(order.notes) or None,
        "order_amount": attempt(_minor_units, amount, currency) if amount is not None and currency else None,
        "currency": found or None,
    }


def _shipping_method(order: Order) -> None:
    method, place = _text(order.delivery_method), _text(order.pickup_location)
    if place or re.sub(r"[\W_]+", "", method.casefold()) in COLLECTED:
        told = f"{method} {place}".strip()
        cause = "pick-up order without a shipping_method"
        raise Unmappable(cause, f"{told}: give it a shipping_method in the route's mapping", ours=True)


def _order_meta_data(order: Order, sent: Mapping[str, str], currency: str, language: str) -> dict[str, str]:
    """Return all that has no field, name by name; the source's own pairs come first."""
    told: dict[str, Any] = {
        "kind": "" if order.kind == "sales" else _block(order.kind),
        "created_at": order.created_at.isoformat() if order.created_at else "",
        "cancelled": "true" if order.cancelled else "",
        **{f"customer_{name}": _text(getattr(order.customer, name)) for name in order.customer.__struct_fields__},
        "contact_name": _unless(order.contact.name, sent["contactperson"]),
        "contact_email": _unless(order.contact.email, sent["email"]),
        "contact_phone": _unless(order.contact.phone, sent["phone"]),
    }
    for number, contact in enumerate(order.contacts):
        told |= {f"contact_{number + 2}_{name}": _text(getattr(contact, name)) for name in contact.__struct_fields__}
    told["delivery_method"] = _text(order.delivery_method)
    told["carrier"] = _text(order.carrier)
    told["pickup_location"] = _text(order.pickup_location)
    told["partial_delivery"] = {True: "true", False: "false", None: ""}[order.partial_delivery]
    told["delivery_notes"] = _block((order.delivery_address or NOWHERE).notes)
    if _cleaned(order.invoice_address) != _cleaned(order.delivery_address):
        told |= _other_address("invoice", order.invoice_address)
    told |= _other_address("sender", order.sender)
    totals = order.totals
    told["total_excluding_tax"] = _digits(totals.excluding_tax)
    told["total_tax"] = _digits(totals.tax)
    told["shipping_excluding_tax"] = _digits(totals.shipping_excluding_tax)
    told["shipping_including_tax"] = _digits(totals.shipping_including_tax)
    told["discount"] = _digits(totals.discount)
    told["discount_percentage"] = _digits(totals.discount_percentage)
    told["total_including_tax"] = "" if currency else _digits(totals.including_tax)
    told["language"] = "" if _text(order.language).lower() == language else _text(order.language)
    if order.cash_on_delivery is not None:
        cash = _text(order.cash_on_delivery_currency) or currency
        told["cash_on_delivery_amount"] = _padded(_digits(order.cash_on_delivery), decimals(cash.upper()))
        told["cash_on_delivery_currency"] = cash
    else:
        told["cash_on_delivery_currency"] = _text(order.cash_on_delivery_currency)
    told["cash_on_delivery_reference"] = _text(order.cash_on_delivery_reference)
    for number, parcel in enumerate(order.parcels, 1):
        told |= {f"parcel_{number}_{name}": value for name, value in _parcel(parcel).items()}
        same = [line.metadata for line in order.lines if _text(line.line_id) == _text(parcel.parcel_id)]
        if not any(_cleaned_pairs(parcel.metadata).items() <= _cleaned_pairs(each).items() for each in same[-1:]):
            for name, value in _meta_data(parcel.metadata).items():
                told.setdefault(f"parcel_{number}_{name}", value)
    told["reference"] = _block(order.reference) if order.reference != order.order_id else ""
    told["source"] = _block(order.source)
    told["source_order_id"] = _block(order.order_id)
    references = [_text(each) for each in order.references]
    if not references or not set(references) - set(_block(order.metadata.get("references", "")).split(", ")):
        references = []
    told["references"] = ", ".join(references)
    return _beside(order.metadata, {name: value for name, value in told.items() if value})


def _beside(own: Mapping[str, str], told: dict[str, str]) -> dict[str, str]:
    """Return the source's own pairs and ours; where a name has two texts, the source's is `metadata_NAME`."""
    result: dict[str, str] = {}
    found = _meta_data(own)
    for name, value in found.items():
        if told.get(name, value) == value:
            result[name] = value
        else:
            other = f"metadata_{name}"
            while other in found or other in told or other in result:
                other += "_"
            result[other] = value
    return result | told


def _parcel(parcel: Parcel) -> dict[str, str]:
    told = {
        "id": _text(parcel.parcel_id),
        "description": _text(parcel.description),
        "quantity": "" if parcel.quantity == 1 else _digits(parcel.quantity),
        "barcode": _text(parcel.barcode),
        "notes": _block(parcel.notes),
        "weight": _digits(parcel.weight),
        "length": _digits(parcel.length),
        "width": _digits(parcel.width),
        "height": _digits(parcel.height),
    }
    return {name: value for name, value in told.items() if value}


def _other_address(name: str, address: Address | None) -> dict[str, str]:
    if address is None:
        return {}
    told = {f"{name}_name": _text(address.company), f"{name}_contact": _text(address.person)}
    for field in address.__struct_fields__:
        if field not in ("company", "first_name", "middle_name", "last_name"):
            told[f"{name}_{field}"] = (_block if field == "notes" else _text)(getattr(address, field))
    return {key: value for key, value in told.items() if value}


def _cleaned(address: Address | None) -> dict[str, str] | None:
    if address is None:
        return None
    fields = address.__struct_fields__
    return {name: (_block if name == "notes" else _text)(getattr(address, name)) for name in fields}


def _cleaned_pairs(pairs: Mapping[str, str]) -> dict[str, str]:
    return {key: _block(value) for key, value in pairs.items()}


def _unless(value: str, sent: object) -> str:
    return "" if _text(value) == sent else _text(value)


def _digits(amount: Decimal | None) -> str:
    if amount is None:
        return ""
    if not amount.is_finite() or amount.adjusted() > 15 or int(amount.as_tuple().exponent) < -30:
        raise Unmappable("amount out of range", str(amount)[:100])
    return f"{amount if amount else abs(amount):f}"


def _padded(text: str, places: int) -> str:
    lacking = places - len(text.partition(".")[2])
    return text if lacking <= 0 else text + "." * ("." not in text) + "0" * lacking


def _delivery_date(order: Order, days: int, zone: str) -> date:
    if order.requested_delivery_date is not None:
        return order.requested_delivery_date
    if order.created_at is None:
        raise Unmappable("missing field: requested_delivery_date", ours=True)
    made = order.created_at if order.created_at.tzinfo is not None else order.created_at.replace(tzinfo=UTC)
    try:
        return made.astimezone(ZoneInfo(zone)).date() + timedelta(days=days)
    except OverflowError:
        raise Unmappable("not a valid date", f"created_at {made.isoformat()}") from None


def _meta_data(pairs: Mapping[str, str]) -> dict[str, str]:
    named: dict[str, str] = {}
    for key in sorted(pairs):
        name, number = _key(key), 1
        while name in named:
            number += 1
            name = f"{_key(key)}_{number}"
        named[name] = _block(pairs[key])
    return {name: value for name, value in named.items() if value}


def _key(key: str) -> str:
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key).lower()
    name = re.sub(r"[^a-z0-9_-]+", "_", snake).strip("_-")
    return name or "_".join(f"u{ord(sign):04x}" for sign in key) or "unnamed"


def _lines(order: Order, currency: str, line_price: LinePrice) -> tuple[OrderLine, ...]:
    if not order.lines:
        raise Unmappable("missing field: order_lines", ours=True)
    return tuple(_line(line, currency, line_price) for line in order.lines)


def _line(line: Line, currency: str, line_price: LinePrice) -> OrderLine:
    # An article code is opaque ("#117", "A  1"): nothing in it is changed.
    sku = _required("order_lines.article_code", line.sku.strip(), f"line {line.line_id} {line.name}")
    return OrderLine(
        article_code=sku,
        quantity=_quantity(line.quantity, sku),
        description=_text(line.name) or sku,
        price=_price(line.unit_price, currency, line_price),
        meta_data=_line_meta_data(line, currency, line_price),
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


def _line_meta_data(line: Line, currency: str, line_price: LinePrice) -> dict[str, str]:
    told = {
        "line_id": _text(line.line_id),
        "tax_percentage": _digits(line.tax_percentage),
        "notes": _block(line.notes),
        "unit_price": "" if currency or line_price == "none" else _digits(line.unit_price),
    }
    return _beside(line.metadata, {name: value for name, value in told.items() if value})


def _price(price: Decimal | None, currency: str, line_price: LinePrice) -> int | Decimal | None:
    if price is None or not currency or line_price == "none":
        return None
    if not price.is_finite() or price.adjusted() > 9 or len(price.as_tuple().digits) > 28:
        raise Unmappable("amount out of range", str(price)[:100])
    exact = price.scaleb(decimals(currency) if line_price == "cents" else 0, context=Context(prec=60))
    if (exact and exact.adjusted() < -30) or int(exact.normalize().as_tuple().exponent) < -30:
        raise Unmappable("amount out of range", f"{price} is too small to be written without an exponent")
    if exact == int(exact):
        return int(exact)
    if exact.adjusted() < -6:
        raise Unmappable("amount out of range", f"{price} is too small to be written without an exponent")
    return exact.normalize(Context(prec=60))


def _minor_units(amount: Decimal, currency: str) -> int:
    return int(rounded(amount, currency).scaleb(decimals(currency), context=Context(prec=60)))


def _address(order: Order, contact: str, phone: str, attempt: Attempt) -> dict[str, Any]:
    """Return the address, field by field."""
    address = order.delivery_address
    if address is None:
        raise Unmappable("missing field: shipping_address")
    country = attempt(_country, address.country)
    zipcode = _text(address.postal_code)
    if country not in WITHOUT_POSTAL_CODES:
        zipcode = attempt(_required, "shipping_address.zipcode", zipcode)
    name = _text(address.company) or _text(address.person)
    attention = _text(address.attention)
    lines = ["" if attention in (name, contact) else attention, _text(address.street2), _text(address.extra)]
    return {
        "addressed_to": attempt(_required, "shipping_address.addressed_to", name),
        "street": attempt(_required, "shipping_address.street", _text(address.street)),
        "street_number": _text(address.number) or None,
        "street_number_addition": _text(address.number_addition) or None,
        "street2": ", ".join(line for line in lines if line) or None,
        "zipcode": zipcode or None,
        "city": attempt(_required, "shipping_address.city", _text(address.city)),
        "state": _text(address.region) or None,
        "country": country,
        "phone_number": phone or None,
        "mobile_number": _text(address.mobile) or None,
        "fax_number": _text(address.fax) or None,
    }


def _country(country: str) -> str:
    code = _required("shipping_address.country", _text(country)).upper()
    if code not in COUNTRIES:
        raise Unmappable(f"not an ISO 3166 alpha-2 country code: {code}")
    return code


def _currency(currency: str) -> str:
    code = _text(currency).upper()
    if code and code not in CURRENCIES:
        raise Unmappable(f"not an ISO 4217 currency code: {code}")
    return code


def _language(language: str) -> str | None:
    """Return a language code: `NL`, `nl_NL` and `nl-NL` are `nl`; None for anything else, as the field is optional."""
    found = re.fullmatch(r"([A-Za-z]{2})(?:[-_].*)?", _text(language))
    return found[1].lower() if found else None


def _required(field: str, value: str, detail: str = "") -> str:
    if not value:
        raise Unmappable(f"missing field: {field}", detail, ours=field == "order_lines.article_code")
    return value


def _text(value: str) -> str:
    """Return `value` as one line without control characters (faults.md, section 3, #16)."""
    return " ".join(value.translate(UNFIT).split())


def _block(value: str) -> str:
    """Return `value` like `_text`, with its line breaks."""
    return "\n".join(_text(line) for line in value.splitlines()).strip()
