"""
Filters of Traede's export: readable in settings.yaml, and encoded as Traede's framework expects.

The seeds (001, 002) name the keys and call the form "our Filters Syntax". The vendor's older documents show that it is
Bruno's (vendors.md section 2, Filter syntax and Bruno encoding). Bruno's `not` is not offered: it turns `gt` into `lt`
and loses the equal values (vendors.md 2, Bruno traps), and the opposite operator has the same effect.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

__all__ = ["Filter", "FilterGroup", "encoded"]

FORM = "YYYY-MM-DD or YYYY-MM-DD HH:MM:SS, in UTC"
LENGTHS = {10: "%Y-%m-%d", 19: "%Y-%m-%d %H:%M:%S"}

# The value goes into Traede's SQL as it is, so it may hold the characters of a time only.
Moment = Annotated[str, Meta(pattern=r"^[0-9][0-9: -]{0,18}$", extra_json_schema={"x-form": FORM})]


class Filter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One condition on the orders of the feed; all conditions of a list must hold."""

    key: Annotated[Literal["created_at", "updated_at"], Meta(description="The field that is compared.")]
    operator: Annotated[
        Literal["eq", "gt", "gte", "lt", "lte", "bt", "in", "ct", "sw", "ew"],
        Meta(description="bt is between two values, in is one of a list, ct, sw and ew are a part of the text."),
    ]
    value: Annotated[Moment | Annotated[list[Moment], Meta(min_length=1)], Meta(description=f"Of the form {FORM}.")]

    def __post_init__(self) -> None:
        several = isinstance(self.value, list)
        if several is not (self.operator in ("bt", "in")) or (self.operator == "bt" and len(self.value) != 2):
            wanted = {"bt": "a list of two values", "in": "a list of values"}.get(self.operator, "one value")
            raise ValueError(f"value: the operator {self.operator} needs {wanted}")
        if self.operator not in ("ct", "sw", "ew"):
            for value in self.value if isinstance(self.value, list) else [self.value]:
                _check(value)


class FilterGroup(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Conditions of which all must hold, or, with `or: true`, one."""

    any_of: Annotated[bool, Meta(description="true: one of the filters must hold; false: all of them.")] = (
        msgspec.field(name="or", default=False)
    )
    filters: Annotated[list[Filter], Meta(min_length=1, description="The conditions.")]

    @property
    def moves(self) -> bool:
        """True if an order may leave the group when it is changed."""
        return any(each.key == "updated_at" for each in self.filters)


def encoded(filters: Iterable[Filter], groups: Iterable[FilterGroup] = ()) -> list[tuple[str, str]]:
    """Encode `filters`, all of which must hold, and `groups`, each of which must hold, as a query."""
    every = [FilterGroup(filters=given)] if (given := list(filters)) else []
    query: list[tuple[str, str]] = []
    for number, group in enumerate([*every, *groups]):
        if group.any_of:
            query.append((f"filter_groups[{number}][or]", "true"))
        query += _encoded(f"filter_groups[{number}][filters]", group.filters)
    return query


def _encoded(group: str, filters: Iterable[Filter]) -> list[tuple[str, str]]:
    query: list[tuple[str, str]] = []
    for number, each in enumerate(filters):
        name = f"{group}[{number}]"
        query += [(f"{name}[key]", each.key), (f"{name}[operator]", each.operator)]
        if isinstance(each.value, list):
            query += [(f"{name}[value][{place}]", value) for place, value in enumerate(each.value)]
        else:
            query.append((f"{name}[value]", each.value))
    return query


def _check(value: str) -> None:
    """Raise `ValueError` unless `value` is a time on the calendar, in the form that Traede's SQL reads."""
    try:
        datetime.strptime(value, LENGTHS[len(value)])  # noqa: DTZ007 - only whether it is one
    except (KeyError, ValueError):
        raise ValueError(f"value: {value!r} is not {FORM}") from None
