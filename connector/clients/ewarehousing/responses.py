"""
eWarehousing's responses, field by field (seed 004, "Response models"; shipments: vendors.md, section 4).

Decoding is tolerant: unknown keys are ignored, a text may come as a number, and an absent or null value is empty. If
the documents spell a name in two ways, both are read (vendors.md 6/004 #6) and both attributes hold the value. A part
that only `expand` adds is None if it was not there. Amounts are in minor units ("cents"), as documented.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from hashlib import blake2b
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import force_setattr

__all__ = [
    "AddressRecord",
    "DocumentRecord",
    "LineRecord",
    "OrderRecord",
    "ShipmentLabel",
    "ShipmentLine",
    "ShipmentRecord",
    "ShippingMethod",
    "Variant",
    "row_id",
]

LONGEST_ID = 200
TEXTS = {str}

if TYPE_CHECKING:
    Text = str
else:
    Text = str | int | None
"""A text that may come as a number (an id, a house number) or as null; `_Record` converts it to text."""


class _Record(msgspec.Struct, frozen=True, kw_only=True):
    def __post_init__(self) -> None:
        names, values_of = _texts(type(self))
        values: tuple[object, ...] = values_of(self)
        if set(map(type, values)) == TEXTS:  # nearly always, and checked for every response
            return
        for name, value in zip(names, values, strict=True):
            if not isinstance(value, str):
                force_setattr(self, name, "" if value is None else str(value))


@lru_cache(maxsize=32)
def _texts(kind: type[_Record]) -> tuple[tuple[str, ...], Callable[[_Record], Any]]:
    names = tuple(name for name in kind.__struct_fields__ if kind.__annotations__[name] == "Text")
    # For one name, `attrgetter` returns no tuple.
    return names, attrgetter(*names) if len(names) > 1 else lambda record: tuple(getattr(record, n) for n in names)


class Variant(_Record, frozen=True, kw_only=True):
    """The article that an order line was resolved to. Only `id`, `article_code` and `name` are in the seed."""

    id: Text = ""
    article_code: Text = ""
    name: Text = ""
    sku: Text = ""
    ean: Text = ""


class LineRecord(_Record, frozen=True, kw_only=True):
    """One line of an order. `serial_numbers` and `meta_data` have `expand` groups of their own."""

    variant: Variant | str | None = None
    quantity: Decimal | None = None
    description: Text = ""
    price: Decimal | None = None
    """Not in the documented response; read if it is there."""
    serial_numbers: list[str | int] | None = None
    meta_data: dict[str, Any] | list[Any] | None = None
    order_line_meta_data: dict[str, Any] | list[Any] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _both(self, "meta_data", "order_line_meta_data")

    @property
    def article(self) -> Variant:
        """The variant, with its id alone if the response has no more."""
        return self.variant if isinstance(self.variant, Variant) else Variant(id=self.variant or "")

    @property
    def codes(self) -> frozenset[str]:
        """The possible names of this article in a request: article code, EAN or SKU, in lower case."""
        article = self.article
        return frozenset(code.casefold() for code in (article.article_code, article.sku, article.ean) if code)

    @property
    def pairs(self) -> dict[str, str]:
        """The metadata as text."""
        return _pairs(self.meta_data)


class AddressRecord(_Record, frozen=True, kw_only=True):
    """The shipping address, with the contact, which a request has outside of it."""

    addressed_to: Text = ""
    contact_person: Text = ""
    street: Text = ""
    street_number: Text = ""
    street_number_addition: Text = ""
    street2: Text = ""
    zipcode: Text = ""
    city: Text = ""
    state: Text = ""
    country: Text = ""
    phone_number: Text = ""
    mobile_number: Text = ""
    fax_number: Text = ""
    email_address: Text = ""
    invalid: bool | None = None


class DocumentRecord(_Record, frozen=True, kw_only=True):
    """A document of an order. `url` is a signed link that expires (vendors.md, section 4)."""

    id: Text = ""
    title: Text = ""
    mime_type: Text = ""
    quantity: Decimal | None = None
    is_shipping_label: bool | None = None
    shipping_label: bool | None = None
    order_price: Decimal | None = None
    order_price_camel: Decimal | None = msgspec.field(default=None, name="orderPrice")
    url: Text = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        _both(self, "is_shipping_label", "shipping_label")
        _both(self, "order_price", "order_price_camel")


class OrderRecord(_Record, frozen=True, kw_only=True):
    """An order, as far as the response shows it: lists show the head, `get` the groups of `expand`. Times are text."""

    id: Text = ""
    created_at: Text = ""
    modified_at: Text = ""
    requested_delivery_date: Text = ""
    """A time, of which only the date is meaningful (vendors.md 6/004 #4)."""
    customer: Text = ""
    external_reference: Text = ""
    external_id: Text = ""
    po_number: Text = ""
    reference: Text = ""
    status: Text = ""
    shipping_method: Text = ""
    language: Text = ""
    note: Text = ""
    customer_note: Text = ""
    order_amount: Decimal | None = None
    assured_amount: Decimal | None = None
    inco_terms: Text = ""
    incoterms: Text = ""
    currency: Text = ""
    is_business_to_business: bool | None = None
    business_to_business: bool | None = None
    shipping_contactperson: Text = ""
    shipping_email: Text = ""
    shipping_address: AddressRecord | None = None
    order_lines: list[LineRecord] | None = None
    documents: list[DocumentRecord] | None = None
    meta_data: dict[str, Any] | list[Any] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _both(self, "inco_terms", "incoterms")
        _both(self, "is_business_to_business", "business_to_business")
        if self.meta_data == []:  # PHP's form of an empty object
            force_setattr(self, "meta_data", {})

    @property
    def contact_person(self) -> str:
        """The contact, which a response has in the address and a request beside it."""
        return (self.shipping_address.contact_person if self.shipping_address else "") or self.shipping_contactperson

    @property
    def email(self) -> str:
        """The e-mail address, which a response has in the address and a request beside it."""
        return (self.shipping_address.email_address if self.shipping_address else "") or self.shipping_email

    @property
    def pairs(self) -> dict[str, str]:
        """The metadata as text."""
        return _pairs(self.meta_data)


class ShippingMethod(_Record, frozen=True, kw_only=True):
    """The shipping method of a shipment."""

    id: Text = ""
    shipper: Text = ""
    shipper_code: Text = ""
    code: Text = ""


class ShipmentLabel(_Record, frozen=True, kw_only=True):
    """One parcel's label. `tracking_url` may be `#` for none."""

    label_code: Text = ""
    tracking_code: Text = ""
    tracking_url: Text = ""


class ShipmentLine(_Record, frozen=True, kw_only=True):
    """The shipped quantity of one article."""

    shipped_quantity: Decimal | None = None
    shipped_article_code: Text = ""
    shipped_sku: Text = ""
    shipped_ean: Text = ""
    serial_numbers: list[str | int] | None = None


class ShipmentRecord(_Record, frozen=True, kw_only=True):
    """One shipment; an order may have several."""

    id: Text = ""
    created_at: Text = ""
    modified_at: Text = ""
    order_id: Text = ""
    order_external_reference: list[str] | str | int | None = None
    """One text in the samples, a list in the newer model; see `references`."""
    reference: Text = ""
    shipping_method: ShippingMethod | str | None = None
    shipment_labels: list[ShipmentLabel] | None = None
    labels: list[ShipmentLabel] | None = None
    shipment_lines: list[ShipmentLine] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _both(self, "shipment_labels", "labels")

    @property
    def references(self) -> tuple[str, ...]:
        """The external references of the shipment's orders."""
        found = self.order_external_reference
        return () if found is None else tuple(found) if isinstance(found, list) else (str(found),)


class _Row(_Record, frozen=True, kw_only=True):
    id: Text


_row = msgspec.json.Decoder(_Row)


def row_id(row: bytes) -> str:
    """Return the id of one row of a list; for an unreadable row, a hash of its bytes, the same in every list."""
    try:
        found = _row.decode(row).id
    except (ValueError, RecursionError):
        found = ""
    if found in (".", "..") or len(found) > LONGEST_ID or not found.isprintable():
        found = ""  # an id that no address can contain would fail the poll for all others
    return found or f"unreadable-{blake2b(row, digest_size=8).hexdigest()}"


def _both(record: msgspec.Struct, one: str, other: str) -> None:
    """Copy a value between two spellings of a name, if one of them has none."""
    if getattr(record, one) == getattr(record, other):
        return
    for name, spare in ((one, other), (other, one)):
        if getattr(record, name) in (None, ""):
            force_setattr(record, name, getattr(record, spare))


def _pairs(found: dict[str, Any] | list[Any] | None) -> dict[str, str]:
    if not isinstance(found, dict):
        return {}
    return {key: _plain(value) for key, value in found.items() if value is not None}


def _plain(value: Any) -> str:
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))  # msgspec would not encode 2**80
    except RecursionError:
        return ""
