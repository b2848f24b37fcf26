"""
Traede's export: its parameters and the form of its orders (seeds 001 and 002; vendors.md sections 2 and 6).

Undocumented parameters are refused, so that a mistake of a client shows in tests and not in production. Filters are
those of Bruno, which the vendor's older documents name, without its `not`, which the connector does not use.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

__all__ = ["KINDS", "Kind", "Query", "TraedeBadRequest", "query", "shaped"]

Order = dict[str, Any]

LARGEST_PAGE, DEFAULT_PAGE = 60, 20
FILTER = re.compile(r"filter_groups\[(\d)\]\[filters\]\[(\d)\]\[(key|operator|value)\](?:\[\d?\])?")
ANY_OF = re.compile(r"filter_groups\[(\d)\]\[or\]")
MOMENT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")


class TraedeBadRequest(Exception):
    """Traede's 422 response; `field` is the invalid field."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class Kind(NamedTuple):
    """One of the two exports: its names, its includes, and the flags that reveal `hidden` orders."""

    listed: str
    id_key: str
    includes: frozenset[str]
    hidden: Mapping[str, Callable[[Order], bool]]


KINDS = {
    "orders": Kind(
        "orders",
        "order_id",
        frozenset({"lines"}),
        {
            "include_not_approved": lambda order: order["approved_at"] is None,
            "include_cancelled": lambda order: order["cancelled_at"] is not None,
            "include_archived": lambda order: order["archived_at"] is not None,
        },
    ),
    "production-orders": Kind(
        "production_orders",
        "production_order_id",
        frozenset(
            {
                "deliveryNotes",
                "lines",
                "lines.product",
                "lines.variant",
                "salesOrders",
                "salesOrders.delivery",
                "salesOrders.lines",
                "salesOrders.lines.product",
                "salesOrders.lines.variant",
                "salesOrders.shop",
                "supplier",
            }
        ),
        {
            "include_open": lambda order: order["status"] == "open",
            "include_closed": lambda order: order["status"] == "closed",
        },
    ),
}
"""The exports by the word in their path."""


class Query(NamedTuple):
    """The parsed query of an export."""

    system_id: str
    since: str
    includes: frozenset[str]
    flags: frozenset[str]
    filters: Sequence[Callable[[Order], bool]]
    page: int
    limit: int

    def matches(self, kind: Kind, order: Order) -> bool:
        """Return whether `order` passes the flags and the filters."""
        hidden = any(test(order) for flag, test in kind.hidden.items() if flag not in self.flags)
        return not hidden and all(test(order) for test in self.filters)


def query(kind: Kind, pairs: Sequence[tuple[str, str]]) -> Query:
    """Parse the query of an export; raises `TraedeBadRequest` for an undocumented parameter or value."""
    given: dict[str, str] = {}
    includes: set[str] = set()
    groups: dict[str, dict[str, dict[str, list[str]]]] = {}
    any_of: set[str] = set()
    for name, value in pairs:
        if name == "includes[]":
            if value not in kind.includes:
                raise TraedeBadRequest(name, f"{value} cannot be included")
            includes.add(value)
        elif match := FILTER.fullmatch(name):
            groups.setdefault(match[1], {}).setdefault(match[2], {}).setdefault(match[3], []).append(value)
        elif (match := ANY_OF.fullmatch(name)) and value in ("true", "false"):
            any_of |= {match[1]} if value == "true" else set()
        elif name in given:
            raise TraedeBadRequest(name, "given twice")
        elif name in kind.hidden and value not in ("0", "1"):
            raise TraedeBadRequest(name, "must be 0 or 1")
        elif name in kind.hidden or name in ("system_id", "not_exported_since", "page", "limit"):
            given[name] = value
        else:
            raise TraedeBadRequest(name, "unknown parameter")
    if not given.get("system_id"):
        raise TraedeBadRequest("system_id", "The system id field is required.")
    if not _is_moment(given.get("not_exported_since", "2026-01-01 00:00:00")):
        raise TraedeBadRequest("not_exported_since", "must be UTC, like 2026-01-01 00:00:00")
    if "page" in given and "limit" not in given:
        raise TraedeBadRequest("page", "A limit is required when using page.")
    return Query(
        given["system_id"],
        given.get("not_exported_since", ""),
        frozenset(includes),
        frozenset(name for name in kind.hidden if given.get(name) == "1"),
        [_group(number, filters, one=number in any_of) for number, filters in sorted(groups.items())],
        _count("page", given.get("page", "0"), 0, 10**9),
        _count("limit", given.get("limit", str(DEFAULT_PAGE)), 1, LARGEST_PAGE),
    )


def shaped(order: Order, kind: Kind, includes: frozenset[str], within: str = "") -> Order:
    """Return `order` with only the nested resources in `includes`."""
    shown: Order = {}
    for key, value in order.items():
        name = f"{within}{key}"
        if name not in kind.includes:
            shown[key] = value
        elif any(each == name or each.startswith(f"{name}.") for each in includes):
            inner = [value] if isinstance(value, dict) else value
            rows = [shaped(each, kind, includes, f"{name}.") for each in inner]
            shown[key] = rows[0] if isinstance(value, dict) else rows
    return shown


def _group(number: str, filters: Mapping[str, Mapping[str, list[str]]], *, one: bool) -> Callable[[Order], bool]:
    tests = [_test(f"filter_groups.{number}.filters.{place}", parts) for place, parts in sorted(filters.items())]
    return (lambda order: any(test(order) for test in tests)) if one else (lambda o: all(test(o) for test in tests))


def _test(name: str, parts: Mapping[str, list[str]]) -> Callable[[Order], bool]:
    key, operator, values = parts.get("key", [""])[0], parts.get("operator", [""])[0], parts.get("value", [])
    if key not in ("created_at", "updated_at"):
        raise TraedeBadRequest(name, f"{key} cannot be filtered by")
    if operator not in OPERATORS or not values or (operator == "bt" and len(values) != 2):
        raise TraedeBadRequest(name, f"{operator} is no operator for {len(values)} values")
    return lambda order: OPERATORS[operator](order[key], values)


OPERATORS: dict[str, Callable[[str, list[str]], bool]] = {
    "eq": lambda found, wanted: found == wanted[0],
    "gt": lambda found, wanted: found > wanted[0],
    "gte": lambda found, wanted: found >= wanted[0],
    "lt": lambda found, wanted: found < wanted[0],
    "lte": lambda found, wanted: found <= wanted[0],
    "bt": lambda found, wanted: wanted[0] <= found <= wanted[1],
    "in": lambda found, wanted: found in wanted,
    "ct": lambda found, wanted: wanted[0] in found,
    "sw": lambda found, wanted: found.startswith(wanted[0]),
    "ew": lambda found, wanted: found.endswith(wanted[0]),
}


def _count(name: str, text: str, least: int, most: int) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text) or not least <= int(text) <= most:
        raise TraedeBadRequest(name, f"must be a number from {least} to {most}")
    return int(text)


def _is_moment(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return MOMENT.fullmatch(text) is not None
