"""The values in expressions: their JMESPath types, and their conversion to text and numbers."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from connector.errors import Unmappable

__all__ = ["JsonNumber", "as_text", "bounded", "kind_of", "kind_phrase", "require_number", "require_text"]

LARGEST = 30
"""The most powers of ten that a number may span: `1E+400000000` is valid JSON, and as text it would fill the memory."""

KINDS = {bool: "boolean", list: "array", dict: "object", type(None): "null", str: "string", int: "number"}


class JsonNumber(Decimal):
    """A number that stays a JSON number for receivers of any shape; other numbers with a fraction become text there."""


def kind_of(value: Any) -> str:
    """Return the JMESPath type of `value`."""
    if isinstance(value, Decimal):
        return "number"
    if isinstance(value, date):
        return "date"
    return KINDS.get(type(value), "expref")


def as_text(value: Any) -> str:
    """Return a plain value as text: numbers with all their digits, dates in ISO form, null as empty text."""
    if isinstance(value, str):
        return value
    if isinstance(value, Decimal):
        return format(bounded(value), "f")
    if isinstance(value, date):  # includes datetime
        return value.isoformat()
    if value is None or isinstance(value, bool | int):
        return "" if value is None else str(value).lower()
    raise TypeError(f"expected a plain value, got {kind_phrase(value)}")


def kind_phrase(value: Any) -> str:
    """Return the type of `value` with its article, for messages: a string, an array."""
    kind = kind_of(value)
    return f"{'an' if kind[0] in 'aeo' else 'a'} {kind}"


def bounded(number: Decimal) -> Decimal:
    """
    Return `number` if it is within bounds.

    Raises:
        Unmappable: it is not finite, or too large or too small to calculate with.
    """
    if not number.is_finite() or abs(number.adjusted()) > LARGEST:
        raise Unmappable("amount out of range", f"{number}")
    return number


def require_number(value: Any) -> Decimal | int:
    """
    Return `value` if it is a number within bounds.

    Raises:
        TypeError: it is not a number.
    """
    if isinstance(value, Decimal):
        return bounded(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise TypeError(f"expected a number, got {kind_phrase(value)}")


def require_text(value: Any) -> str:
    """
    Return `value` if it is text.

    Raises:
        TypeError: it is not.
    """
    if isinstance(value, str):
        return value
    raise TypeError(f"expected text, got {kind_phrase(value)}")
