"""
Keeps the parts that a default mapping could not make, until it is known whether the request needs them.

A mapping of settings.yaml overrides the receiver's default mapping. The default need not be able to map the parts that
are replaced. So an order that the default would hold is mapped again part by part, with a `MissingPart` for each part
that failed, and is held only for those that remain in the end. Orders that the default can map never come here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import msgspec

from connector.errors import Unmappable

__all__ = ["Attempt", "MissingPart", "PartialRequest", "missing_parts", "or_missing", "or_raise"]

T = TypeVar("T")

Attempt = Callable[..., Any]
"""Makes one part of a request: `attempt(make, *arguments)` returns the result of `make`, or a missing part."""


class MissingPart(msgspec.Struct, frozen=True):
    """A part that the default mapping could not make, and the reason."""

    cause: Unmappable


def or_raise(make: Callable[..., T], *arguments: Any) -> T:
    """Make a part; an error is raised."""
    return make(*arguments)


def or_missing(make: Callable[..., T], *arguments: Any) -> T | MissingPart:
    """Make a part; an error becomes a `MissingPart`."""
    try:
        return make(*arguments)
    except Unmappable as exc:
        return MissingPart(exc)


class PartialRequest(dict[str, Any]):
    """A mapped order with missing parts, as expressions see it (`mapped`): reading a missing part raises its cause."""

    def get(self, key: str, default: Any = None) -> Any:
        """
        Return the value of `key`.

        Raises:
            Unmappable: the part is missing.
        """
        found = super().get(key, default)
        if isinstance(found, MissingPart):
            raise found.cause
        return PartialRequest(found) if isinstance(found, dict) else found


def missing_parts(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, MissingPart]]:
    """Yield the missing parts of a mapped order, each with its dotted path."""
    if isinstance(value, MissingPart):
        yield ".".join(path), value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from missing_parts(inner, (*path, str(key)))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from missing_parts(inner, (*path, str(number)))
