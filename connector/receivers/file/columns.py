"""The columns of a CSV file: dotted names over the plain order, checked at the start and looked up for every row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import msgspec
from msgspec import inspect

from connector.mapping.plain import PlainOrder

__all__ = ["Kind", "defaults", "kind", "problem", "value"]

Kind = Literal["code", "phone", "text"]
"""The content of a column, which decides how a text that looks like a formula is written."""

PHONES = frozenset({"fax", "mobile", "phone"})
CODES = frozenset(
    {"barcode", "cash_on_delivery_reference", "id", "line_id", "number", "order_id", "parcel_id", "postal_code",
     "purchase_order", "reference", "references", "sku", "vat_number"}
)  # fmt: skip


def defaults(*, per_line: bool) -> tuple[str, ...]:
    """
    Return a column for each value of an order, except for the external id, which is always the first column.

    Values of an object have columns of their own; a list and the metadata are one column each, as JSON. `per_line`:
    values of lines have columns of their own, too.
    """
    return tuple(_leaves(PlainOrder, "", per_line=per_line))


def _leaves(struct: type[msgspec.Struct], before: str, *, per_line: bool) -> Iterator[str]:
    shape = inspect.type_info(struct)
    assert isinstance(shape, inspect.StructType)  # noqa: S101 - it was asked for one
    for field in shape.fields:
        name, kind = f"{before}{field.encode_name}", _bare(field.type)
        if isinstance(kind, inspect.StructType):
            yield from _leaves(kind.cls, f"{name}.", per_line=False)
        elif per_line and name == "lines" and isinstance(kind, inspect.CollectionType):
            line = _bare(kind.item_type)
            assert isinstance(line, inspect.StructType)  # noqa: S101 - a line is one
            yield from _leaves(line.cls, "lines.", per_line=False)
        elif name != "external_id":
            yield name


def kind(column: str) -> Kind:
    """Return the content of a column, by the last part of its name."""
    last = next((step for step in reversed(column.split(".")) if not step.isdecimal()), "")
    if last in PHONES or last.endswith(tuple(f"_{each}" for each in PHONES)):
        return "phone"
    return "code" if last in CODES else "text"


def problem(column: str, *, per_line: bool) -> str:
    """Return the problem of a column's name; empty if it names a value that an order can have."""
    steps = column.split(".")
    if per_line and steps[0] == "lines":
        steps.insert(1, "0")
    here: inspect.Type = inspect.type_info(PlainOrder)
    for number, step in enumerate(steps):
        if isinstance(here, inspect.StructType):
            fields = {field.encode_name: field.type for field in here.fields}
            if step not in fields:
                return f"{column!r} is no column: there is {', '.join(fields)}"
            here = _bare(fields[step])
        elif isinstance(here, inspect.CollectionType):
            if not step.isdecimal():
                return f"{column!r} is no column; name an element: {'.'.join([*steps[:number], '0', *steps[number:]])}"
            here = _bare(here.item_type)
        elif isinstance(here, inspect.DictType):
            return ""  # its keys are the source's, and may contain dots
        else:
            return f"{column!r} is no column: {'.'.join(steps[:number])} has no parts"
    return ""


def value(order: Any, column: str, line: Any = None) -> Any:
    """Return the value that `column` names in an order read from JSON; None if there is none."""
    here = order
    steps: Sequence[str] = column.split(".")
    if line is not None and steps[0] == "lines":
        here, steps = line, steps[1:]
    for number, step in enumerate(steps):
        if isinstance(here, dict):
            rest = ".".join(steps[number:])
            if rest in here:
                return here[rest]
            here = here.get(step)
        elif isinstance(here, list) and step.isdecimal():
            here = here[int(step)] if int(step) < len(here) else None
        else:
            return None
    return here


def _bare(kind: inspect.Type) -> inspect.Type:
    """Return a type without its annotations, and without None."""
    while isinstance(kind, inspect.Metadata | inspect.UnionType):
        if isinstance(kind, inspect.Metadata):
            kind = kind.type
        else:
            kind = next(each for each in kind.types if not isinstance(each, inspect.NoneType))
    return kind
