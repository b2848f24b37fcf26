"""
The default mapping: canonical order to eWarehousing's create request (seed 004).

Pure, and the same for the same order on every day: the journal keeps the hash of the sent request, and a retry must
repeat it. A required value that the order lacks holds the order under `missing field: ...`; nothing is invented. An
optional value that the order lacks is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, Literal, NoReturn
from zoneinfo import ZoneInfo

import msgspec

from connector.clients.ewarehousing.requests import CreateOrder, OrderLine, ShippingAddress, encode
from connector.errors import Unmappable
from connector.mapping.iso_codes import WITHOUT_POSTAL_CODES, is_country, is_currency
from connector.mapping.money import exact_minor_units, exact_units, minor_units
from connector.mapping.partial import Attempt, MissingPart, or_missing, or_raise
from connector.mapping.text import block, tidied
from connector.order import Address, Line, Order
from connector.receivers.ewarehousing.metadata import Sent, line_metadata, order_metadata

__all__ = ["PICKUP", "LinePrice", "create_order", "delivery_date", "partial_order"]

LinePrice = Literal["cents", "units", "none"]

PICKUP = "pick-up order without a shipping_method"
"""The cause of an order that its customer collects, as no document states how the warehouse is informed of that."""
_COLLECTED = """
pickup pickupinstore instorepickup storepickup curbsidepickup collect clickcollect clickandcollect collectinstore
selfcollect selfpickup afhalen ophalen afhaling abholung selbstabholung afhentning henting upphämtning hämtning retrait
"""
COLLECTED = frozenset(_COLLECTED.split())
"""Delivery methods that mean collection by the customer."""

NOWHERE = Address()

COUNTED = {str(number): number for number in range(1, 1000)}
"""The quantities of nearly all lines, by their text."""

_decode = msgspec.json.Decoder(CreateOrder).decode
_days = lru_cache(maxsize=32)(lambda days: timedelta(days=days))


def create_order(
    order: Order,
    *,
    delivery_days: int = 1,
    zone: str = "Europe/Amsterdam",
    line_price: LinePrice = "cents",
) -> CreateOrder:
    """
    Return the create request for `order`, with every field as documented. Raises `Unmappable`, and nothing else.

    - `delivery_days` and `zone` are for orders without a delivery date of their own, see `delivery_date`.
    - `line_price` sets the unit of the unit price: minor units, currency units, or not sent, as the seed leaves it open
      (vendors.md 6/004 #2). It is never rounded.
    - `order_amount` includes tax and is in whole minor units.
    - Amounts without a currency, and all values without a field, are in `meta_data` (see `metadata`).
    - An order that its customer collects is held unless the route's mapping gives it a `shipping_method`: without one
      it would be shipped as a parcel.
    """
    request = _request(order, delivery_days, zone, line_price, or_raise)
    return request if _is_certain(request) else _checked(request)


def partial_order(
    order: Order,
    *,
    delivery_days: int = 1,
    zone: str = "Europe/Amsterdam",
    line_price: LinePrice = "cents",
) -> dict[str, Any]:
    """
    Return the create request for `order` as far as possible, with a `MissingPart` for each part that cannot be mapped.

    As `create_order`, except that the fields are not checked yet. Without a usable currency no amount is sent.
    """
    request = _request(order, delivery_days, zone, line_price, or_missing)
    fields = _set(request)
    if isinstance(request.shipping_address, ShippingAddress):
        fields["shipping_address"] = _set(request.shipping_address)
    if not isinstance(request.order_lines, MissingPart):
        fields["order_lines"] = msgspec.to_builtins(request.order_lines, builtin_types=(Decimal,))
    return fields


def _set(struct: msgspec.Struct) -> dict[str, Any]:
    """Return the fields that have a value or a `MissingPart`; all others are not sent."""
    fields = msgspec.structs.asdict(struct)
    return {key: value for key, value in fields.items() if value is not None and value != ()}


def _request(order: Order, days: int, zone: str, line_price: LinePrice, attempt: Attempt) -> CreateOrder:
    """
    Return the request; `attempt` makes each part that can fail.

    Every constraint of `CreateOrder` is checked where its field is made, because decoding the request again would
    double the cost. The remaining ones are checked by `_is_certain`.
    """
    texts = tidied(order)  # for texts that people read; identity, dates and amounts are those of `order`
    found = attempt(_currency, texts.currency)
    currency = "" if isinstance(found, MissingPart) else found
    amount = order.totals.including_tax
    address, contact = texts.delivery_address or NOWHERE, texts.contact
    external_id = order.external_id
    contactperson = address.person or contact.name or address.company
    email = address.email or contact.email
    # The contact's phone, unless the person at the address is another one.
    phone = address.phone or (contact.phone if contact.name in ("", contactperson, address.company) else "")
    language = _language(texts.language)
    sent = Sent(contactperson, email, phone, language or "", currency)
    return CreateOrder(
        external_reference=external_id,
        external_id=external_id,
        po_number=texts.purchase_order or None,
        order_lines=attempt(_lines, texts.lines, currency, line_price),
        shipping_method=attempt(_shipping_method, texts),
        shipping_address=attempt(_address, texts, contactperson, phone, attempt),
        shipping_contactperson=contactperson or attempt(_absent, "shipping_contactperson"),
        shipping_email=email or None,
        requested_delivery_date=attempt(delivery_date, order, days, zone),
        meta_data=attempt(order_metadata, order, texts, sent),
        language=language,
        customer_note=block(order.notes) or None if order.notes else None,
        order_amount=attempt(minor_units, amount, currency) if amount is not None and currency else None,
        currency=found or None,
    )


def _is_certain(request: CreateOrder) -> bool:
    """
    Return whether the request is certainly as documented.

    The identity and the article codes are sent unchanged, so they may contain a lone surrogate, which JSON cannot
    encode; and to Python a date may be a time.
    """
    for line in request.order_lines:
        if not line.article_code.isprintable():
            return False
    return request.external_reference.isprintable() and type(request.requested_delivery_date) is date


def _checked(request: CreateOrder) -> CreateOrder:
    try:
        return _decode(encode(request))
    except ValueError as exc:  # msgspec's errors, and text that is not Unicode
        raise Unmappable("not a valid eWarehousing order", str(exc)) from None


def delivery_date(order: Order, days: int, zone: str) -> date:
    """
    Return the requested delivery date, which the receiver requires and sources may lack.

    The order's own date, else the day of its creation, on the warehouse's calendar (`zone`), plus `days`. It never
    depends on today, as the request must be the same when it is sent again tomorrow. Raises `Unmappable` for an order
    with neither.
    """
    if order.requested_delivery_date is not None:
        return order.requested_delivery_date
    if order.created_at is None:
        raise Unmappable("missing field: requested_delivery_date", ours=True)
    made = order.created_at if order.created_at.tzinfo is not None else order.created_at.replace(tzinfo=UTC)
    try:
        return made.astimezone(ZoneInfo(zone)).date() + _days(days)
    except OverflowError:
        raise Unmappable("not a valid date", f"created_at {made.isoformat()}") from None


def _shipping_method(texts: Order) -> None:
    """Hold an order that its customer collects: only the route's mapping can set its shipping method."""
    if texts.pickup_location or (texts.delivery_method and _is_collected(texts.delivery_method)):
        method = " ".join(filter(None, (texts.delivery_method, texts.pickup_location)))
        raise Unmappable(PICKUP, f"{method}: give it a shipping_method in the route's mapping", ours=True)


@lru_cache(maxsize=256)
def _is_collected(method: str) -> bool:
    return "".join(filter(str.isalnum, method.casefold())) in COLLECTED


def _lines(lines: Sequence[Line], currency: str, line_price: LinePrice) -> tuple[OrderLine, ...]:
    if not lines:
        raise Unmappable("missing field: order_lines", ours=True)
    return tuple([_line(line, currency, line_price) for line in lines])


def _line(line: Line, currency: str, line_price: LinePrice) -> OrderLine:
    # An article code is opaque ("#117", "A  1") and stays unchanged.
    sku = line.sku.strip() or _absent("order_lines.article_code", f"line {line.line_id} {line.name}", ours=True)
    price = _price(line.unit_price, currency, line_price)
    return OrderLine(
        article_code=sku,
        quantity=COUNTED.get(str(line.quantity)) or _quantity(line.quantity, sku),
        description=line.name or sku,
        price=price,
        meta_data=line_metadata(line, priced=price is not None or line_price == "none"),
    )


def _quantity(quantity: Decimal, sku: str) -> int:
    if not quantity.is_finite() or quantity.adjusted() > 8:
        raise Unmappable("quantity out of range", sku)
    if quantity <= 0:
        raise Unmappable("quantity is not above zero", sku)
    # The lower bound keeps the remainder cheap and exact: 1E-400000000 is a number, too.
    if quantity.adjusted() < 0 or quantity % 1:
        raise Unmappable("fractional quantity", sku)
    return int(quantity)


def _price(price: Decimal | None, currency: str, line_price: LinePrice) -> int | Decimal | None:
    """Return a unit price without rounding: 10,000 pieces at 0.0045 EUR are 45 EUR, and rounded they would be free."""
    if price is None or not currency or line_price == "none":
        return None
    return exact_minor_units(price, currency) if line_price == "cents" else exact_units(price)


def _address(texts: Order, contactperson: str, phone: str, attempt: Attempt) -> ShippingAddress:
    """Return the address, field by field; the second line has all texts besides street and number."""
    address = texts.delivery_address
    if address is None:
        raise Unmappable("missing field: shipping_address")
    country = attempt(_country, address.country)
    zipcode = address.postal_code or None
    if zipcode is None and country not in WITHOUT_POSTAL_CODES:
        zipcode = attempt(_absent, "shipping_address.zipcode")
    addressed_to = address.company or address.person or attempt(_absent, "shipping_address.addressed_to")
    street2 = address.street2
    if address.attention or address.extra:
        attention = "" if address.attention in (addressed_to, contactperson) else address.attention
        street2 = ", ".join(filter(None, (attention, street2, address.extra)))
    return ShippingAddress(
        addressed_to=addressed_to,
        street=address.street or attempt(_absent, "shipping_address.street"),
        street_number=address.number or None,
        street_number_addition=address.number_addition or None,
        street2=street2 or None,
        zipcode=zipcode,
        city=address.city or attempt(_absent, "shipping_address.city"),
        state=address.region or None,
        country=country,
        phone_number=phone or None,
        mobile_number=address.mobile or None,
        fax_number=address.fax or None,
    )


def _country(country: str) -> str:
    code = country.upper() or _absent("shipping_address.country")
    if not is_country(code):
        raise Unmappable(f"not an ISO 3166 alpha-2 country code: {code}")
    return code


def _currency(currency: str) -> str:
    code = currency.upper()
    if code and not is_currency(code):
        raise Unmappable(f"not an ISO 4217 currency code: {code}")
    return code


def _language(language: str) -> str | None:
    """Return a language code: `NL`, `nl_NL` and `nl-NL` are `nl`; None for anything else, as the field is optional."""
    code = language[:2]
    return code.lower() if _is_code(code, 2) and language[2:3] in ("", "-", "_") else None


def _is_code(text: str, letters: int) -> bool:
    """Return whether `text` is this many letters of the English alphabet."""
    return len(text) == letters and text.isascii() and text.isalpha()


def _absent(field: str, detail: str = "", *, ours: bool = False) -> NoReturn:
    """Raise the cause of a missing field. `ours`: no source's document promises it, so the source is not to blame."""
    raise Unmappable(f"missing field: {field}", detail, ours=ours)
