"""Compares an order at eWarehousing with its wanted form (seed 004; vendors.md 6/004 #13, #16)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from connector.clients.ewarehousing.requests import OrderLine, UpdateOrder
from connector.clients.ewarehousing.responses import LineRecord, OrderRecord
from connector.receivers.ewarehousing.metadata import is_made_here

__all__ = ["differences", "emptied", "lines_differ"]

FARTHEST = 12
"""
Powers of ten, either way, beyond which a quantity is invalid: converting 1E+400000000 to an integer takes for ever.
"""
OURS = ("po_number", "customer_note", "shipping_email")
PARTS = (
    *("street_number", "street_number_addition", "street2", "zipcode", "state"),
    *("phone_number", "mobile_number", "fax_number"),
)
_ADDRESS = {"shipping_contactperson": "contact_person", "shipping_email": "email"}


def emptied(wanted: UpdateOrder, shown: OrderRecord) -> UpdateOrder:
    """
    Return `wanted` with an empty text for each value of `shown` that the order has no longer.

    Otherwise a change would leave an old house number in a new street, or an amount to collect that is paid by now.
    Emptied are the address, the fields of the default mapping, and its meta data; texts of the warehouse's staff stay.
    """
    gone: dict[str, Any] = {
        name: "" for name in OURS if getattr(wanted, name) is None and getattr(shown, _ADDRESS.get(name, name), None)
    }
    if wanted.shipping_address is not None and shown.shipping_address is not None:
        parts = [name for name in PARTS if getattr(wanted.shipping_address, name) is None]
        old = {name: "" for name in parts if getattr(shown.shipping_address, name)}
        gone["shipping_address"] = replace(wanted.shipping_address, **old)
    pairs = {key: "" for key, text in shown.pairs.items() if text and key not in wanted.meta_data and is_made_here(key)}
    return replace(wanted, meta_data={**wanted.meta_data, **pairs}, **gone)


def differences(wanted: UpdateOrder, shown: OrderRecord) -> list[str]:
    """
    Return the fields of `wanted` whose values `shown` (with all its groups) does not prove.

    Strict: a value that the response does not show, such as a VAT number or the price of a line, counts as different.
    """
    return list(_differences(wanted, shown))


def lines_differ(wanted: UpdateOrder, shown: OrderRecord) -> bool:
    """
    Return whether the articles and quantities of `shown` cannot be those of `wanted`.

    Lenient: the vendor resolves an article code, EAN or SKU to a variant, and may show another of its codes. Such lines
    are compared by quantity alone.
    """
    if wanted.order_lines is None:
        return False
    if shown.order_lines is None:
        return True
    left = Counter[str]()
    for line in wanted.order_lines:
        left[line.article_code.casefold()] += line.quantity
    others: dict[str, Decimal] = {}
    for record in shown.order_lines:
        quantity = record.quantity or Decimal(0)
        if not quantity.is_finite() or abs(quantity.adjusted()) > FARTHEST:
            return True
        code = next((code for code in left if code in record.codes), None)
        if code is None:
            article = record.article
            key = article.id or article.article_code or article.name
            others[key] = others.get(key, Decimal(0)) + quantity
        elif quantity != quantity.to_integral_value():
            return True
        else:
            left[code] -= int(quantity)
    return sorted(count for count in left.values() if count) != sorted(others.values())


def _differences(wanted: UpdateOrder, shown: OrderRecord) -> Iterator[str]:
    given = {
        name: value
        for name in UpdateOrder.__struct_fields__
        if (value := getattr(wanted, name)) is not None and value not in ((), {})
    }
    for name, value in given.items():
        if name == "order_lines":
            if not _same_lines(value, shown.order_lines):
                yield name
        elif name == "shipping_address":
            for part in value.__struct_fields__:
                want = getattr(value, part)
                if want is not None and getattr(shown.shipping_address, part, None) != want:
                    yield f"{name}.{part}"
        elif name == "meta_data":
            if not _holds(shown.pairs, value):
                yield name
        elif not _same(value, getattr(shown, _ADDRESS.get(name, name), None)):
            yield name


def _same(want: Any, have: Any) -> bool:
    if isinstance(want, date):
        return want.isoformat() == str(have)[:10]
    if isinstance(want, UUID):
        return str(want) == str(have).lower()
    return bool(want == have)


def _same_lines(wanted: tuple[OrderLine, ...], shown: list[LineRecord] | None) -> bool:
    left = list(shown or ())
    for line in wanted:
        match = next((record for record in left if _same_line(line, record)), None)
        if match is None:
            return False
        left.remove(match)
    return not left


def _same_line(want: OrderLine, have: LineRecord) -> bool:
    return (
        want.article_code.casefold() in have.codes
        and have.quantity == want.quantity
        and have.description == want.description
        and (want.price is None or have.price == Decimal(str(want.price)))
        and _holds(have.pairs, want.meta_data)
    )


def _holds(have: Mapping[str, str], want: Mapping[str, str]) -> bool:
    return all(have.get(key, "") == value for key, value in want.items())
