"""
Traede's orders as they come over the wire: each field under each name that it plausibly has (vendors.md section 2).

Documented are `order_id`, `lines`, the names of the 3PL pages, and the production order object; see `traede_decoding`
for what becomes of values of other types than these.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

import msgspec

__all__ = ["Address", "Amount", "Article", "Code", "Coded", "Line", "Order", "Party", "Production", "Text", "Time"]

Text = str | Annotated[int, msgspec.Meta(ge=1)] | None
"""A number counts as its text. One that is false, as an empty text is, goes the lenient way."""
Amount = Decimal | None
"""Written as a number or as text."""
Time = str | None


class Coded(msgspec.Struct, gc=False):
    """A currency, a language or a country with its code inside."""

    code: Text = None
    iso: Text = None
    iso_code: Text = None
    iso2: Text = None
    alpha2: Text = None


Code = str | Annotated[int, msgspec.Meta(ge=1)] | Coded | None


class Address(msgspec.Struct, gc=False):
    """Of `invoice_address` and `delivery_address` only the names are known."""

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
    house_number: Text = None
    street_number: Text = None
    number: Text = None
    address2: Text = None
    address_2: Text = None
    address_line_2: Text = None
    street2: Text = None
    zip: Text = None
    zipcode: Text = None
    zip_code: Text = None
    postal_code: Text = None
    postcode: Text = None
    city: Text = None
    town: Text = None
    state: Text = None
    region: Text = None
    province: Text = None
    country: Code = None
    country_code: Text = None
    country_iso: Text = None
    email: Text = None
    phone: Text = None
    telephone: Text = None
    phone_number: Text = None
    mobile: Text = None
    mobile_number: Text = None


class Party(msgspec.Struct, gc=False):
    """The customer of an order, or the supplier of a production order."""

    id: Text = None
    customer_number: Text = None
    number: Text = None
    supplier_id: Text = None
    name: Text = None
    company: Text = None
    company_name: Text = None
    vat_number: Text = None
    vat_no: Text = None
    vat: Text = None
    cvr: Text = None
    contact_person: Text = None
    contact_name: Text = None
    contact: Text = None
    email: Text = None
    phone: Text = None
    language: Code = None
    locale: Code = None
    currency: Code = None


class Article(msgspec.Struct, gc=False):
    """A line's variant, or its product."""

    id: Text = None
    name: Text = None
    sku: Text = None
    ean: Text = None
    barcode: Text = None


class Line(msgspec.Struct, gc=False):
    """`ordered` is in a production order's lines, documented as `product_id`, `variant_id` and `unit_price` are."""

    id: Text = None
    line_id: Text = None
    order_line_id: Text = None
    product_id: Text = None
    product_name: Text = None
    variant_id: Text = None
    variant_name: Text = None
    variant_sku: Text = None
    sku: Text = None
    ean: Text = None
    barcode: Text = None
    name: Text = None
    description: Text = None
    ordered: Amount = None
    quantity: Amount = None
    qty: Amount = None
    unit_price: Amount = None
    price: Amount = None
    vat_rate: Amount = None
    vat_percentage: Amount = None
    tax_rate: Amount = None
    tax_percentage: Amount = None
    product: Article | None = None
    variant: Article | None = None


class _Both(msgspec.Struct, gc=False):
    """What an order and a production order have in common."""

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
    lines: list[Line] | None = None


class Order(_Both, gc=False):
    """Documented are `order_id`, `lines`, and what the 3PL pages name."""

    order_id: Any = None
    order_number: Text = None
    number: Text = None
    order_type: Text = None
    reference: Text = None
    customer_reference: Text = None
    order_date: Time = None
    date: Time = None
    language: Code = None
    locale: Code = None
    customer_number: Text = None
    customer_id: Text = None
    customer_name: Text = None
    customer: Party | None = None
    contact_person: Text = None
    contact_name: Text = None
    contact: Text = None
    email: Text = None
    customer_email: Text = None
    contact_email: Text = None
    phone: Text = None
    customer_phone: Text = None
    contact_phone: Text = None
    invoice_address: Address | None = None
    billing_address: Address | None = None
    delivery_address: Address | None = None
    shipping_address: Address | None = None
    order_meta: Any = None
    comments: Text = None
    comment: Text = None
    customer_comment: Text = None
    internal_comment: Text = None
    requested_delivery_date: Time = None
    delivery_date: Time = None


class Production(_Both, gc=False):
    """The core API's object; seed 002 names the nested resources, which change their spelling (6, #10)."""

    production_order_id: Any = None
    production_order_number: Text = None
    supplier_id: Text = None
    supplier: Party | None = None
    expected_delivery: Time = None
    salesOrders: Any = None  # noqa: N815 - the seed's spelling
    sales_orders: Any = None
    orders: Any = None
    deliveryNotes: Any = None  # noqa: N815 - the seed's spelling
    delivery_notes: Any = None
