"""
What a default mapping could not make, kept at its place until it is known whether anybody needs it.

A mapping of settings.yaml lies over the receiver's default. What it replaces, the default need not be able to map: so
an order that the default would hold is mapped again part by part, with a `MissingPart` for each part that failed, and
held only for those that are still there in the end. Orders that the default can map never come this way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import msgspec

from connector.errors import Unmappable

__all__ = ["Attempt", "MissingPart", "PartialRequest", "missing_parts", "or_missing", "or_raise"]

T = TypeVar("T")

Attempt = Callable[..., Any]
"""Makes one part of a request: `attempt(make, *arguments)` is what `make` returns, or a hole."""


class MissingPart(msgspec.Struct, frozen=True):
    """A part that the default mapping could not make, and why."""

    cause: Unmappable


def or_raise(make: Callable[..., T], *arguments: Any) -> T:
    """Make a part; what fails, fails as a whole."""
    return make(*arguments)


def or_missing(make: Callable[..., T], *arguments: Any) -> T | MissingPart:
    """Make a part, or return the hole that it leaves."""
    try:
        return make(*arguments)
    except Unmappable as exc:
        return MissingPart(exc)


class PartialRequest(dict[str, Any]):
    """A mapped order with holes, as expressions see it (`mapped`): to ask for one of them is to need it."""

    def get(self, key: str, default: Any = None) -> Any:
        """Return what is under `key`; raise the cause of a hole."""
        found = super().get(key, default)
        if isinstance(found, MissingPart):
            raise found.cause
        return PartialRequest(found) if isinstance(found, dict) else found


def missing_parts(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, MissingPart]]:
    """Yield the holes in a mapped order, each with its dotted path."""
    if isinstance(value, MissingPart):
        yield ".".join(path), value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from missing_parts(inner, (*path, str(key)))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from missing_parts(inner, (*path, str(number)))
