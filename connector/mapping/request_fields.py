"""Reads the keys and types that a receiver accepts off its request struct, and converts values to them."""

from __future__ import annotations

from base64 import b64encode
from datetime import date
from decimal import Decimal
from enum import Enum
from functools import cached_property
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin
from uuid import UUID

import msgspec

from connector.mapping.json_types import JsonNumber, as_text

__all__ = ["UNKNOWN", "Field"]


class Field:
    """One value of a request, of the type `kind`."""

    def __init__(self, kind: Any) -> None:
        self.kind = kind
        self._kinds = _alternatives(kind)

    @cached_property
    def struct(self) -> type[msgspec.Struct] | None:
        """The struct that the value is, or None."""
        return next((k for k in self._kinds if isinstance(k, type) and issubclass(k, msgspec.Struct)), None)

    @cached_property
    def fields(self) -> dict[str, Field] | None:
        """The keys of the value; None if it may have any."""
        return {f.encode_name: Field(f.type) for f in msgspec.structs.fields(self.struct)} if self.struct else None

    @cached_property
    def required(self) -> list[str]:
        """The keys that the value must have."""
        return [f.encode_name for f in msgspec.structs.fields(self.struct) if f.required] if self.struct else []

    @cached_property
    def item(self) -> Field:
        """The elements of the value if it is a list."""
        return next((Field(get_args(k)[0]) for k in self._kinds if get_origin(k) in (tuple, list)), UNKNOWN)

    @cached_property
    def values(self) -> Field:
        """The values of the value if it is a dict."""
        return next((Field(get_args(k)[1]) for k in self._kinds if get_origin(k) is dict), UNKNOWN)

    @cached_property
    def key(self) -> Field:
        """The keys of the value if it is a dict."""
        return next((Field(get_args(k)[0]) for k in self._kinds if get_origin(k) is dict), UNKNOWN)

    def takes(self, kind: type) -> bool:
        """Return True if the value may be a `list`, or a `dict`."""
        if self.any or (kind is dict and self.struct is not None):
            return True
        return any((get_origin(k) or k) in ((dict,) if kind is dict else (tuple, list)) for k in self._kinds)

    @cached_property
    def any(self) -> bool:
        """True if it accepts any value."""
        return Any in self._kinds

    @cached_property
    def _text(self) -> bool:
        """True if it is text on the wire."""
        return any(k in (str, UUID) or (isinstance(k, type) and issubclass(k, Enum)) for k in self._kinds) or any(
            get_origin(k) is Literal for k in self._kinds
        )

    def at(self, key: str) -> Field:
        """Return the field under `key`."""
        return (self.fields.get(key) or UNKNOWN) if self.fields is not None else self.values

    def fit(self, value: Any) -> Any:
        """
        Return `value` in an accepted type if nothing is lost by that; otherwise unchanged, for the validation to
        reject.

        A number becomes an integer, a JSON number or text; a date becomes text. Empty text becomes null, and null is
        left out. If any value is accepted, an amount becomes text with its digits, unless `number()` marks it as a JSON
        number.
        """
        kind = type(value)
        if kind is str:
            return value or None
        if kind is Decimal:
            return self._number(value)
        if kind is dict:
            found = {key: self.at(key).fit(each) for key, each in value.items()}
            return {key: each for key, each in found.items() if each is not None}
        if kind is list:
            return [each for each in map(self.item.fit, value) if each is not None]
        if kind is JsonNumber:
            return msgspec.Raw(as_text(value).encode()) if self.any else self._number(Decimal(value))
        if self.any or value is None:
            return value
        if kind is int:
            numeric = int in self._kinds or float in self._kinds or Decimal in self._kinds
            return value if numeric or not self._text else str(value)
        if isinstance(value, date):
            return value if not self._text or kind in self._kinds else value.isoformat()
        return b64encode(value).decode() if kind is bytes and self._text else value

    def _number(self, value: Decimal) -> Any:
        if self.any:
            return as_text(value)
        if Decimal in self._kinds or not value.is_finite() or abs(value.adjusted()) > 30:
            return value
        if int in self._kinds and value == value.to_integral_value():
            return int(value)
        if float in self._kinds:
            number = float(value)  # sent as its shortest text
            return number if Decimal(repr(number)) == value else value
        return as_text(value) if self._text and int not in self._kinds else value

    def refusal(self, value: Any) -> str:
        """Return why a literal is not accepted here; empty if it is."""
        try:
            msgspec.convert(value, self.kind)
        except msgspec.ValidationError as exc:
            return str(exc)
        return ""


def _alternatives(kind: Any) -> list[Any]:
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _alternatives(inner[0])
    if origin in (Union, UnionType):
        return [found for each in inner if each is not type(None) for found in _alternatives(each)]
    return [kind]


UNKNOWN = Field(Any)
