"""
Reading Traede's orders, whose object pages nobody could find (vendors.md section 2): a field is asked for under each
name that it plausibly has, and what is there must make sense.

Nothing here guesses at a value: money is taken as it is written (vendors.md 6, seeds 001/002, #15), and a time without
a zone is in UTC (#12).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from connector.errors import Unmappable
from connector.mapping.money import exact

__all__ = ["Wire", "day", "decoded", "first", "moment", "number", "order_id", "part", "rows", "text", "yes"]

Wire = Mapping[str, Any]

LARGEST_ID = 2**63 - 1
MANY = 10**12
NO_DATE = "0000-00-00"
"""What MySQL has where there is no date."""

_decoder = msgspec.json.Decoder(dict[str, Any], float_hook=exact)


def decoded(raw: bytes) -> Wire:
    """Return one order as it was sent; raise `Unmappable` if it is no JSON object."""
    try:
        return _decoder.decode(raw)
    except (ValueError, RecursionError) as exc:  # ValueError: msgspec's errors, and invalid UTF-8
        raise Unmappable("unreadable order", str(exc)) from None


def order_id(value: object) -> str | None:
    """Return an id as text, or None if it is none: a number from 1 to 2^63-1, written as a number or as text."""
    if isinstance(value, str):
        if not (value.isascii() and value.isdecimal() and len(value) <= len(str(LARGEST_ID))):
            return None
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return str(value) if 1 <= value <= LARGEST_ID else None


def first(wire: Wire, *names: str) -> Any:
    """Return the value under the first of `names` that has one; None and blank text are none."""
    for name in names:
        value = wire.get(name)
        if value is not None and (type(value) is not str or value.strip()):
            return value
    return None


def text(wire: Wire, *names: str) -> str:
    """Return the first text under `names`, without blanks around it; a number counts as its text. Else empty."""
    for name in names:  # asked some 150 times an order, so the common kinds go first
        value = wire.get(name)
        if value is None:
            continue
        kind = type(value)
        if kind is str:
            if found := value.strip():
                return str(found)
        elif kind is int or kind is Decimal:
            return str(value)
    return ""


def part(wire: Wire, *names: str) -> Wire:
    """Return the first mapping under `names`, or an empty one."""
    for name in names:
        value = wire.get(name)
        if type(value) is dict:
            return value
    return {}


def rows(wire: Wire, *names: str) -> Sequence[Any]:
    """Return the first list under `names`, or an empty one."""
    return next((wire[name] for name in names if isinstance(wire.get(name), list)), [])


def yes(wire: Wire, *names: str) -> bool:
    """Tell whether a flag is set under one of `names`: true or 1, as a value or as text."""
    return any(wire.get(name) is True or text(wire, name).lower() in ("true", "1") for name in names)


def number(wire: Wire, field: str, *names: str) -> Decimal | None:
    """
    Return the first number under `names`, written as a number or as text.

    Raises `Unmappable` with `field` in its cause for anything else, and for a number that cannot be reckoned with:
    adding 1 to 1E+400000000 takes for ever (faults.md 3, #13).
    """
    value = first(wire, *names)
    if value is None:
        return None
    if type(value) is int and -MANY < value < MANY:  # a quantity, most of the time
        return Decimal(value)
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        raise Unmappable(f"not a number: {field}")
    try:
        found = Decimal(value.strip() if isinstance(value, str) else value)
    except InvalidOperation:
        raise Unmappable(f"not a number: {field}", str(value)) from None
    # A text of no more than 28 characters has no more digits than that.
    long = not isinstance(value, str) or len(value) > 28
    if not found.is_finite() or abs(found.adjusted()) > 12 or (long and len(found.as_tuple().digits) > 28):
        raise Unmappable(f"number out of range: {field}")
    return found


def moment(wire: Wire, *names: str) -> datetime | None:
    """Return the first time under `names`, in UTC; raise `Unmappable` if it is none."""
    value = _date(wire, *names)
    if value is None:
        return None
    try:
        at = datetime.fromisoformat(value)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError) as exc:
        raise Unmappable("unreadable order", f"{names[0]}: {exc}") from None


def day(wire: Wire, *names: str) -> date | None:
    """Return the date of the first time under `names`, as it is written there; raise `Unmappable` if it is none."""
    value = _date(wire, *names)
    if value is None:
        return None
    try:
        return datetime.fromisoformat(value).date()
    except ValueError as exc:
        raise Unmappable("unreadable order", f"{names[0]}: {exc}") from None


def _date(wire: Wire, *names: str) -> str | None:
    value = first(wire, *names)
    if value is not None and not isinstance(value, str):
        raise Unmappable("unreadable order", f"{names[0]}: not a text")  # and perhaps too deep to be shown
    return None if value is None or value.startswith(NO_DATE) else value.strip()
