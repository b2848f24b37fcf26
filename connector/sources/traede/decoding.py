"""
Two ways to the same structs, so that one reading serves both.

`typed` is the quick one: msgspec decodes what is of the types that `traede_wire` names, and nothing else. Whatever is
odd about an order is `Unusual`, or msgspec's error, and it is decoded again by `lenient`: what makes no sense as a text
is none, and a number or a time is left as it is, for `traede_reading` to judge.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from functools import cache, partial
from typing import Any, TypeVar

import msgspec

from connector.mapping.money import exact
from connector.sources.traede import wire
from connector.sources.traede.parsing import Unusual, Wire, decoded

__all__ = ["NO_ADDRESS", "Decoded", "lenient", "typed"]

NO_ADDRESS = wire.Address()
"""An object without a key; as `Address()` it is any object without a key that we know."""

Decoded = TypeVar("Decoded", wire.Order, wire.Production)

_LONG = b"0" * 18
"""No number that makes sense has as many digits; with fewer, an exponent is one that `Decimal` can hold."""
_BLANKS = (
    "\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)
_ESCAPED = re.compile(rb"\\(?:[tnfr]|u(?:00[0-2]|008|00[aA]0|1680|20|3000))")
"""The escapes of these and of the blanks in ASCII, and of a few other characters."""
_OUTLINE = bytes.maketrans(
    b"123456789" + b"".join(blank.encode()[:1] + blank.encode()[-1:] for blank in _BLANKS),
    b"000000000" + b"  " * len(_BLANKS),
)
"""Each digit is a 0, and each byte that one of these blanks begins or ends with is a space."""


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
    outline = raw.translate(_OUTLINE)
    if outline.rfind(_LONG) >= 0:
        raise Unusual
    found: Decoded = _decoder(kind).decode(raw)
    if outline.rfind(b'" ') >= 0 or outline.rfind(b' "') >= 0 or (b"\\" in raw and _ESCAPED.search(raw)):
        _strip(found)  # some text may have blanks around it: as a rule, none has
    return found


def _strip(found: msgspec.Struct) -> None:
    for name, _, rule in _rules(type(found)):
        value = getattr(found, name)
        if rule in (_text, _code, _zip) and isinstance(value, str):
            setattr(found, name, value.strip())
        elif isinstance(value, msgspec.Struct):
            _strip(value)
        elif rule is _lines:
            for line in value or ():
                _strip(line)


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
        (wire.Label, _text),
        (wire.Code, _code),
        (wire.Zip, _zip),
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


def _zip(value: Any) -> str | int:
    return value if type(value) is int else _text(value)


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
