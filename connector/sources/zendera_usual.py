"""
Zendera's shipment as it usually is: the structs of `zendera_wire`, with one type for each field (seed 003).

A text that is absent is empty. `None` is the type of what can be written in another way, or in another place: where it
is there, the shipment is none of the usual ones. No field is left out: what is not declared is not looked at.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

import msgspec
from msgspec import Meta

__all__ = ["Address", "Cash", "Contact", "Group", "Parcel", "Party", "Shipment", "Stop"]

Id = str | int


class Contact(msgspec.Struct, frozen=True, rename="camel"):
    """A person at a stop."""

    first_name: str = ""
    last_name: str = ""
    name: str = ""
    phone_number: str = ""
    phone: str = ""
    email_address: str = ""
    email: str = ""


class Address(msgspec.Struct, frozen=True, rename="camel"):
    """A postal address."""

    name: str = ""
    address1: str = ""
    address2: str = ""
    street: str = ""
    postal_code: str = ""
    city: str = ""
    state: str = ""
    country: str = ""
    country_code: str = ""


class Stop(msgspec.Struct, frozen=True, rename="camel"):
    """Where goods are picked up or delivered."""

    name: str = ""
    address: Address = Address()
    contacts: tuple[Contact, ...] = ()
    contact: None = None
    earliest: str = ""
    latest: str = ""
    instructions: str = ""


class Party(msgspec.Struct, frozen=True, rename="camel"):
    """Who ordered the transport."""

    id: Id = ""
    business_name: str = ""
    name: str = ""


class Parcel(msgspec.Struct, frozen=True, rename="camel"):
    """A row that lies in no other one, and in which none lies."""

    id: Id = ""
    name: str = ""
    description: str = ""
    quantity: Decimal = Decimal(1)
    weight: Decimal | None = None
    length: Decimal | None = None
    width: Decimal | None = None
    height: Decimal | None = None
    barcode_id: str = ""
    external_id: str = ""
    parent_external_id: None = None
    atom_type: str = ""
    metadata: dict[str, str] = {}
    contributor_metadata: None = None


class Cash(msgspec.Struct, frozen=True, rename="camel"):
    """Cash on delivery."""

    amount: Decimal
    currency: str = ""
    reference: str = ""


class Shipment(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """One shipment, its stops written as objects."""

    order_id: Id
    id: Id = ""
    shipment_id: Id = ""
    order_external_id: str = ""
    external_id: str = ""
    reference: str = ""
    references: tuple[dict[str, str], ...] = ()
    status: str = ""
    created_at: str = ""
    date: str | None = None
    customer: Party | None = None
    sender: Stop | None = None
    pickup: None = None
    sender_address: None = None
    sender_contact: None = None
    delivery: Stop
    delivery_address: None = None
    delivery_contact: None = None
    parcels: tuple[Parcel, ...] = ()
    carrier_service: dict[str, str] = {}
    cash_on_delivery: Cash | None = None
    currency: str = ""
    notes: str = ""
    comment: str = ""


class Group(msgspec.Struct, frozen=True, rename="camel"):
    """One order of one shipment."""

    order_id: str
    shipments: Annotated[tuple[Shipment, ...], Meta(min_length=1, max_length=1)]
