"""
Cleans foreign text for labels and screens: removes control characters, and reduces white space to single spaces.

Nearly all text arrives clean. Checking all texts of an order together costs as much as cleaning two of them, so
`tidied` checks first, and cleans only an order that needs it (faults.md, section 3, #16).

The characters to remove are listed here. Python's `isprintable` depends on its Unicode tables: with those, an order
with a newer character would become another order after an upgrade of Python.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter
from typing import Any, TypeVar

from msgspec import Struct
from msgspec.structs import astuple, replace

from connector.order import Contact, Customer, Document, Line, Order

__all__ = ["UNFIT", "are_clean", "block", "one_line", "tidied"]

_BREAKS = (*range(0x09, 0x0E), *range(0x1C, 0x20), 0x85, 0x2028, 0x2029)
"""Tabs and line ends: each separates the texts beside it."""
_HALVES = range(0xD800, 0xE000)
_UNSEEN = (
    # Terminal controls; the zero width space, the soft hyphen, marks and overrides of direction, the byte order
    # mark, tags. None has a width, so none separates words, and none may be replaced by a visible character.
    # The two joiners stay: Persian and Hindi names are spelt with them.
    *(code for code in (*range(0x20), *range(0x7F, 0xA0)) if code not in _BREAKS),
    *(0xAD, 0x61C, 0x180E, 0x200B, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2060, 0x2070)),
    *(0xFEFF, *range(0xFFF9, 0xFFFC), 0xFFFE, 0xFFFF, *range(0xE0000, 0xE0080)),
)
UNFIT: dict[int, str | None] = {
    **dict.fromkeys(_UNSEEN),
    **dict.fromkeys(_BREAKS, " "),
    **dict.fromkeys(_HALVES, "\ufffd"),  # half of a lost character; the replacement character shows the loss
}

KEPT: dict[type[Struct], tuple[str, ...]] = {
    Order: ("source", "order_id", "reference", "kind", "notes", "documents", "raw"),
    Line: ("sku",),
    Document: ("title",),
}
"""Fields that stay as they are: identities, article codes, and texts that are cleaned where they are used."""

T = TypeVar("T", bound=Struct)

_texts = attrgetter(
    *("currency", "language", "purchase_order", "delivery_method", "carrier", "pickup_location"),
    *("cash_on_delivery_currency", "cash_on_delivery_reference"),
    *(f"customer.{name}" for name in Customer.__struct_fields__),
    *(f"contact.{name}" for name in Contact.__struct_fields__),
)


def one_line(value: str) -> str:
    """Return `value` as one line without control characters."""
    if not value:
        return ""
    if not value.isprintable():
        value = value.translate(UNFIT)
    return " ".join(value.split())


def block(value: str) -> str:
    """Return `value` like `one_line`, but with its line breaks."""
    if value.isprintable():
        return " ".join(value.split())
    return "\n".join(one_line(line) for line in value.splitlines()).strip()


def are_clean(texts: Iterable[str]) -> bool:
    """Return True if `one_line` and `block` would return each of `texts` unchanged."""
    joined = " ".join(filter(None, texts))
    if not joined.isprintable():
        return joined == one_line(joined)
    # Single spaces may be from the join; a double one is from a text. No other white space is printable.
    return "  " not in joined and joined[:1] != " " != joined[-1:]


def tidied(order: Order) -> Order:
    """
    Return `order` with clean texts where people will read them; usually that is `order` itself.

    Identity, references, article codes, documents and the order's notes stay as they are. Other notes, and the values
    of metadata, keep their line breaks.
    """
    delivery, invoice = order.delivery_address, order.invoice_address
    texts: list[str] = [*_texts(order), *order.references, *order.metadata.values()]
    if delivery is not None:
        texts += astuple(delivery)
    if invoice is not None and invoice != delivery:
        texts += astuple(invoice)
    if order.sender is not None:
        texts += astuple(order.sender)
    for contact in order.contacts:
        texts += astuple(contact)
    for line in order.lines:
        texts += (line.line_id, line.name, line.notes)
        if line.metadata:
            texts += line.metadata.values()
    for parcel in order.parcels:
        texts += (parcel.parcel_id, parcel.description, parcel.barcode, parcel.notes)
        if parcel.metadata:
            texts += parcel.metadata.values()
    return order if are_clean(texts) else _cleaned(order)


def _cleaned(struct: T) -> T:
    """Return a struct with each of its texts clean, except those that are not for people."""
    kept = KEPT.get(type(struct), ())
    names = (name for name in struct.__struct_fields__ if name not in kept)
    return replace(struct, **{name: _clean(name, getattr(struct, name)) for name in names})


def _clean(name: str, value: Any) -> Any:
    if isinstance(value, str):
        return block(value) if name == "notes" else one_line(value)
    if isinstance(value, dict):
        return {key: block(text) for key, text in value.items()}
    if isinstance(value, tuple):
        return tuple(_clean(name, each) for each in value)
    return _cleaned(value) if isinstance(value, Struct) else value
