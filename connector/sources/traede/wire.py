"""
Traede's orders on the wire: each field under each name that it plausibly has (vendors.md section 2).

Documented are `order_id`, `lines`, the names of the 3PL pages, and the production order object. `decode` coerces values
of another type field by field, so that one odd value never loses the rest of its order.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from connector.sources.traede.parsing import decoded

__all__ = [
    "Address",
    "Amount",
    "Article",
    "Code",
    "Coded",
    "Decoded",
    "Label",
    "Line",
    "Order",
    "Party",
    "Production",
    "Text",
    "Time",
    "Zip",
    "decode",
]

Text = str | None
"""A text without surrounding blanks. A number counts as its text; any other type counts as empty."""
Label = Annotated[str, msgspec.Meta(title="label")] | None
"""A text that is often written as a number: an id, a house number, a phone."""
Zip = str | int | None
"""A postal code; a number may have lost its leading zeros."""
Amount = Annotated[Any, msgspec.Meta(title="amount")]
"""A number, or a text that is one; left as it is, for `number` to parse."""
Time = Annotated[Any, msgspec.Meta(title="time")]
"""A text; left as it is, for `moment` and `day` to parse."""


class Coded(msgspec.Struct, gc=False):
    """A currency, a language or a country as an object with a code."""

    code: Text = None
    iso: Text = None
    iso_code: Text = None
    iso2: Text = None
    alpha2: Text = None


Code = str | Coded | None
"""A code, or an object with one."""


class Address(msgspec.Struct, gc=False):
    """An address; of `invoice_address` and `delivery_address` only the names are known."""

    company: Text = None
    company_name: Text = None
    name: Text = None
    attention: Text = None
    att: Text = None
    contact_person: Text = None
    contact_name: Text = None
    contact: Text = None
    first_name: Text = None
    last_name: Text = None
    address: Text = None
    address1: Text = None
    address_1: Text = None
    address_line_1: Text = None
    street: Text = None
    street1: Text = None
    house_number: Label = None
    street_number: Label = None
    number: Label = None
    address2: Text = None
    address_2: Text = None
    address_line_2: Text = None
    street2: Text = None
    address3: Text = None
    address_3: Text = None
    address_line_3: Text = None
    street3: Text = None
    notes: Text = None
    comment: Text = None
    fax: Label = None
    zip: Zip = None
    zipcode: Zip = None
    zip_code: Zip = None
    postal_code: Zip = None
    postcode: Zip = None
    city: Text = None
    town: Text = None
    state: Text = None
    region: Text = None
    province: Text = None
    country: Code = None
    country_code: Text = None
    country_iso: Text = None
    email: Text = None
    phone: Label = None
    telephone: Label = None
    phone_number: Label = None
    mobile: Label = None
    mobile_number: Label = None


Place = Address | Literal[""] | None
"""An address; "" for an object without keys, which is no address, and for which no other one is taken."""


class Party(msgspec.Struct, gc=False):
    """The customer of an order, or the supplier of a production order."""

    id: Label = None
    customer_number: Label = None
    number: Label = None
    supplier_id: Label = None
    name: Text = None
    company: Text = None
    company_name: Text = None
    vat_number: Label = None
    vat_no: Label = None
    vat: Label = None
    cvr: Label = None
    contact_person: Text = None
    contact_name: Text = None
    contact: Text = None
    email: Text = None
    phone: Label = None
    language: Code = None
    locale: Code = None
    currency: Code = None


class Article(msgspec.Struct, gc=False):
    """A line's variant, or its product."""

    id: Label = None
    name: Text = None
    sku: Label = None
    ean: Label = None
    barcode: Label = None


class Line(msgspec.Struct, gc=False):
    """A line; documented are `product_id`, `variant_id`, `unit_price` and, for a production order, `ordered`."""

    id: Label = None
    line_id: Label = None
    order_line_id: Label = None
    product_id: Label = None
    product_name: Text = None
    variant_id: Label = None
    variant_name: Text = None
    sku: Label = None
    ean: Label = None
    barcode: Label = None
    name: Text = None
    ordered: Amount = None
    quantity: Amount = None
    qty: Amount = None
    price: Amount = None
    unit_price: Amount = None
    vat_rate: Amount = None
    vat_percentage: Amount = None
    tax_rate: Amount = None
    tax_percentage: Amount = None
    product: Article | None = None
    variant: Article | None = None
    variant_sku: Label = None
    description: Text = None
    comment: Text = None
    comments: Text = None
    note: Text = None
    notes: Text = None
    size: Label = None
    color: Text = None
    discount: Any = None
    discount_percentage: Any = None


Lines = list[Line] | Literal["unreadable"] | None
"""The lines; None if they are missing, "unreadable" for a value that is no list of objects."""


class _Both(msgspec.Struct, gc=False):
    """The common fields of an order and a production order."""

    id: Any = None
    status: Text = None
    currency: Code = None
    currency_code: Code = None
    external_comments: Text = None
    internal_comments: Text = None
    created_at: Time = None
    cancelled: Any = None
    canceled: Any = None
    is_cancelled: Any = None
    cancelled_at: Time = None
    canceled_at: Time = None
    lines: Lines = None


class Order(_Both, gc=False):
    """An order; documented are `order_id`, `lines`, and the fields that the 3PL pages name."""

    order_id: Any = None
    order_number: Label = None
    number: Label = None
    order_type: Text = None
    reference: Label = None
    customer_reference: Label = None
    customer_order_number: Label = None
    po_number: Label = None
    purchase_order: Label = None
    purchase_order_number: Label = None
    delivery_method: Text = None
    shipping_method: Text = None
    carrier: Text = None
    delivery_terms: Text = None
    payment_terms: Text = None
    order_date: Time = None
    date: Time = None
    language: Code = None
    locale: Code = None
    customer_number: Label = None
    customer_id: Label = None
    customer_name: Text = None
    customer: Party | None = None
    contact_person: Text = None
    contact_name: Text = None
    contact: Text = None
    email: Text = None
    customer_email: Text = None
    contact_email: Text = None
    phone: Label = None
    customer_phone: Label = None
    contact_phone: Label = None
    invoice_address: Place = None
    billing_address: Place = None
    delivery_address: Place = None
    shipping_address: Place = None
    order_meta: Any = None
    comments: Text = None
    comment: Text = None
    customer_comment: Text = None
    customer_comments: Text = None
    external_comment: Text = None
    notes: Text = None
    note: Text = None
    internal_comment: Text = None
    requested_delivery_date: Time = None
    delivery_date: Time = None


class Production(_Both, gc=False):
    """A production order of the core API; seed 002 names the nested resources, which change their spelling (6, #10)."""

    production_order_id: Any = None
    production_order_number: Label = None
    supplier_id: Label = None
    supplier: Party | None = None
    expected_delivery: Time = None
    salesOrders: Any = None  # noqa: N815 - the seed's spelling
    sales_orders: Any = None
    orders: Any = None
    deliveryNotes: Any = None  # noqa: N815 - the seed's spelling
    delivery_notes: Any = None


Decoded = TypeVar("Decoded", Order, Production)


def decode(kind: type[Decoded], raw: bytes) -> Decoded:
    """Decode an order, with odd values coerced field by field. Raises `Unmappable` unless it is a JSON object."""
    return msgspec.convert(_coerced(_FORMS[kind], decoded(raw)), kind)


class _Form:
    """The fields of one struct by their keys: the texts, and those with a coercion of their own."""

    def __init__(self, kind: type[msgspec.Struct]) -> None:
        types = {field.encode_name: field.type for field in msgspec.structs.fields(kind)}
        self.texts = frozenset(key for key, each in types.items() if each in (Text, Label))
        self.others = {key: _COERCIONS[each] for key, each in types.items() if each in _COERCIONS}


def _coerced(form: _Form, found: dict[str, Any]) -> dict[str, Any]:
    """Coerce the values of an object to the types of its struct, in place; return it."""
    texts, others = form.texts, form.others
    for key, value in found.items():
        if key in texts:
            found[key] = value.strip() if type(value) is str else _text(value)
        elif key in others:
            found[key] = others[key](value)
    return found


def _text(value: Any) -> str:
    kind = type(value)
    return str(value.strip() if kind is str else value) if kind in (str, int, Decimal) else ""


def _zip(value: Any) -> str | int:
    return value if type(value) is int else _text(value)


def _code(value: Any) -> dict[str, Any] | str:
    return _coerced(_FORMS[Coded], value) if type(value) is dict else _text(value)


def _part(kind: type[msgspec.Struct], value: Any) -> dict[str, Any] | None:
    return _coerced(_FORMS[kind], value) if type(value) is dict else None


def _place(value: Any) -> dict[str, Any] | str | None:
    return "" if value == {} else _part(Address, value)


def _lines(value: Any) -> list[Any] | str | None:
    if value is None:
        return None
    if not isinstance(value, list) or any(not isinstance(line, dict) for line in value):
        return "unreadable"
    return [_coerced(_FORMS[Line], line) for line in value]


_COERCIONS: dict[Any, Callable[[Any], Any]] = {
    Zip: _zip,
    Code: _code,
    Article | None: partial(_part, Article),
    Party | None: partial(_part, Party),
    Place: _place,
    Lines: _lines,
}
_FORMS: dict[type[msgspec.Struct], _Form] = {
    kind: _Form(kind) for kind in (Coded, Address, Party, Article, Line, Order, Production)
}
