"""The canonical order: one vocabulary for all sources (design.md, section 6)."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from hashlib import blake2b
from typing import Literal

import msgspec

__all__ = ["Address", "Contact", "Customer", "Document", "Line", "Order", "Parcel", "Totals", "external_id", "revision"]

Kind = Literal["sales", "production", "shipment"]


class Address(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A postal address with the people at it. Absent parts are empty, never invented."""

    company: str = ""
    first_name: str = ""
    middle_name: str = ""
    last_name: str = ""
    street: str = ""
    number: str = ""
    number_addition: str = ""
    street2: str = ""
    extra: str = ""
    """A further address line: a floor, an entrance, a building."""
    postal_code: str = ""
    city: str = ""
    region: str = ""
    country: str = ""
    """ISO 3166-1 alpha-2 code; the source's own text if it is no known country."""
    email: str = ""
    phone: str = ""
    mobile: str = ""
    fax: str = ""
    attention: str = ""
    """For whose attention, or in whose care (`c/o`), beside a person with a name of their own."""
    notes: str = ""
    """Instructions for the carrier at this address."""

    @property
    def person(self) -> str:
        """The person's full name, or an empty text."""
        return " ".join(filter(None, (self.first_name, self.middle_name, self.last_name)))


class Contact(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A contact person for the order."""

    name: str = ""
    email: str = ""
    phone: str = ""


class Customer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The buyer."""

    id: str = ""
    name: str = ""
    vat_number: str = ""
    email: str = ""
    phone: str = ""


class Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One ordered article. Prices exclude tax and are per unit, in the order's currency."""

    line_id: str = ""
    sku: str = ""
    name: str = ""
    quantity: Decimal = Decimal(0)
    unit_price: Decimal | None = None
    tax_percentage: Decimal | None = None
    notes: str = ""
    """The customer's wishes for this line: an engraving, a colour."""
    metadata: dict[str, str] = {}


class Totals(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The order's sums as the source states them, never recomputed here."""

    excluding_tax: Decimal | None = None
    including_tax: Decimal | None = None
    tax: Decimal | None = None
    shipping_excluding_tax: Decimal | None = None
    shipping_including_tax: Decimal | None = None
    discount: Decimal | None = None
    """An amount, in the order's currency."""
    discount_percentage: Decimal | None = None


class Parcel(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One parcel of a shipment: kilograms and centimetres."""

    parcel_id: str = ""
    description: str = ""
    quantity: Decimal = Decimal(1)
    weight: Decimal | None = None
    length: Decimal | None = None
    width: Decimal | None = None
    height: Decimal | None = None
    barcode: str = ""
    notes: str = ""
    metadata: dict[str, str] = {}


class Document(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A file that travels with the order: a label, a packing slip, a customs form."""

    title: str
    content: bytes
    quantity: int = 1
    """The number of copies to print."""
    shipping_label: bool = False


class Order(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One order as every receiver's mapping sees it. Money is `Decimal`, ids are text, times are UTC."""

    source: str
    """The source's name in settings.yaml."""
    order_id: str
    """The source's own id."""
    kind: Kind = "sales"
    reference: str = ""
    """The name of the order for people: its number, or its id if the source has no number."""
    references: tuple[str, ...] = ()
    """Further references of the order, the best first, without `reference` itself."""
    purchase_order: str = ""
    """The customer's own number of the order."""
    created_at: datetime | None = None
    currency: str = ""
    language: str = ""
    customer: Customer = Customer()
    contact: Contact = Contact()
    contacts: tuple[Contact, ...] = ()
    """Further contact persons, without `contact`."""
    delivery_address: Address | None = None
    invoice_address: Address | None = None
    sender: Address | None = None
    """The address of collection; its `notes` are the instructions for the carrier there."""
    lines: tuple[Line, ...] = ()
    totals: Totals = Totals()
    notes: str = ""
    requested_delivery_date: date | None = None
    delivery_method: str = ""
    """The way of delivery that was chosen, in the source's own words: DELIVERY, PICKUP ..."""
    carrier: str = ""
    pickup_location: str = ""
    """The id or name of the place where the customer collects the order."""
    partial_delivery: bool | None = None
    """True if the order may be delivered in parts; None if the source does not state it."""
    parcels: tuple[Parcel, ...] = ()
    cash_on_delivery: Decimal | None = None
    cash_on_delivery_currency: str = ""
    cash_on_delivery_reference: str = ""
    documents: tuple[Document, ...] = ()
    cancelled: bool = False
    """True if the source states that the order must not be fulfilled any more."""
    metadata: dict[str, str] = {}
    raw: bytes = b""
    """The order as the source sent it; kept for people and for mappings that need more."""

    @property
    def external_id(self) -> str:
        """The identity of the order at every receiver."""
        return external_id(self.source, self.order_id)


def external_id(source: str, order_id: str) -> str:
    """
    Return the identity of an order at every receiver: derived, never random.

    It must be the same after the journal was lost, so that a look-up finds the orders that were created before.
    """
    return f"{source}-{order_id}"


_encode = msgspec.json.Encoder(order="sorted").encode


def revision(order: Order) -> str:
    """
    Return the hash of the order's content; a changed order under the same id is a new revision.

    The order's status at its source, and its payment (`status`, `payment_status` in the metadata), are no content:
    they change by themselves.
    """
    metadata = order.metadata
    if "status" in metadata or "payment_status" in metadata:
        metadata = {key: value for key, value in metadata.items() if key not in ("status", "payment_status")}
    content = _encode(msgspec.structs.replace(order, raw=b"", metadata=metadata))
    return blake2b(content, digest_size=16).hexdigest()
