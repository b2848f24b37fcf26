"""Values in expressions: what JMESPath calls them, and how each is read as text or as a number."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from connector.errors import Unmappable

__all__ = ["JsonNumber", "as_text", "bounded", "kind_of", "kind_phrase", "require_number", "require_text"]

LARGEST = 30
"""Powers of ten that a number may span: `1E+400000000` is valid JSON, and as text it would fill the memory."""

KINDS = {bool: "boolean", list: "array", dict: "object", type(None): "null", str: "string", int: "number"}


class JsonNumber(Decimal):
    """A number that stays one where any value is taken; other numbers with a fraction are texts there."""


def kind_of(value: Any) -> str:
    """Return what JMESPath calls `value`."""
    if isinstance(value, Decimal):
        return "number"
    if isinstance(value, date):
        return "date"
    return KINDS.get(type(value), "expref")


def as_text(value: Any) -> str:
    """Return a plain value as text: numbers with all their digits, dates in ISO form, null as nothing."""
    if isinstance(value, str):
        return value
    if isinstance(value, Decimal):
        return format(bounded(value), "f")
    if isinstance(value, date):  # a datetime is one, too
        return value.isoformat()
    if value is None or isinstance(value, bool | int):
        return "" if value is None else str(value).lower()
    raise TypeError(f"this is no plain value but {kind_phrase(value)}")


def kind_phrase(value: Any) -> str:
    """Return how to call `value` in a message: a string, an array."""
    kind = kind_of(value)
    return f"{'an' if kind[0] in 'aeo' else 'a'} {kind}"


def bounded(number: Decimal) -> Decimal:
    """Return `number` if it can be reckoned with; else raise `Unmappable`."""
    if not number.is_finite() or abs(number.adjusted()) > LARGEST:
        raise Unmappable("amount out of range", f"{number}")
    return number


def require_number(value: Any) -> Decimal | int:
    """Return `value` if it is a number that can be reckoned with; raises `TypeError` if it is none."""
    if isinstance(value, Decimal):
        return bounded(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise TypeError(f"this takes numbers, not {kind_phrase(value)}")


def require_text(value: Any) -> str:
    """Return `value` if it is text; raises `TypeError` if not."""
    if isinstance(value, str):
        return value
    raise TypeError(f"this takes text, not {kind_phrase(value)}")
