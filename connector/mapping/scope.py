"""The canonical order as expressions see it: plain dicts and lists that keep numbers, dates and times as such."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec

from connector.mapping.money import exact
from connector.order import Order

__all__ = ["scope_of"]

_raw = msgspec.json.Decoder(float_hook=exact)


def scope_of(order: Order, used: frozenset[str]) -> dict[str, Any]:
    """
    Return the root of expressions: the `used` fields of `order`, and the whole order as `order`.

    Absent texts are empty, as in the order itself. `raw` is the vendor's own order, decoded; null if it is not JSON.
    """
    if "order" in used:
        whole = {name: _value(getattr(order, name)) for name in _fields(Order)}
        whole["raw"] = _decoded(order.raw)
        return {**whole, "order": whole}
    scope = {name: _value(getattr(order, name)) for name in used if name in _fields(Order)}
    if "raw" in used:
        scope["raw"] = _decoded(order.raw)
    return scope


def _decoded(raw: bytes) -> Any:
    try:
        return _raw.decode(raw)
    except (ValueError, RecursionError):
        return None


def _value(value: Any) -> Any:
    kind: Any = type(value)
    convert = _converter(kind)
    return value if convert is None else convert(value)


@cache
def _fields(kind: type[msgspec.Struct]) -> tuple[str, ...]:
    """Return the visible fields of a struct, including its properties."""
    own = [name for name in kind.__struct_fields__ if (kind, name) != (Order, "raw")]
    return (*own, *(name for name, value in vars(kind).items() if isinstance(value, property)))


@cache
def _converter(kind: type) -> Callable[[Any], Any] | None:
    if issubclass(kind, msgspec.Struct):
        names = _fields(kind)
        return lambda value: {name: _value(getattr(value, name)) for name in names}
    if issubclass(kind, tuple):
        return lambda value: [_value(each) for each in value]
    return None
