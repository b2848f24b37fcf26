"""The columns of a CSV file: dotted names over the plain order, checked at the start and looked up for every row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import inspect

from connector.mapping.plain import PlainOrder

__all__ = ["PER_LINE", "PER_ORDER", "problem", "value"]

PER_ORDER = (
    "source",
    "order_id",
    "kind",
    "reference",
    "created_at",
    "currency",
    "customer.id",
    "customer.name",
    "delivery_address.company",
    "delivery_address.first_name",
    "delivery_address.last_name",
    "delivery_address.street",
    "delivery_address.number",
    "delivery_address.number_addition",
    "delivery_address.postal_code",
    "delivery_address.city",
    "delivery_address.country",
    "totals.excluding_tax",
    "totals.including_tax",
    "notes",
)
PER_LINE = (
    "lines.line_id",
    "lines.sku",
    "lines.name",
    "lines.quantity",
    "lines.unit_price",
    "lines.tax_percentage",
)
"""Beside those of the order, where every line has a row."""


def problem(column: str, *, per_line: bool) -> str:
    """Return what is wrong about a column's name; an empty text if it names something that an order can have."""
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
                return f"{column!r} is no column: which one? {'.'.join([*steps[:number], '0', *steps[number:]])}"
            here = _bare(here.item_type)
        elif isinstance(here, inspect.DictType):
            return ""  # its keys are the source's, and may have dots in them
        else:
            return f"{column!r} is no column: {'.'.join(steps[:number])} has no parts"
    return ""


def value(order: Any, column: str, line: Any = None) -> Any:
    """Return what `column` names in an order that was read from JSON; None if it has no such thing."""
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
    """Return a type without what is said about it, and without None."""
    while isinstance(kind, inspect.Metadata | inspect.UnionType):
        if isinstance(kind, inspect.Metadata):
            kind = kind.type
        else:
            kind = next(each for each in kind.types if not isinstance(each, inspect.NoneType))
    return kind
