"""
Parses values of Traede's orders, whose object pages could not be found (vendors.md section 2).

No value is guessed: money is taken as written (vendors.md 6, seeds 001/002, #15), and a time without a zone is in UTC
(#12).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from connector.errors import Unmappable
from connector.mapping.money import exact
from connector.sources.parsing import day_on, number_of

__all__ = [
    "Wire",
    "day",
    "decoded",
    "first",
    "moment",
    "named",
    "number",
    "rows",
    "yes",
]

Wire = Mapping[str, Any]

NO_DATE = "0000-00-00"
"""MySQL's value for no date."""

_decoder = msgspec.json.Decoder(dict[str, Any], float_hook=exact)


def decoded(raw: bytes) -> dict[str, Any]:
    """Decode one order; raise `Unmappable` unless it is a JSON object."""
    try:
        return _decoder.decode(raw)
    except (ValueError, RecursionError) as exc:  # ValueError: msgspec's errors, and invalid UTF-8
        raise Unmappable("unreadable order", str(exc)) from None


def first(*values: Any) -> Any:
    """Return the first value that is not None or blank text."""
    for value in values:
        if value is not None and (type(value) is not str or value.strip()):
            return value
    return None


def named(wire: Wire, *names: str) -> str:
    """Return the first text under `names`, without surrounding blanks; a number counts as its text. Else empty."""
    for name in names:
        value = wire.get(name)
        if type(value) is str:
            if found := value.strip():
                return found
        elif type(value) in (int, Decimal):
            return str(value)
    return ""


def rows(*values: Any) -> Sequence[Any]:
    """Return the first list, or an empty one."""
    return next((value for value in values if isinstance(value, list)), [])


def yes(*flags: Any) -> bool:
    """Return whether one of the flags is set: true or 1, as a value or as text."""
    for flag in flags:  # noqa: SIM110 - a generator costs as much as the rest of it
        if flag and (flag is True or named({"": flag}, "").lower() in ("true", "1")):
            return True
    return False


def number(field: str, *values: Any) -> Decimal | None:
    """
    Return the first number, written as a number or as text.

    Raises `Unmappable` with `field` in its cause for anything else, and for a number too large or too small.
    """
    for value in values:
        if value is not None and (found := number_of(value, field)) is not None:
            return found
    return None


def moment(name: str, *values: Any) -> datetime | None:
    """Return the first time, in UTC; raise `Unmappable` with `name` in its detail for anything but a time."""
    value = _date(name, values)
    if value is None:
        return None
    try:
        at = datetime.fromisoformat(value)
        # `replace` takes ten times as long.
        return datetime.combine(at, at.time(), UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError) as exc:
        raise Unmappable("unreadable order", f"{name}: {exc}") from None


def day(name: str, zone: ZoneInfo, *values: Any) -> date | None:
    """Return the day of the first time, on the calendar of `zone`; raise `Unmappable` for anything but a time."""
    value = _date(name, values)
    if value is None:
        return None
    try:
        return day_on(value, zone)
    except (ValueError, OverflowError) as exc:
        raise Unmappable("unreadable order", f"{name}: {exc}") from None


def _date(name: str, values: Sequence[Any]) -> str | None:
    for value in values:
        if value is None or (type(value) is str and not value.strip()):
            continue
        if not isinstance(value, str):
            raise Unmappable("unreadable order", f"{name}: not a text")  # not shown: it may be nested too deeply
        return None if value.startswith(NO_DATE) else value.strip()
    return None
