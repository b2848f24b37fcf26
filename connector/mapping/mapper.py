"""
Builds the mapping of a route: a tree of settings.yaml (compiler.py), a
Python function, or the receiver's default.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import msgspec

from connector.errors import SettingsError, Unmappable, readable
from connector.mapping.code_tables import Tables
from connector.mapping.compiler import Mistake, compile_mapping
from connector.mapping.house_numbers import split_addresses
from connector.mapping.identity import identified
from connector.mapping.money import TOTALS_CAUSE, check_totals
from connector.mapping.partial import MissingPart, PartialRequest, missing_parts
from connector.order import Order
from connector.settings.model import RouteSettings

__all__ = ["Mapper", "checker", "for_route", "mapper"]

Mapper = Callable[[Order], bytes]
"""Maps an order to the bytes of a receiver's request; raises `Unmappable` and nothing else."""

Partial = Callable[[Order], dict[str, Any]]

_encode = msgspec.json.Encoder().encode
_encode_numbers = msgspec.json.Encoder(decimal_format="number").encode


def _encoder(request: Any) -> Callable[[Any], bytes]:
    """
    Return the JSON encoder of a `request`: fractional amounts become text, or
    JSON numbers if the request declares so.
    """
    return _encode_numbers if getattr(request, "json_numbers", False) else _encode


def for_route(
    route: RouteSettings,
    receiver: str,
    request: Any,
    default: Callable[[Order], Any],
    tables: Tables,
    partial: Partial | None = None,
) -> Mapper:
    """
    Return the mapping of a route's orders to requests of `receiver`, of the type `request` and with the mapping
    `default`.

    `partial` maps the parts that can be mapped of an order that `default` rejects (see `SupportsPartialMapping` in
    receivers/base.py). The route's `split_street` is applied before the mapping, and its `totals` hold the order if so
    configured.

    Raises:
        SettingsError: the route's mapping cannot be used.
    """
    own = mapper(route.mapping_for(receiver), request, default, tables, partial)
    if not route.split_street and route.totals.on_mismatch != "hold":
        return own

    def apply(order: Order) -> bytes:
        if route.totals.on_mismatch == "hold" and (why := check_totals(order, route.totals.tolerance)):
            raise Unmappable(TOTALS_CAUSE, why)
        return own(split_addresses(order) if route.split_street else order)

    return apply


def mapper(
    mapping: str | Mapping[str, Any] | None,
    request: Any,
    default: Callable[[Order], Any],
    tables: Tables | None = None,
    partial: Partial | None = None,
) -> Mapper:
    """
    Return a mapping to a receiver: a function given as `module:function`, a tree, or for None the receiver's default.

    The result of a function (a `request`, or a mapping with its keys) or of a tree is checked against the receiver's
    documented fields before anything is sent. The order's identity is set in it, whatever the mapping produces.

    Raises:
        SettingsError: `mapping` names no function, or has mistakes.
    """
    if mapping is None:
        identify, encode = identified(request, "the default mapping"), _encoder(request)
        return lambda order: encode(identify(default(order), order))
    if isinstance(mapping, str):
        return _of_function(mapping, request)
    return _of_tree(mapping, request, default, tables or {}, partial)


def checker(requests: Mapping[str, Any]) -> Callable[[Mapping[str, Any], str, Tables], Iterable[Mistake]]:
    """
    Return a function that finds the mistakes of a tree: `check(tree, type of the receiver, tables)`.

    `requests` maps the types of receivers to their request types; a tree for an unknown type may have any keys.
    """

    def check(tree: Mapping[str, Any], kind: str, tables: Tables) -> Iterable[Mistake]:
        return compile_mapping(tree, requests.get(kind, Any), tables)[1]

    return check


def _of_tree(
    tree: Mapping[str, Any], request: Any, default: Callable[[Order], Any], tables: Tables, partial: Partial | None
) -> Mapper:
    mapping, mistakes = compile_mapping(tree, request, tables)
    if mistakes:
        raise SettingsError([f"mapping: {'.'.join(map(str, each.path))}: {each.text}" for each in mistakes])

    def apply(order: Order) -> bytes:
        mapped: dict[str, Any] = {}
        if mapping.defaults:
            try:
                mapped = _plain(default(order))
            except Unmappable:
                if partial is None:
                    raise
                mapped = _lists(partial(order))
                made = _filled(mapping.apply(order, PartialRequest(mapped)))
                return finished(identify(made, order), dict(missing_parts(mapped)))
        return finished(identify(mapping.apply(order, mapped), order), {})

    free_form = getattr(request, "free_form", False)
    identify, encode = identified(request, "the default mapping"), _encoder(request)

    def finished(made: Any, missing_at: Mapping[str, MissingPart]) -> bytes:
        try:
            if free_form:
                return _encode(made)
            return encode(msgspec.convert(made, request))
        except msgspec.ValidationError as exc:
            refused = _refused(str(exc))
            for where, missing in missing_at.items():  # replaced by nothing, or by less than the receiver requires
                empty = refused.cause == f"not what the receiver takes: {where}" and not made.get(where)
                if empty or refused.cause.startswith(f"missing field: {where}."):
                    raise missing.cause from None
            raise refused from exc
        except (ValueError, OverflowError) as exc:  # text that is not Unicode, a number that is out of range
            raise Unmappable("mapping failed", str(exc), ours=True) from exc

    return apply


def _filled(made: Any) -> Any:
    """Return the result of a mapping; raise the cause of the first missing part that is left in it."""
    for _, missing in missing_parts(made):
        raise missing.cause
    return made


def _plain(value: Any) -> Any:
    return _lists(msgspec.to_builtins(value, builtin_types=(Decimal, datetime, date, bytes)))


def _lists(value: Any) -> Any:
    """Return plain values whose sequences are lists, as expressions expect (`each: =mapped.order_lines`)."""
    if isinstance(value, dict):
        return {key: _lists(each) for key, each in value.items()}
    return [_lists(each) for each in value] if isinstance(value, tuple | list) else value


def _refused(message: str) -> Unmappable:
    """Return the error that holds an order whose request is not as documented, through our mapping or missing data."""
    text, _, where = message.partition(" - at `$")
    path = re.sub(r"\[[^]]*\]", "", where).strip("`.")
    if missing := re.search(r"missing required field `([^`]*)`", text):
        return Unmappable(f"missing field: {'.'.join(part for part in (path, missing[1]) if part)}")
    cause = f"not what the receiver takes: {path}" if path else "not what the receiver takes"
    return Unmappable(cause, message, ours=", got `" in text)


def _of_function(spec: str, request: Any) -> Mapper:
    function = _load(spec)
    identify, encode = identified(request, f"mapping {spec}"), _encoder(request)

    def apply(order: Order) -> bytes:
        try:
            result = identify(function(order), order)
            if isinstance(result, Mapping) and getattr(request, "free_form", False):
                return _encode(dict(result))  # this receiver accepts any JSON object
            if isinstance(result, Mapping):
                result = msgspec.convert(dict(result), request)
            if isinstance(request, type) and not isinstance(result, request):
                raise Unmappable(f"mapping {spec} failed", f"it returned {type(result).__name__}", ours=True)
            body = encode(result)
            msgspec.json.decode(body, type=request)  # the constructor of a struct does not validate
            return body
        except Unmappable:
            raise
        except msgspec.ValidationError as exc:
            raise Unmappable(f"mapping {spec} failed", str(exc), ours=True) from exc
        except Exception as exc:
            raise Unmappable(f"mapping {spec} failed", f"{type(exc).__name__}: {exc}", ours=True) from exc

    return apply


def _load(spec: str) -> Callable[[Order], Any]:
    module, _, name = spec.partition(":")
    try:
        function = getattr(importlib.import_module(module), name)
    except Exception as exc:
        raise SettingsError([f"mapping {spec!r} cannot be loaded: {type(exc).__name__}: {readable(str(exc))}"]) from exc
    if not callable(function):
        raise SettingsError([f"mapping {spec!r} is not a function"])
    return function  # type: ignore[no-any-return]  # its result is checked at the call
