"""
Runs examples of a mapping, as `connector test` does: an order, and the request that is expected for it.

::

    examples:
      - name: an order to Belgium
        source: shop               # optional if the settings have only one
        receiver: warehouse        # optional if the source's route has only one
        order: {id: 20106, ...}    # as the source lists it; or `canonical:`, as the connector stores it
        request: {...}             # the whole request; or `contains:`, a part of it; or `held:`, the cause
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path as FilePath
from typing import Annotated, Any, Protocol

import msgspec
from msgspec import Meta

from connector.errors import SettingsError, Unmappable
from connector.mapping.field_types import FieldType, ListType, RecordType, field_type_of
from connector.mapping.mapper import for_route
from connector.mapping.money import exact
from connector.order import Order
from connector.settings import Settings
from connector.settings.json_schema import schema_of
from connector.settings.problems import Problems, did_you_mean
from connector.settings.validation import check
from connector.settings.yaml_file import Path, Place, read

__all__ = ["Example", "Result", "run"]

_decode = msgspec.json.Decoder(float_hook=exact).decode
_encode = msgspec.json.Encoder(decimal_format="number").encode

MISSING: Any = object()


class _Source(Protocol):
    def to_order(self, raw: bytes) -> Order: ...


class _Receiver(Protocol):
    @property
    def request(self) -> Any: ...

    def default(self, order: Order) -> Any: ...


class Example(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An example of a mapping: an order and the request expected for it."""

    name: Annotated[str, Meta(min_length=1, description="A title.")]
    source: str | None = None
    receiver: str | None = None
    order: Annotated[dict[str, Any] | None, Meta(description="The order as the source lists it.")] = None
    canonical: Annotated[
        dict[str, Any] | None, Meta(description="The order in canonical form, as expressions see it.")
    ] = None
    request: Annotated[dict[str, Any] | None, Meta(description="The whole request expected.")] = None
    contains: Annotated[dict[str, Any] | None, Meta(description="A part of the request expected.")] = None
    held: Annotated[str, Meta(min_length=1, description="The cause under which the order is held.")] | None = None


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    examples: Annotated[list[Example], Meta(min_length=1)]


class Result(msgspec.Struct, frozen=True):
    """The result of an example: `differences` are lines for people, and empty if the example passed."""

    name: str
    place: str
    differences: tuple[str, ...]


def run(
    settings: Settings,
    path: str | os.PathLike[str],
    sources: Mapping[str, _Source],
    receivers: Mapping[str, _Receiver],
) -> list[Result]:
    """
    Run the examples of a file through the mappings of `settings`; nothing is sent.

    Raises:
        SettingsError: with every mistake in the file, each with its line and column.
    """
    problems, examples = _read(os.fspath(path))
    results = []
    for index, example in enumerate(examples):
        at: Path = ("examples", index)
        ends = _source_and_receiver(example, at, settings, problems)
        order = _order(example, at, ends[0] if ends else "", problems)
        if ends and order is not None:
            line, _ = problems.document.place(at)
            differences = _differences(example, order, ends, settings, sources, receivers)
            results.append(Result(example.name, f"{problems.name}:{line}", tuple(differences)))
    problems.raise_any()
    return results


def _read(name: str) -> tuple[Problems, list[Example]]:
    try:
        document = read(FilePath(name).read_text("utf-8"))
    except (OSError, ValueError) as exc:
        raise SettingsError([f"{name}: the file cannot be read: {getattr(exc, 'strerror', None) or exc}"]) from None
    problems = Problems(name, document)
    if not isinstance(document.values, dict):
        place: Place = document.problems[0][0] if document.problems else (1, 1)
        text = (
            document.problems[0][2].partition("; write sources:")[0]
            if document.problems
            else "the file is not a mapping"
        )
        raise SettingsError([f"{name}:{place[0]}:{place[1]}: {text}; write examples: followed by a list"])
    values = check(document.values, schema_of(_File), (), problems)
    for index, value in enumerate(values.get("examples") if isinstance(values.get("examples"), list) else ()):
        for keys in (("order", "canonical"), ("request", "contains", "held")):
            if isinstance(value, dict) and sum(value.get(key) is not None for key in keys) != 1:
                problems.add(("examples", index), f"write exactly one of {', '.join(keys)}")
    problems.raise_any()
    return problems, msgspec.convert(values, _File).examples


def _source_and_receiver(example: Example, at: Path, settings: Settings, problems: Problems) -> tuple[str, str] | None:
    """Return the names of the source and the receiver of an example."""
    source = example.source or (next(iter(settings.sources)) if len(settings.sources) == 1 else None)
    route = next((route for route in settings.routes if route.source == source), None)
    if source is None or route is None:
        text = f"write source: with one of {', '.join(route.source for route in settings.routes)}"
        problems.add((*at, "source") if example.source else at, text)
        return None
    named = [*route.receivers, *route.optional]
    receiver = example.receiver or (named[0] if len(named) == 1 else None)
    if receiver not in named:
        text = f"write receiver: with one of the receivers of {source}: {', '.join(named)}"
        problems.add((*at, "receiver") if example.receiver else at, text)
        return None
    return source, receiver


def _order(example: Example, at: Path, source: str, problems: Problems) -> Order | bytes | None:
    if example.order is not None:
        return msgspec.json.encode(example.order)
    _check_names(example.canonical, field_type_of(Order), (*at, "canonical"), problems)
    try:
        return msgspec.convert({"source": source, "order_id": "1", **(example.canonical or {})}, Order)
    except msgspec.ValidationError as exc:
        problems.add((*at, "canonical"), f"this is not a canonical order: {exc}")
        return None


def _check_names(value: Any, shape: FieldType, at: Path, problems: Problems) -> None:
    """Report names that the canonical order does not have: their values would be ignored."""
    if isinstance(value, list) and isinstance(shape, ListType):
        for index, inner in enumerate(value):
            _check_names(inner, shape.of, (*at, index), problems)
    elif isinstance(value, dict) and isinstance(shape, RecordType):
        for key, inner in value.items():
            if key in shape.fields:
                _check_names(inner, shape.fields[key], (*at, key), problems)
            else:
                hint = did_you_mean(key, shape.fields) or f"; its keys are {', '.join(shape.fields)}"
                problems.add((*at, key), f"{shape.name} has no such key{hint}", at_key=True)


def _differences(
    example: Example,
    order: Order | bytes,
    ends: tuple[str, str],
    settings: Settings,
    sources: Mapping[str, _Source],
    receivers: Mapping[str, _Receiver],
) -> Iterator[str]:
    source, name = ends
    receiver = receivers[name]
    route = next(route for route in settings.routes if route.source == source)
    partial = getattr(receiver, "partial", None)
    apply = for_route(route, name, receiver.request, receiver.default, settings.tables, partial)
    try:
        found = _decode(apply(sources[source].to_order(order) if isinstance(order, bytes) else order))
    except Unmappable as exc:
        if example.held != exc.cause:
            wanted = f"expected to be held for {example.held!r}, " if example.held else ""
            yield f"{wanted}it was held for {exc.cause!r}" + (f": {exc.detail}" if exc.detail else "")
        return
    if example.held is not None:
        yield f"expected to be held for {example.held!r}, it would be sent: {_shown(found)}"
        return
    wanted_form = example.request if example.request is not None else example.contains
    yield from _compared(wanted_form, found, "", whole=example.request is not None)


def _compared(expected: Any, found: Any, where: str, *, whole: bool) -> Iterator[str]:
    """Yield a line for each difference; unless `whole`, additional keys in `found` are accepted."""
    if isinstance(expected, dict) and isinstance(found, dict):
        for key in (*expected, *(key for key in found if whole and key not in expected)):
            inner = f"{where}.{key}" if where else str(key)
            yield from _compared(expected.get(key, MISSING), found.get(key, MISSING), inner, whole=whole)
    elif isinstance(expected, list) and isinstance(found, list):
        for index in range(max(len(expected), len(found))):
            one = expected[index] if index < len(expected) else MISSING
            other = found[index] if index < len(found) else MISSING
            yield from _compared(one, other, f"{where}[{index}]", whole=whole)
    elif expected is MISSING:
        yield f"{where}: not expected, sent {_shown(found)}"
    elif found is MISSING:
        if expected is not None:
            yield f"{where}: expected {_shown(expected)}, not sent"
    elif not _equal(expected, found):
        yield f"{where}: expected {_shown(expected)}, sent {_shown(found)}"


def _equal(expected: Any, found: Any) -> bool:
    if isinstance(expected, bool) or isinstance(found, bool):
        return expected is found
    return bool((Decimal(repr(expected)) if isinstance(expected, float) else expected) == found)


def _shown(value: Any) -> str:
    return _encode(value).decode()
