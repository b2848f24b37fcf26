"""Parses the values of vendors' orders: ids, counts, numbers by JSON's grammar, days, postal codes and scalars."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from hashlib import blake2b
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from connector.errors import Unmappable
from connector.mapping.iso_codes import postal_code_of
from connector.mapping.money import sensible

__all__ = [
    "checked_zone",
    "count",
    "day_on",
    "flat",
    "number_of",
    "number_text",
    "postal_code",
    "present",
    "scalar_text",
    "unreadable_id",
    "whole_number_id",
]

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?", re.ASCII)
_LARGEST = 2**63 - 1
_SMALL = 10**12
_MIDNIGHT = time(0)
_DEEPEST = 3
_encode = msgspec.json.Encoder(order="sorted", decimal_format="number").encode


def whole_number_id(value: object) -> str | None:
    """Return an id as text; None unless it is a number from 1 to 2^63-1, written as a number or as text."""
    if isinstance(value, str):
        if not (value.isascii() and value.isdecimal() and len(value) <= len(str(_LARGEST))):
            return None
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return str(value) if 1 <= value <= _LARGEST else None


def unreadable_id(raw: bytes) -> str:
    """Return the id of a row without a usable one: a hash of its bytes, the same in every listing."""
    return f"unreadable-{blake2b(raw, digest_size=8).hexdigest()}"


def count(value: object) -> int | None:
    """Return a number of rows, pages or seconds, written as a number or as text; None for anything else."""
    if isinstance(value, str) and value.isascii() and value.isdecimal():
        value = int(value[:18])
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LARGEST else None


def number_of(value: Any, field: str, *, ours: bool = False) -> Decimal | None:
    """
    Return a number of decoded JSON, or a text that is a number by JSON's grammar; None for null and empty text.

    Python accepts more as a number: `1_000`, ` 5`, `+5`, `NaN`, Arabic digits. None of these is accepted here. Raises
    `Unmappable` with `field` in its cause for anything else, and for a number too large or too small to calculate with.
    """
    if value is None:
        return None
    kind = type(value)
    if kind is int and -_SMALL < value < _SMALL:
        return Decimal(value)
    if kind is str:
        if not value:
            return None
        if not _NUMBER.fullmatch(value):
            raise Unmappable(f"not a number: {field}", value, ours=ours)
        try:
            value = Decimal(value)
        except InvalidOperation:
            raise Unmappable(f"number out of range: {field}", ours=ours) from None
    elif kind is int:
        value = Decimal(value)
    elif kind is not Decimal:
        raise Unmappable(f"not a number: {field}", ours=ours)
    if not sensible(value):
        raise Unmappable(f"number out of range: {field}", ours=ours)
    found: Decimal = value
    return found


def number_text(number: Decimal | None) -> str:
    """
    Return the digits of a number; an empty text for None.

    A number that is too large or too small keeps its exponent: the digits of 1E-400000000 would fill the memory.
    """
    if number is None:
        return ""
    return f"{number:f}" if sensible(number) else str(number)


def scalar_text(value: Any) -> str:
    """Return a scalar as text without surrounding blanks; an empty text for null, a list and an object."""
    if value is None:
        return ""
    kind = type(value)
    if kind is str:
        found: str = value.strip()
        return found
    if kind is bool:
        return "true" if value else "false"
    return str(value) if kind is int or kind is Decimal else ""


def postal_code(value: Any, country: str, *, ours: bool = False, held: bool = True) -> str:
    """
    Return a postal code as text. One that is a number may have lost its leading zeros.

    The zeros are restored if the country's postal codes have a fixed number of digits. Otherwise raises `Unmappable`,
    or returns the number's text unless it is `held` for that.
    """
    if value is None:
        return ""
    if type(value) is not int:
        return scalar_text(value)
    code = postal_code_of(value, country)
    if code is None and held:
        raise Unmappable("postal code is a number", f"{value} {country}".strip(), ours=ours)
    return str(value) if code is None else code


def day_on(text: str, zone: ZoneInfo) -> date:
    """
    Return the day of a time on the calendar of `zone`. Raises `ValueError` or `OverflowError` for anything but a time.

    A time without a zone is in UTC, except midnight: that is a day, written as a time.
    """
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        if at.time() == _MIDNIGHT:
            return at.date()
        at = at.replace(tzinfo=UTC)
    return at.astimezone(zone).date()


def checked_zone(name: str, example: str) -> None:
    """Raise `ValueError`, with the setting's key in front, unless there is a time zone of that name."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown, malformed, a folder of the time zone database
        raise ValueError(f"timezone: {name!r} is not a time zone such as {example}") from None


def present(pairs: dict[str, str]) -> dict[str, str]:
    """Return the pairs whose text is not empty."""
    return {key: value for key, value in pairs.items() if value}


def flat(value: Any, name: str = "", depth: int = 0) -> dict[str, str]:
    """
    Return a JSON value as texts, named by their path, joined by `_`; elements of a list are counted from 1.

    A text stays as it is, a number keeps its digits. Empty values are left out; values below three levels are JSON.
    """
    if value is None or value in ("", [], {}):
        return {}
    if isinstance(value, str):
        return {name: value}
    if isinstance(value, bool):
        return {name: "true" if value else "false"}
    if isinstance(value, int | Decimal):
        return {name: str(value)}
    if depth >= _DEEPEST:
        return {name: _encode(value).decode()}
    inner = value.items() if isinstance(value, dict) else enumerate(value, 1)
    found: dict[str, str] = {}
    for key, each in inner:
        for path, text in flat(each, f"{name}_{key}" if name else str(key), depth + 1).items():
            found.setdefault(path, text)
    return found
