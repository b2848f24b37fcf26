"""Filters of Traede's export: readable in settings.yaml, Bruno's on the wire (vendors.md section 2)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from connector.sources.traede.filters import Filter, encoded
from tests.sources.traede.bench import order, queries, traede


def made(key: str, operator: str, value: Any) -> Filter:
    """Return a filter as settings.yaml has it."""
    return msgspec.convert({"key": key, "operator": operator, "value": value}, Filter)


def test_the_encoding_is_brunos() -> None:
    """One group, whose filters must all hold; a list of values is numbered, too."""
    filters = [
        made("updated_at", "gte", "2026-01-01 00:00:00"),
        made("created_at", "bt", ["2026-01-01", "2026-02-01"]),
    ]
    assert encoded(filters) == [
        ("filter_groups[0][filters][0][key]", "updated_at"),
        ("filter_groups[0][filters][0][operator]", "gte"),
        ("filter_groups[0][filters][0][value]", "2026-01-01 00:00:00"),
        ("filter_groups[0][filters][1][key]", "created_at"),
        ("filter_groups[0][filters][1][operator]", "bt"),
        ("filter_groups[0][filters][1][value][0]", "2026-01-01"),
        ("filter_groups[0][filters][1][value][1]", "2026-02-01"),
    ]
    assert encoded([]) == []


@pytest.mark.parametrize("operator", ["eq", "gt", "gte", "lt", "lte"])
@pytest.mark.parametrize("value", ["2026-01-01", "2026-01-01 00:00:00"])
def test_one_value(operator: str, value: str) -> None:
    """A day or a second, in UTC."""
    assert encoded([made("created_at", operator, value)])[2] == ("filter_groups[0][filters][0][value]", value)


@pytest.mark.parametrize("operator", ["ct", "sw", "ew"])
def test_a_part_of_the_text(operator: str) -> None:
    """Contains, starts with, ends with."""
    assert encoded([made("created_at", operator, "2026-01")])[2][1] == "2026-01"


@pytest.mark.parametrize(
    ("key", "operator", "value"),
    [
        ("id", "eq", "2026-01-01"),
        ("created_at", "ne", "2026-01-01"),
        ("created_at", "not", "2026-01-01"),
        ("created_at", "eq", ["2026-01-01"]),
        ("created_at", "bt", "2026-01-01"),
        ("created_at", "bt", ["2026-01-01"]),
        ("created_at", "bt", ["2026-01-01", "2026-01-02", "2026-01-03"]),
        ("created_at", "in", []),
        ("created_at", "in", "2026-01-01"),
        ("created_at", "gte", "yesterday"),
        ("created_at", "gte", ""),
        ("created_at", "gte", "2026-13-01"),
        ("created_at", "gte", "2026-01-01T00:00:00"),
        ("created_at", "gte", "2026-01-01 00:00"),
        ("created_at", "gte", "2026-01-01 00:00:00 UTC"),
        ("created_at", "ct", "2026' OR 1=1 --"),
        ("created_at", "sw", "%"),
        ("created_at", "gte", 5),
        ("created_at", "gte", None),
    ],
)
def test_what_is_refused(key: str, operator: str, value: Any) -> None:
    """The value goes into the vendor's SQL as it is (vendors.md 2, Bruno traps): only a time gets there."""
    with pytest.raises(msgspec.ValidationError):
        made(key, operator, value)


async def test_the_vendor_filters_by_them() -> None:
    """All of them hold for the listed orders; they stand beside the query's own parameters, encoded in its address."""
    held = [order(number, created_at=f"2026-01-0{number} 00:00:00") for number in range(1, 6)]
    filters = [made("created_at", "gte", "2026-01-02 00:00:00"), made("created_at", "lt", "2026-01-05 00:00:00")]
    async with traede(held, filters=filters) as h:
        assert [item.order_id for item in await h.listed()] == ["2", "3", "4"]
        (query, *_) = queries(h.vendor)
    assert query[-2:] == [("page", "0"), ("limit", "60")]
    assert ("filter_groups[0][filters][1][operator]", "lt") in query
