"""
Propeller's order on the wire (seed 000; further fields: vendors.md, section 1).

Numbers keep their digits, and are parsed by `connector.sources.parsing`. Documented texts may come as numbers if they
look like one (an sku, a house number).
"""

from __future__ import annotations

from typing import Any

import msgspec

from connector.mapping.money import exact

__all__ = ["Address", "Head", "Item", "Order", "Payment", "Postage", "Text", "Total", "decode"]

Text = str | int | None
Number = Any
Scalar = Any


class Head(msgspec.Struct, rename="camel"):
    """The few fields that a poll needs; the rest of the order stays raw."""

    id: str | int
    status: str | None = None
    type: str | None = None
    export_status: str | None = None
    exported_at: str | None = None


class Total(msgspec.Struct, rename="camel"):
    """The order's sums."""

    gross: Number = None
    net: Number = None
    tax: Number = None
    discount_value: Number = None
    discount_type: str | None = None


class Postage(msgspec.Struct, rename="camel"):
    """The delivery of the order, and its cost."""

    method: Text = None
    gross: Number = None
    net: Number = None
    tax: Number = None
    tax_percentage: Number = None
    request_date: str | None = None
    partial_delivery_allowed: str | bool | None = None
    pick_up_location_id: Text = None
    carrier: Text = None
    overruled: Scalar = None


class Payment(msgspec.Struct, rename="camel"):
    """The payment of the order, and its cost."""

    method: Text = None
    status: Scalar = None
    gross: Scalar = None
    net: Scalar = None
    tax: Scalar = None
    tax_percentage: Scalar = None
    overruled: Scalar = None


class Item(msgspec.Struct, rename="camel"):
    """One row of the order: an article, or a cost named by `class`."""

    quantity: Number
    id: Text = None
    product_id: Text = None
    parent_order_item_id: Text = None
    class_: str | None = msgspec.field(default=None, name="class")
    sku: Text = None
    ean_code: Text = None
    name: str | None = None
    notes: str | None = None
    price: Number = None
    tax_percentage: Number = None
    original_price: Scalar = None
    price_total: Scalar = None
    discount: Scalar = None
    tax_code: Scalar = None
    is_bonus: Scalar = None
    supplier: Scalar = None
    supplier_code: Scalar = None


class Address(msgspec.Struct, rename="camel"):
    """One address; `type` is delivery, invoice or home."""

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
    fax: Text = None
    notes: str | None = None


class Order(Head, rename="camel", kw_only=True):
    """One order of the search, with its rows and addresses."""

    items: list[Item] | None = None
    addresses: list[Address] | None = None
    uuid: str | None = None
    reference: Text = None
    remarks: str | None = None
    email: str | None = None
    currency: str | None = None
    language: str | None = None
    date: str | None = None
    created_at: str | None = None
    user_id: Text = None
    postage_data: Postage | None = None
    payment_data: Payment | None = None
    total: Total | None = None
    external_id: Scalar = None
    company_id: Scalar = None
    debtor_id: Scalar = None
    channel_id: Scalar = None
    site_id: Scalar = None
    origin: Scalar = None
    source: Scalar = None
    action_code: Scalar = None
    extra3: Scalar = None
    extra4: Scalar = None


decode = msgspec.json.Decoder(Order, float_hook=exact).decode
