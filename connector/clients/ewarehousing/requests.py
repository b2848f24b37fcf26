"""
eWarehousing's requests, field by field (seed 004); its responses are in `responses`.

Requests have the documented keys only, since the receiver refuses others (vendors.md, section 4).
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

import msgspec
from msgspec import Meta
from msgspec.structs import force_setattr

__all__ = [
    "AddressChange",
    "CreateOrder",
    "Login",
    "MetaData",
    "NewDocument",
    "OrderLine",
    "Refresh",
    "Session",
    "ShippingAddress",
    "UpdateOrder",
    "encode",
    "encoded",
]

FARTHEST = 12
"""Powers of ten, either way, beyond which a price is invalid: converting 1E+400000000 to an integer takes for ever."""

Text = Annotated[str, Meta(min_length=1)]
MetaKey = Annotated[str, Meta(pattern=r"^[a-z0-9_-]+$")]
MetaData = dict[MetaKey, str]
"""Keys are lower case with `_` or `-` (seed 004, "The meta data model"); the examples' values are all text."""


class OrderLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One line of a create. `article_code` matches the receiver's article code, EAN or SKU."""

    article_code: Text
    quantity: Annotated[int, Meta(ge=1, le=2**31 - 1)]
    description: Text
    price: int | Decimal | None = None
    """Unit price. The seed says "number" and shows 2299; the setting `line_price` decides whether that is cents."""
    meta_data: MetaData = {}

    def __post_init__(self) -> None:
        """Convert a price with a fraction, or of another type, to a form whose JSON number has no exponent."""
        price = self.price
        if type(price) is not int and price is not None:
            force_setattr(self, "price", _written_out(price))


class ShippingAddress(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The delivery address. `zipcode` is required except for countries without postal codes."""

    addressed_to: Text
    street: Text
    street_number: str | None = None
    street_number_addition: str | None = None
    street2: str | None = None
    zipcode: str | None = None
    city: Text
    state: str | None = None
    country: Annotated[str, Meta(pattern=r"^[A-Z]{2}$", description="ISO 3166 alpha-2")]
    phone_number: str | None = None
    mobile_number: str | None = None
    fax_number: str | None = None
    invalid: bool | None = None


class NewDocument(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A document to print with the order, in the form of "Add a document to an order". `file` is base64."""

    file: Text
    title: Text
    quantity: Annotated[int, Meta(ge=1)] | None = None
    order_price: int | Decimal | None = None
    shipping_label: bool | None = None

    def __post_init__(self) -> None:
        """Convert the price as a line's."""
        price = self.order_price
        if type(price) is not int and price is not None:
            force_setattr(self, "order_price", _written_out(price))


class CreateOrder(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """
    The body of `POST /wms/orders/`.

    `encode` makes the bytes on the wire: sums are whole minor units, dates are `YYYY-MM-DD`, and unset fields are not
    sent.
    """

    json_numbers: ClassVar[bool] = True
    """Amounts with a fraction are JSON numbers, not texts."""

    external_reference: Text
    external_id: Text | None = None
    po_number: str | None = None
    """Printed on the pick-up label instead of `external_reference` when set (vendors.md, section 4)."""
    order_lines: Annotated[tuple[OrderLine, ...], Meta(min_length=1)]
    shipping_method: UUID | None = None
    shipping_address: ShippingAddress
    shipping_contactperson: Text
    shipping_email: str | None = None
    requested_delivery_date: date
    documents: tuple[NewDocument, ...] = ()
    ioss_number: str | None = None
    eori_number: str | None = None
    vat_number: str | None = None
    inbound_vat_number: str | None = None
    inbound_eori_number: str | None = None
    meta_data: MetaData = {}
    language: str | None = None
    note: str | None = None
    customer_note: str | None = None
    order_amount: int | None = None
    assured_amount: int | None = None
    inco_terms: Literal["DAP", "DDP"] | None = None
    currency: Annotated[str, Meta(pattern=r"^[A-Z]{3}$", description="ISO 4217")] | None = None


class AddressChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The parts of a shipping address that an update changes; an unset part stays unchanged."""

    addressed_to: Text | None = None
    street: Text | None = None
    street_number: str | None = None
    street_number_addition: str | None = None
    street2: str | None = None
    zipcode: str | None = None
    city: Text | None = None
    state: str | None = None
    country: Annotated[str, Meta(pattern=r"^[A-Z]{2}$", description="ISO 3166 alpha-2")] | None = None
    phone_number: str | None = None
    mobile_number: str | None = None
    fax_number: str | None = None
    invalid: bool | None = None


class UpdateOrder(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """
    The body of `PATCH /wms/orders/:id/`; an unset field stays unchanged.

    There is no `external_reference` and no `external_id`: the create fixes the identity. `order_lines` delete the
    order's lines (seed 004), so send all of them or none.
    """

    po_number: str | None = None
    order_lines: Annotated[tuple[OrderLine, ...], Meta(min_length=1)] | None = None
    shipping_method: UUID | None = None
    shipping_address: AddressChange | None = None
    shipping_contactperson: Text | None = None
    shipping_email: str | None = None
    requested_delivery_date: date | None = None
    documents: tuple[NewDocument, ...] = ()
    ioss_number: str | None = None
    eori_number: str | None = None
    vat_number: str | None = None
    inbound_vat_number: str | None = None
    inbound_eori_number: str | None = None
    meta_data: MetaData = {}
    language: str | None = None
    note: str | None = None
    customer_note: str | None = None
    order_amount: int | None = None
    assured_amount: int | None = None
    inco_terms: Literal["DAP", "DDP"] | None = None
    currency: Annotated[str, Meta(pattern=r"^[A-Z]{3}$", description="ISO 4217")] | None = None


class Login(msgspec.Struct, frozen=True, kw_only=True):
    """The body of `POST /wms/auth/login/`. It contains the password: encode it and drop it."""

    username: str
    password: str


class Refresh(msgspec.Struct, frozen=True, kw_only=True):
    """The body of `POST /wms/auth/refresh/`."""

    refresh_token: str


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """The response to both. `exp - iat` is the token's life in seconds, by the receiver's own clock."""

    token: Annotated[str, Meta(pattern=r"^[\x21-\x7e]+$(?!\n)")]
    iat: float
    exp: float
    refresh_token: str | None = None

    def __repr__(self) -> str:
        return "Session(***)"


encode = msgspec.json.Encoder(decimal_format="number").encode
"""Encodes a request: an amount with a fraction is a JSON number with all its digits, and never a float."""


def _written_out(price: Decimal | float) -> int | Decimal:
    """Return a price in digits, without an exponent. Raises `ValueError` for one too large or too small."""
    amount = price if isinstance(price, Decimal) else Decimal(str(price))
    if not amount.is_finite() or abs(amount.adjusted()) > FARTHEST:
        raise ValueError(f"{price} is no price")
    if amount == (whole := amount.to_integral_value()):
        return int(whole)
    if "E" in str(amount):
        raise ValueError(f"{amount} is too small for a price")
    return amount


def encoded(request: CreateOrder | UpdateOrder | NewDocument) -> bytes:
    """
    Encode a request after checking its values, which a struct does not do when it is made.

    Raises `ValueError` that names the field.
    """
    body = encode(request)
    _decoder(type(request)).decode(body)
    return body


@lru_cache(maxsize=8)
def _decoder(kind: type[Any]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)
