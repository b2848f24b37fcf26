"""
The plain order: the canonical order as JSON, for receivers without a format of their own (a webhook, a file).

Amounts and quantities are text with all their digits, never floats and never in scientific notation; times are ISO 8601
in UTC, dates `YYYY-MM-DD`, ids text, documents base64. Fields that an order does not have are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any, ClassVar, TypeVar

import msgspec
from msgspec import Meta

from connector.errors import Unmappable
from connector.mapping.money import digits
from connector.mapping.partial import Attempt, MissingPart, or_missing, or_raise
from connector.order import Address, Contact, Customer, Document, Kind, Order

__all__ = ["PlainLine", "PlainOrder", "PlainParcel", "PlainTotals", "partial_plain", "plain_order"]

T = TypeVar("T")

Amount = Annotated[str, Meta(pattern=r"^-?[0-9]+(\.[0-9]+)?$", description="A number as text, with its digits.")]


class PlainLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An ordered article. Prices exclude tax and are per unit, in the order's currency."""

    line_id: str = ""
    sku: str = ""
    name: str = ""
    quantity: Amount
    unit_price: Amount | None = None
    tax_percentage: Amount | None = None
    notes: str = ""
    metadata: dict[str, str] = {}


class PlainTotals(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The order's totals as the source states them."""

    excluding_tax: Amount | None = None
    including_tax: Amount | None = None
    tax: Amount | None = None
    shipping_excluding_tax: Amount | None = None
    shipping_including_tax: Amount | None = None
    discount: Amount | None = None
    discount_percentage: Amount | None = None


class PlainParcel(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A parcel of a shipment, in kilograms and centimetres."""

    parcel_id: str = ""
    description: str = ""
    quantity: Amount
    weight: Amount | None = None
    length: Amount | None = None
    width: Amount | None = None
    height: Amount | None = None
    barcode: str = ""
    notes: str = ""
    metadata: dict[str, str] = {}


class PlainOrder(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The fields of the canonical order, without the source's raw bytes."""

    free_form: ClassVar[bool] = True
    """A route's own mapping may produce other keys than these: receivers of plain orders accept any JSON object."""

    external_id: str
    source: str
    order_id: str
    kind: Kind
    reference: str = ""
    references: tuple[str, ...] = ()
    purchase_order: str = ""
    created_at: datetime | None = None
    currency: str = ""
    language: str = ""
    customer: Customer = Customer()
    contact: Contact = Contact()
    contacts: tuple[Contact, ...] = ()
    delivery_address: Address | None = None
    invoice_address: Address | None = None
    sender: Address | None = None
    lines: tuple[PlainLine, ...] = ()
    totals: PlainTotals = PlainTotals()
    notes: str = ""
    requested_delivery_date: date | None = None
    delivery_method: str = ""
    carrier: str = ""
    pickup_location: str = ""
    partial_delivery: bool | None = None
    parcels: tuple[PlainParcel, ...] = ()
    cash_on_delivery: Amount | None = None
    cash_on_delivery_currency: str = ""
    cash_on_delivery_reference: str = ""
    documents: tuple[Document, ...] = ()
    cancelled: bool = False
    metadata: dict[str, str] = {}


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(PlainOrder).decode


def plain_order(order: Order) -> PlainOrder:
    """
    Return `order` in its plain form, which depends on the order alone.

    Raises:
        Unmappable: for amounts that are not numbers or absurdly large, a time without a zone, and text that is not
            Unicode. Nothing else is raised.
    """
    fields = _fields(order, or_raise)
    plain = PlainOrder(**{**fields, "totals": PlainTotals(**fields["totals"])})
    try:
        _decode(_encode(plain))
    except ValueError as exc:  # msgspec's own errors, and lone surrogates in texts
        raise Unmappable("unwritable order", str(exc)) from None
    return plain


def partial_plain(order: Order) -> dict[str, Any]:
    """Return the plain form of `order` with a `MissingPart` for each part that cannot be made."""
    fields = _fields(order, or_missing)
    missing = {name: value for name, value in fields.items() if isinstance(value, MissingPart)}
    totals = fields.pop("totals")
    plain = PlainOrder(**{name: value for name, value in fields.items() if name not in missing})
    made = msgspec.to_builtins(plain, builtin_types=(datetime, date, bytes))
    made |= missing
    made["totals"] = {name: value for name, value in totals.items() if value is not None}
    return {name: made[name] for name in PlainOrder.__struct_fields__ if name in made}


def _fields(order: Order, attempt: Attempt) -> dict[str, Any]:
    """Return the fields of the plain form; `attempt` makes each that can fail."""
    fields = {name: getattr(order, name) for name in Order.__struct_fields__ if name != "raw"}
    return fields | {
        "external_id": order.external_id,
        "created_at": None if order.created_at is None else attempt(_utc, order.created_at),
        "cash_on_delivery": None if order.cash_on_delivery is None else attempt(digits, order.cash_on_delivery),
        "lines": attempt(_all, PlainLine, order.lines),
        "totals": _texts(order.totals, attempt),
        "parcels": attempt(_all, PlainParcel, order.parcels),
    }


def _all(kind: Callable[..., T], parts: Iterable[msgspec.Struct]) -> tuple[T, ...]:
    return tuple(kind(**_texts(part, or_raise)) for part in parts)


def _texts(struct: msgspec.Struct, attempt: Attempt) -> dict[str, Any]:
    values = msgspec.structs.asdict(struct)
    return {name: attempt(digits, value) if isinstance(value, Decimal) else value for name, value in values.items()}


def _utc(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise Unmappable("a time without a zone", at.isoformat())
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise Unmappable("time out of range", at.isoformat()) from None
