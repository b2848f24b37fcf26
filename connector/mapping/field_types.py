"""
The types of the fields that expressions read, and a walk over an expression that finds unknown fields.

JMESPath returns null for a field that does not exist, so a misspelt name would silently send nothing. The walk follows
an expression through the types of the order as far as they are known; beyond that (`metadata`, `raw`) any field may
exist.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec

from connector.order import Address, Order
from connector.settings.problems import did_you_mean

__all__ = [
    "ANY",
    "ROOT",
    "FieldType",
    "ListType",
    "RecordType",
    "check_fields",
    "element_type",
    "field_type_of",
    "root",
]


class RecordType(msgspec.Struct, frozen=True, eq=False):
    """An object with known fields; messages call it `name`."""

    name: str
    fields: dict[str, FieldType]


class ListType(msgspec.Struct, frozen=True, eq=False):
    """A list of values of one type."""

    of: FieldType


class OpaqueType(msgspec.Struct, frozen=True, eq=False):
    """A value of unknown type. `plain` marks a text, number or date, which has no fields."""

    plain: bool = False


FieldType = RecordType | ListType | OpaqueType
ANY, PLAIN = OpaqueType(), OpaqueType(plain=True)
ROOT = "the order"

HIDDEN = {Order: {"raw": ANY, "external_id": PLAIN}, Address: {"person": PLAIN}}
"""Fields that the structs do not declare: properties, and the vendor's own order, decoded."""


def field_type_of(kind: Any, name: str = "") -> FieldType:
    """Return the type of the values of the Python type `kind`."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return field_type_of(inner[0], name)
    if origin in (Union, UnionType):
        real = [each for each in inner if each is not type(None)]
        return field_type_of(real[0], name) if len(real) == 1 else ANY
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        fields = {
            field.encode_name: field_type_of(field.type, field.encode_name) for field in msgspec.structs.fields(kind)
        }
        return RecordType(f"{name or kind.__name__.lower()}", {**fields, **HIDDEN.get(kind, {})})
    if origin in (tuple, list):
        return ListType(field_type_of(inner[0], name.removesuffix("s")))
    return ANY if origin is dict or kind is Any else PLAIN


def root(mapped: Any, item: FieldType | None = None) -> RecordType:
    """
    Return the type that an expression starts from: the order's fields, and `order`.

    With a default mapping, whose result has the type `mapped`, the fields include `mapped`; inside an `each` they
    include `item`.
    """
    order = field_type_of(Order, ROOT)
    assert isinstance(order, RecordType)  # noqa: S101 - it is a struct
    fields: dict[str, FieldType] = {**order.fields, "order": order}
    if mapped is not None:
        fields["mapped"] = field_type_of(mapped, "mapped")
    return RecordType(ROOT, fields if item is None else {**fields, "item": item})


def element_type(shape: FieldType) -> FieldType:
    """Return the type of the elements of a list type."""
    return shape.of if isinstance(shape, ListType) else ANY


class Walk:
    """
    Follows one expression. `unknown` are the mistakes, each with its word;
    `used` are the root fields that it reads.
    """

    def __init__(self, start: FieldType) -> None:
        self.start = start
        self.unknown: list[tuple[str, str]] = []
        self.used: set[str] = set()

    def shape(self, node: dict[str, Any], current: FieldType) -> FieldType:
        """Return the type of the result of `node` for a value of the type `current`."""
        kind, children = node["type"], node["children"]
        if kind == "field":
            return self._field(node["value"], current)
        if kind in ("current", "identity"):
            if current is self.start and isinstance(self.start, RecordType):
                self.used.update(self.start.fields)
            return current
        if kind in ("subexpression", "pipe", "index_expression"):
            for child in children:
                current = self.shape(child, current)
            return current
        if kind == "index":
            return element_type(current)
        if kind in ("projection", "filter_projection"):
            each = element_type(self.shape(children[0], current))
            if kind == "filter_projection":
                self.shape(children[2], each)
            return ListType(self.shape(children[1], each))
        if kind == "flatten":
            base = self.shape(children[0], current)
            return base.of if isinstance(base, ListType) and isinstance(base.of, ListType) else base
        if kind == "slice":
            return current
        return self._made(kind, node, current)

    def _made(self, kind: str, node: dict[str, Any], current: FieldType) -> FieldType:
        """Return the type of the result of an expression that creates values."""
        children = node["children"]
        if kind == "function_expression":
            direct = [self.shape(child, current) for child in children if child["type"] != "expref"]
            over = next((shape.of for shape in direct if isinstance(shape, ListType)), ANY)
            for child in children:
                if child["type"] == "expref":
                    self.shape(child["children"][0], over)
            return ANY
        if kind == "value_projection":
            self.shape(children[0], current)
            self.shape(children[1], ANY)
            return ListType(ANY)
        if kind == "multi_select_dict":
            pairs = {child["value"]: self.shape(child["children"][0], current) for child in children}
            return RecordType("this", pairs)
        shapes = [self.shape(child, current) for child in children]
        return shapes[0] if kind == "or_expression" and all(shape is shapes[0] for shape in shapes) else ANY

    def _field(self, name: str, current: FieldType) -> FieldType:
        if current is self.start:
            self.used.add(name)
        if isinstance(current, ListType):
            text = f"a list has no '{name}': write [].{name} for all elements, [0].{name} for the first"
            self.unknown.append((name, text))
        elif isinstance(current, RecordType):
            if name in current.fields:
                return current.fields[name]
            hint = did_you_mean(name, current.fields) or f"; its fields are {', '.join(sorted(current.fields))}"
            if name == "item" and current is self.start:
                hint = "; item is the current element, within an each only"
            self.unknown.append((name, f"{current.name} has no '{name}'{hint}"))
        elif current.plain:
            self.unknown.append((name, f"this is a plain value without fields, so it has no '{name}'"))
        return ANY


def check_fields(node: dict[str, Any], start: FieldType) -> tuple[FieldType, list[tuple[str, str]], set[str]]:
    """
    Follow an expression from the type `start`.

    Return the type of its result, its mistakes (the word and the message), and the fields of `start` that it reads.
    """
    walk = Walk(start)
    found = walk.shape(node, start)
    return found, walk.unknown, walk.used


def nodes(node: dict[str, Any], kind: str) -> Iterator[dict[str, Any]]:
    """Yield every node of the given kind in the expression."""
    if node["type"] == kind:
        yield node
    for child in node["children"]:
        if isinstance(child, dict):
            yield from nodes(child, kind)
