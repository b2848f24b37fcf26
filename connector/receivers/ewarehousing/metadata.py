"""
The meta data of eWarehousing's create request: all values of an order and its lines without a documented field.

Every value of the canonical order without a field in the request is here, under its own name, so that no value is lost.
A source's own pair of the same name is kept as `metadata_NAME`. The form of the keys is seed 004's (vendors.md 6/004
#18).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from operator import itemgetter
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import astuple

from connector.mapping.money import digits, with_decimals
from connector.mapping.text import block
from connector.order import Address, Contact, Line, Order, Parcel

__all__ = ["Sent", "is_made_here", "line_metadata", "named", "order_metadata"]

PEOPLE = frozenset({"first_name", "middle_name", "last_name"})
"""Parts of an address that are sent together, as `NAME_contact`."""
MADE_HERE = re.compile(
    r"(cash_on_delivery|customer|contact|contact_\d+|invoice|sender|parcel_\d+|total|shipping|discount)_[a-z0-9_-]+"
    r"|discount|delivery_(method|notes)|carrier|pickup_location|partial_delivery|references|cancelled|kind"
)
ONE = Decimal(1)


class Sent(Struct, frozen=True):
    """The values that the request's fields contain. `currency` is empty if the amounts have none."""

    contactperson: str
    email: str
    phone: str
    language: str
    currency: str


def order_metadata(order: Order, texts: Order, sent: Sent) -> dict[str, str]:
    """
    Return an order's meta data: its own, the values without a field, and the order's origin.

    `texts` is `order` with clean texts. Raises `Unmappable` for a number that cannot be written.
    """
    made: dict[str, str] = {}
    if order.kind != "sales":
        made["kind"] = block(order.kind)
    if order.created_at is not None:
        made["created_at"] = order.created_at.isoformat()
    if order.cancelled:
        made["cancelled"] = "true"
    _people(made, texts, sent)
    _delivery(made, texts)
    if (invoice := texts.invoice_address) is not None and invoice != texts.delivery_address:
        made.update(_address("invoice", invoice))
    if texts.sender is not None:
        made.update(_address("sender", texts.sender))
    _amounts(made, order, texts, sent)
    if texts.parcels:
        _parcels(made, texts.parcels, texts.lines)
    reference = order.reference if order.reference != order.order_id else ""
    if reference := block(reference):
        made["reference"] = reference
    if source := _source(order.source):
        made["source"] = source
    order_id = order.order_id
    if order_id.isdecimal() or (order_id := block(order_id)):
        made["source_order_id"] = order_id
    metadata = texts.metadata
    if texts.references and not _names_all(metadata.get("references", ""), texts.references):
        made["references"] = ", ".join(texts.references)
    return _together(metadata, made)


_source = lru_cache(maxsize=64)(block)


def is_made_here(name: str) -> bool:
    """Return whether meta data of that name is made of a field of the order, not the source's or the warehouse's."""
    return MADE_HERE.fullmatch(name) is not None


def line_metadata(line: Line, *, priced: bool) -> dict[str, str]:
    """Return a line's meta data: its own, its id, tax and notes, and its price unless the line is `priced` already."""
    made: dict[str, str] = {}
    if line.line_id:
        made["line_id"] = line.line_id
    if line.tax_percentage is not None:
        made["tax_percentage"] = digits(line.tax_percentage)
    if line.notes:
        made["notes"] = line.notes
    if line.unit_price is not None and not priced:
        made["unit_price"] = digits(line.unit_price)
    return _together(line.metadata, made)


def _together(own: Mapping[str, str], made: dict[str, str]) -> dict[str, str]:
    """Merge the source's own pairs with those of the order; of two texts for one name, both are kept."""
    if not own:
        return made
    found = named(own)
    for name in found.keys() & made.keys():
        if found[name] != made[name]:
            return _apart(found, made)
    found.update(made)
    return found


def _apart(found: Mapping[str, str], made: Mapping[str, str]) -> dict[str, str]:
    """Merge both; the source's own text is `metadata_NAME` where the order has another text for that name."""
    result: dict[str, str] = {}
    for name, value in found.items():
        if made.get(name, value) == value:
            result[name] = value
        else:
            other = f"metadata_{name}"
            while other in found or other in made or other in result:
                other += "_"
            result[other] = value
    return result | dict(made)


def _people(made: dict[str, str], texts: Order, sent: Sent) -> None:
    customer, contact = texts.customer, texts.contact
    if customer.id:
        made["customer_id"] = customer.id
    if customer.name:
        made["customer_name"] = customer.name
    if customer.vat_number:
        made["customer_vat_number"] = customer.vat_number
    if customer.email:
        made["customer_email"] = customer.email
    if customer.phone:
        made["customer_phone"] = customer.phone
    if contact.name and contact.name != sent.contactperson:
        made["contact_name"] = contact.name
    if contact.email and contact.email != sent.email:
        made["contact_email"] = contact.email
    if contact.phone and contact.phone != sent.phone:
        made["contact_phone"] = contact.phone
    for number, other in enumerate(texts.contacts, 2):
        made.update(_parts(f"contact_{number}", other))


def _delivery(made: dict[str, str], texts: Order) -> None:
    """Add the delivery's values that the request's address lacks."""
    if texts.delivery_method:
        made["delivery_method"] = texts.delivery_method
    if texts.carrier:
        made["carrier"] = texts.carrier
    if texts.pickup_location:
        made["pickup_location"] = texts.pickup_location
    if texts.partial_delivery is not None:
        made["partial_delivery"] = "true" if texts.partial_delivery else "false"
    if texts.delivery_address is not None and texts.delivery_address.notes:
        made["delivery_notes"] = texts.delivery_address.notes


def _amounts(made: dict[str, str], order: Order, texts: Order, sent: Sent) -> None:
    """Add the sums without a field in the request, in units of the currency; nothing is rounded."""
    totals = order.totals
    if totals.excluding_tax is not None:
        made["total_excluding_tax"] = digits(totals.excluding_tax)
    if totals.tax is not None:
        made["total_tax"] = digits(totals.tax)
    if totals.shipping_excluding_tax is not None:
        made["shipping_excluding_tax"] = digits(totals.shipping_excluding_tax)
    if totals.shipping_including_tax is not None:
        made["shipping_including_tax"] = digits(totals.shipping_including_tax)
    if totals.discount is not None:
        made["discount"] = digits(totals.discount)
    if totals.discount_percentage is not None:
        made["discount_percentage"] = digits(totals.discount_percentage)
    if totals.including_tax is not None and not sent.currency:
        made["total_including_tax"] = digits(totals.including_tax)
    if texts.language and texts.language.lower() != sent.language:
        made["language"] = texts.language
    if order.cash_on_delivery is not None:
        currency = texts.cash_on_delivery_currency or sent.currency
        made["cash_on_delivery_amount"] = with_decimals(order.cash_on_delivery, currency.upper())
        if currency:
            made["cash_on_delivery_currency"] = currency
    elif texts.cash_on_delivery_currency:
        made["cash_on_delivery_currency"] = texts.cash_on_delivery_currency
    if texts.cash_on_delivery_reference:
        made["cash_on_delivery_reference"] = texts.cash_on_delivery_reference


def _address(name: str, address: Address) -> Iterator[tuple[str, str]]:
    """Yield a further address: `NAME_name` is the company, `NAME_contact` the person, the rest as in the order."""
    if address.company:
        yield f"{name}_name", address.company
    if person := address.person:
        yield f"{name}_contact", person
    yield from _parts(name, address)


def _parts(name: str, struct: Address | Contact) -> list[tuple[str, str]]:
    """Return the texts of a struct that are not empty, each with its key."""
    pairs = zip(_keys(name, type(struct)), astuple(struct), strict=True)
    return [(key, value) for key, value in pairs if value and key]


def _parcels(made: dict[str, str], parcels: Sequence[Parcel], lines: Sequence[Line]) -> None:
    """Add each parcel, from `parcel_1` on, without metadata that a line has in the same words."""
    known = {line.line_id: line.metadata for line in lines if line.metadata}
    for number, parcel in enumerate(parcels, 1):
        key_id, key_description, key_quantity, key_barcode, key_notes, *keys = _parcel_keys(number)
        if parcel.parcel_id:
            made[key_id] = parcel.parcel_id
        if parcel.description:
            made[key_description] = parcel.description
        if parcel.quantity is not ONE and parcel.quantity != ONE:
            made[key_quantity] = digits(parcel.quantity)
        if parcel.barcode:
            made[key_barcode] = parcel.barcode
        if parcel.notes:
            made[key_notes] = parcel.notes
        if (weight := parcel.weight) is not None:
            made[keys[0]] = digits(weight)
        if (length := parcel.length) is not None:
            made[keys[1]] = digits(length)
        if (width := parcel.width) is not None:
            made[keys[2]] = digits(width)
        if (height := parcel.height) is not None:
            made[keys[3]] = digits(height)
        if (own := parcel.metadata) and own.items() - known.get(parcel.parcel_id, {}).items():
            for name, value in named(own).items():
                made.setdefault(f"parcel_{number}_{name}", value)


def _names_all(listed: str, references: Sequence[str]) -> bool:
    """Return whether a list in one text, as in a source's own meta data, contains all of the references."""
    return bool(listed) and set(listed.split(", ")).issuperset(references)


@lru_cache(maxsize=256)
def _parcel_keys(number: int) -> tuple[str, ...]:
    names = ("id", "description", "quantity", "barcode", "notes", "weight", "length", "width", "height")
    return tuple(f"parcel_{number}_{name}" for name in names)


@lru_cache(maxsize=256)
def _keys(name: str, kind: type[Struct]) -> tuple[str, ...]:
    """Return the keys of a struct's fields, in their order; an empty one for a field that is sent otherwise."""
    otherwise = PEOPLE | {"company"} if kind is Address else frozenset()
    return tuple("" if field in otherwise else f"{name}_{field}" for field in kind.__struct_fields__)


def named(pairs: Mapping[str, str]) -> dict[str, str]:
    """
    Return `pairs`, whose texts are clean, with the receiver's form of keys, and without empty texts.

    Keys are lower case with `_` or `-`. Of keys with the same form, the first in alphabetical order has the name, and
    the others are counted: `gift_wrap`, `gift_wrap_2`.
    """
    known = _names(tuple(pairs))
    if all(pairs.values()):
        return dict(zip(known.names, known.texts(pairs), strict=True))
    return {name: text for name, text in zip(known.names, known.texts(pairs), strict=True) if text}


class _Names(NamedTuple):
    """The receiver's names of some keys, and the getter of their texts in that order."""

    names: tuple[str, ...]
    texts: Callable[[Mapping[str, str]], tuple[str, ...]]


@lru_cache(maxsize=256)  # a source gives its orders, and their lines, the same keys again and again
def _names(keys: tuple[str, ...]) -> _Names:
    found: dict[str, str] = {}
    for key in sorted(keys):
        name = wanted = _name(key)
        number = 1
        while name in found:
            number += 1
            name = f"{wanted}_{number}"
        found[name] = key
    ordered = tuple(found.values())
    # Of one key, `itemgetter` gives no tuple.
    texts = itemgetter(*ordered) if len(ordered) > 1 else lambda pairs: tuple(pairs[key] for key in ordered)
    return _Names(tuple(found), texts)


@lru_cache(maxsize=1024)
def _name(key: str) -> str:
    """Return a key in the receiver's form; one without a valid character is spelt by character codes."""
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key).lower()
    name = re.sub(r"[^a-z0-9_-]+", "_", snake).strip("_-")
    return name or "_".join(f"u{ord(sign):04x}" for sign in key) or "unnamed"
