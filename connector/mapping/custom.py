"""A route's own mapping: a Python function named by `module:function` in settings.yaml, or the receiver's default."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from connector.errors import SettingsError, Unmappable, readable
from connector.order import Order

__all__ = ["Mapper", "mapper"]

Mapper = Callable[[Order], bytes]
"""Turns an order into the bytes of a receiver's request; raises `Unmappable` and nothing else."""

_encode = msgspec.json.Encoder().encode


def mapper(spec: str | None, request: type[msgspec.Struct], default: Callable[[Order], Any]) -> Mapper:
    """
    Return the mapping of a route to one receiver.

    What a function returns (a `request`, or a mapping with its keys) is checked against the receiver's documented
    fields before anything is sent. Raises `SettingsError` when `spec` names no function.
    """
    if spec is None:
        return lambda order: _encode(default(order))
    function = _load(spec)

    def apply(order: Order) -> bytes:
        try:
            result = function(order)
            if isinstance(result, Mapping):
                result = msgspec.convert(dict(result), request)
            if not isinstance(result, request):
                raise Unmappable(f"mapping {spec} failed", f"it returned {type(result).__name__}")
            body = _encode(result)
            msgspec.json.decode(body, type=request)  # a struct takes whatever it is made with
            return body
        except Unmappable:
            raise
        except msgspec.ValidationError as exc:
            raise Unmappable(f"mapping {spec} failed", str(exc)) from exc
        except Exception as exc:
            raise Unmappable(f"mapping {spec} failed", f"{type(exc).__name__}: {exc}") from exc

    return apply


def _load(spec: str) -> Callable[[Order], Any]:
    module, _, name = spec.partition(":")
    try:
        function = getattr(importlib.import_module(module), name)
    except Exception as exc:
        raise SettingsError([f"mapping {spec!r} cannot be loaded: {type(exc).__name__}: {readable(str(exc))}"]) from exc
    if not callable(function):
        raise SettingsError([f"mapping {spec!r} is not a function"])
    return function  # type: ignore[no-any-return]  # what it returns is checked where it is called
