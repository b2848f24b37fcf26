"""
Zendera's shipment on the wire (seed 003).

The seed names a shipment's content but shows no schema, and none is published (vendors.md 3). The names here are
therefore inferred [INF]: those of Zendera's order import v3, which fills the same records, and those of the seed's
prose. Every key may be absent, as protobuf leaves out empty values. A value of another type makes the shipment
unreadable, which is never blamed on the dispatcher.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

__all__ = [
    "CANCELLED",
    "Address",
    "Cash",
    "Contact",
    "Group",
    "Head",
    "Parcel",
    "Party",
    "Shipment",
    "Stop",
    "Text",
    "identity",
    "moment",
    "text",
]

Number = Any
"""Keeps its digits, and is parsed by `connector.sources.parsing`."""
Text = str | int | None
"""Texts may come as numbers, and 64-bit numbers come as text (vendors.md 3, number encoding)."""

LONGEST_ID = 64
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LATEST_SECOND = 253_402_300_799
"""The last second of the year 9999; a larger time is in milliseconds."""


CANCELLED = frozenset({"cancelled", "canceled"})
"""The statuses of a cancelled order [INF]."""


class Contact(msgspec.Struct, rename="camel"):
    """A person at a stop; the names are those of the import, and shorter forms."""

    first_name: str | None = None
    last_name: str | None = None
    name: str | None = None
    phone_number: Text = None
    phone: Text = None
    mobile: Text = None
    email_address: str | None = None
    email: str | None = None


class Address(msgspec.Struct, rename="camel"):
    """A postal address. The import's example has the country's name where others have its code."""

    name: str | None = None
    address1: str | None = None
    address2: str | None = None
    address3: str | None = None
    street: str | None = None
    street2: str | None = None
    postal_code: Text = None
    postcode: Text = None
    zip_code: Text = None
    zipcode: Text = None
    zip: Text = None
    city: str | None = None
    state: str | None = None
    country: str | None = None
    country_code: str | None = None


class Stop(msgspec.Struct, rename="camel"):
    """A place of pick-up or delivery, with its time window."""

    name: str | None = None
    address: Address | None = None
    contacts: list[Contact] | None = None
    contact: Contact | None = None
    earliest: Text = None
    latest: Text = None
    instructions: str | None = None


class Party(msgspec.Struct, rename="camel"):
    """The party that ordered the transport."""

    id: Text = None
    business_name: str | None = None
    name: str | None = None
    vat_number: Text = None
    organization_number: Text = None
    email: str | None = None
    phone: Text = None


class Parcel(msgspec.Struct, rename="camel"):
    """One parcel, or one row of goods within one (`parentExternalId`): kilograms and centimetres [INF]."""

    id: Text = None
    name: str | None = None
    description: str | None = None
    quantity: Number = None
    weight: Number = None
    length: Number = None
    width: Number = None
    height: Number = None
    barcode_id: Text = None
    external_id: Text = None
    parent_external_id: Text = None
    atom_type: str | None = None
    reference: Text = None
    notes: str | None = None
    comment: str | None = None
    metadata: Any = None
    contributor_metadata: Any = None


class Cash(msgspec.Struct, rename="camel"):
    """Cash on delivery."""

    amount: Number = None
    currency: str | None = None
    reference: Text = None


class Shipment(msgspec.Struct, rename="camel", kw_only=True):
    """One shipment. A stop is an object, or its parts are fields of the shipment (`deliveryAddress` ...)."""

    order_id: str | int
    id: Text = None
    shipment_id: Text = None
    order_external_id: Text = None
    external_id: Text = None
    reference: Text = None
    references: Any = None
    status: str | None = None
    created_at: Text = None
    date: str | None = None
    customer: Party | None = None
    sender: Stop | None = None
    pickup: Stop | None = None
    sender_address: Address | None = None
    sender_contact: Contact | None = None
    delivery: Stop | None = None
    delivery_address: Address | None = None
    delivery_contact: Contact | None = None
    parcels: list[Parcel] | None = None
    carrier_service: Any = None
    cash_on_delivery: Any = None
    currency: str | None = None
    notes: str | None = None
    comment: str | None = None


class Group(msgspec.Struct, rename="camel"):
    """One order as `fetch` composes it: its id, and its shipments in the vendor's own bytes."""

    order_id: str
    shipments: list[Shipment]


class Head(msgspec.Struct, rename="camel"):
    """The few fields that a poll needs; the rest of the shipment stays raw."""

    order_id: Any = None
    id: Any = None
    shipment_id: Any = None


def identity(value: object) -> str:
    """
    Return an id as text; empty for anything else.

    Numbers and texts are compared as text (vendors.md 6, seed 003, #14). 0 is protobuf's value for no id; dots are
    resolved in addresses, so they are no ids either.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or value in ("", "0", ".", "..") or len(value) > LONGEST_ID:
        return ""
    return value if value.isprintable() and value == value.strip() else ""


def text(value: Text) -> str:
    """Return a text without surrounding blanks; empty for None."""
    if type(value) is str:
        return value.strip()
    return "" if value is None else str(value).strip()


def moment(value: object) -> datetime | None:
    """
    Return a time in UTC, or None for no time.

    ISO 8601, in UTC if it names no zone, or milliseconds since 1970 as a number or as text, as in Zendera's other feeds
    (vendors.md 3). A time up to 1970 is an unset one of protobuf or Go, and counts as no time. Raises `ValueError` for
    anything else.
    """
    if value is None or value in ("", 0, "0"):
        return None
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) > len("20260611"):
        value = int(value[:20])
    try:
        if isinstance(value, int) and not isinstance(value, bool):
            at = datetime.fromtimestamp(value / 1000 if value > LATEST_SECOND else value, UTC)
        else:
            at = datetime.fromisoformat(value)  # type: ignore[arg-type]  # another type raises TypeError
            at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (TypeError, ValueError, OverflowError, OSError) as exc:
        raise ValueError(f"not a time: {exc}") from None
    return at if at > EPOCH else None
