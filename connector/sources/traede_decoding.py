"""
Two ways to the same structs, so that one reading serves both.

`typed` is the quick one: msgspec decodes what is of the types that `traede_wire` names, and nothing else. Whatever is
odd about an order is `Unusual`, or msgspec's error, and it is decoded again by `lenient`: what makes no sense as a text
is none, and a number or a time is left as it is, for `traede_reading` to judge.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import cache, partial
from typing import Any, TypeVar

import msgspec

from connector.mapping.money import exact
from connector.sources import traede_wire as wire
from connector.sources.traede_reading import Unusual, Wire, decoded

__all__ = ["NO_ADDRESS", "Decoded", "lenient", "typed"]

NO_ADDRESS = wire.Address()
"""An object without a key; as `Address()` it is any object without a key that we know."""

Decoded = TypeVar("Decoded", wire.Order, wire.Production)

_DIGITS = bytes(b"0"[0] if byte in b"0123456789" else byte for byte in range(256))
_LONG = b"0" * 18
"""No number that makes sense has as many digits; with fewer, an exponent is one that `Decimal` can hold."""


@cache
def _decoder(kind: type[Decoded]) -> msgspec.json.Decoder[Decoded]:
    return msgspec.json.Decoder(kind, float_hook=exact)


def typed(kind: type[Decoded], raw: bytes) -> Decoded:
    """
    Return an order whose fields are all of their types. Raises `Unusual`, `ValueError` or `RecursionError`.

    Fields that nobody reads are not decoded. What would be no JSON in them is looked for here: texts that are no
    UTF-8, and numbers beyond all measure.
    """
    if not raw.isascii():
        raw.decode()
    if raw.translate(_DIGITS).rfind(_LONG) >= 0:
        raise Unusual
    found: Decoded = _decoder(kind).decode(raw)
    return found


def lenient(kind: type[Decoded], raw: bytes) -> Decoded:
    """Return an order, whatever its fields are. Raises `Unmappable` for what is no JSON object."""
    return _filled(kind, decoded(raw))


Kind = TypeVar("Kind", bound=msgspec.Struct)


def _filled(kind: type[Kind], found: Wire) -> Kind:
    return kind(**{name: rule(found.get(key)) for name, key, rule in _rules(kind)})


@cache
def _rules(kind: type[msgspec.Struct]) -> list[tuple[str, str, Callable[[Any], Any]]]:
    return [(field.name, field.encode_name, _rule(field.type)) for field in msgspec.structs.fields(kind)]


def _rule(annotation: Any) -> Callable[[Any], Any]:
    """Return what a value becomes in a field of this type."""
    rules: list[tuple[Any, Callable[[Any], Any]]] = [
        (wire.Text, _text),
        (wire.Code, _code),
        (Any, _kept),
        (wire.Amount, _kept),
        (wire.Time, _kept),
        (wire.Article | None, partial(_part, wire.Article)),
        (wire.Party | None, partial(_part, wire.Party)),
        (wire.Address | None, _address),
        (list[wire.Line] | None, _lines),
    ]
    return next(rule for each, rule in rules if each == annotation)


def _text(value: Any) -> str:
    kind = type(value)
    return str(value.strip() if kind is str else value) if kind in (str, int, Decimal) else ""


def _code(value: Any) -> Any:
    return _filled(wire.Coded, value) if type(value) is dict else _text(value)


def _kept(value: Any) -> Any:
    return value


def _part(kind: type[Kind], value: Any) -> Kind | None:
    return _filled(kind, value) if type(value) is dict else None


def _address(value: Any) -> wire.Address | None:
    return NO_ADDRESS if value == {} else _part(wire.Address, value)


def _lines(value: Any) -> Any:
    """Return the lines; None if they did not come, and an empty tuple for what is not a list of lines."""
    if value is None or (isinstance(value, list) and all(isinstance(line, dict) for line in value)):
        return value and [_filled(wire.Line, line) for line in value]
    return ()
