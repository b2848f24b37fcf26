"""The leaves of an order: makes orders with all fields filled, and finds each leaf in a request."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import count
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from connector.order import Order

__all__ = ["absent", "filled", "leaves"]

Leaf = tuple[str, Any]

MEANT: dict[str, Any] = {
    "currency": "NOK",
    "cash_on_delivery_currency": "SEK",
    "language": "nl",
    "kind": "shipment",
    "country": "NL",
}
"""Fields that accept only a code; all other texts get a value that occurs nowhere else."""


def filled() -> Order:
    """
    Return an order with every field filled, each with a value of its own: a text, a number, a time, `True`.

    New fields of the order and its parts are filled automatically. Quantities are whole, codes are codes.
    """
    order = _filled(Order, "order", count(1001))
    assert isinstance(order, Order)
    return order


def _filled(kind: Any, name: str, numbers: Iterator[int]) -> Any:
    origin, inner = get_origin(kind), get_args(kind)
    if name in MEANT:
        return MEANT[name]
    if origin in (Union, UnionType):
        return _filled(next(each for each in inner if each is not type(None)), name, numbers)
    if origin is Literal:
        return inner[-1]
    if origin is tuple:
        return (_filled(inner[0], name, numbers), _filled(inner[0], name, numbers))
    if origin is dict:
        return {f"{name} key {next(numbers)}": f"{name} value {next(numbers)}"}
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        hints = get_type_hints(kind)
        return kind(**{field: _filled(hints[field], field, numbers) for field in kind.__struct_fields__})
    number = next(numbers)
    values: dict[Any, Any] = {
        str: f"{name} {number}",
        bytes: f"{name} {number}".encode(),
        int: number,
        bool: True,
        Decimal: Decimal(number) if name == "quantity" else Decimal(number) + Decimal("0.25"),
        date: date(2030, 1, 1) + timedelta(days=number),
        datetime: datetime(2020, 1, 1, tzinfo=UTC) + timedelta(hours=number),
    }
    return values[kind]


def leaves(value: Any, path: str = "") -> Iterator[Leaf]:
    """Yield each leaf of an order that differs from its default, with its path."""
    if isinstance(value, msgspec.Struct):
        for field in msgspec.structs.fields(type(value)):
            part = getattr(value, field.name)
            if part != field.default and (path, field.name) != ("", "raw"):
                yield from leaves(part, f"{path}.{field.name}" if path else field.name)
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from leaves(part, f"{path}[{key!r}]")
    elif isinstance(value, tuple):
        for number, part in enumerate(value):
            yield from leaves(part, f"{path}[{number}]")
    elif value not in ("", None):
        yield path, value


def absent(order: Order, request: Any) -> list[str]:
    """Return the leaves of `order` that are nowhere in `request`, which was decoded from JSON."""
    said = list(_scalars(request))
    texts = [" ".join(each.split()) for each in said if isinstance(each, str)]
    numbers = {Decimal(each) for each in said if isinstance(each, int | Decimal) and not isinstance(each, bool)}
    numbers |= {Decimal(each) for each in texts if re.fullmatch(r"-?\d+(\.\d+)?", each)}
    flags = {each for each in said if isinstance(each, bool)} | {each == "true" for each in texts if each in FLAGS}
    return [f"{path} = {value!r}" for path, value in leaves(order) if not _is_said(value, texts, numbers, flags)]


FLAGS = ("true", "false")


def _is_said(value: Any, texts: list[str], numbers: set[Decimal], flags: set[bool]) -> bool:
    if isinstance(value, bool):
        return value in flags
    if isinstance(value, Decimal | int):
        return not numbers.isdisjoint({Decimal(value), value * 100})
    if isinstance(value, datetime):
        return bool({value.isoformat(), value.isoformat().replace("+00:00", "Z")}.intersection(texts))
    if isinstance(value, date):
        return value.isoformat() in texts
    if isinstance(value, bytes):
        return False
    # As a whole text, or as words of one: a person's last name, a line of an address.
    wanted = " ".join(value.split())
    found = re.compile(rf"(?<!\w){re.escape(wanted)}(?!\w)", re.IGNORECASE)
    return any(found.search(each) for each in texts)


def _scalars(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for each in value.values():
            yield from _scalars(each)
    elif isinstance(value, list):
        for each in value:
            yield from _scalars(each)
    else:
        yield value
