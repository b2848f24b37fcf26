"""
Code lists: `tables:` of settings.yaml, one value for each code of a source.

A code that a table does not have holds the order under a cause that names both; all orders that wait for the same row
share it, and `known` tells when the row has come.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from connector.errors import Unmappable

__all__ = ["MISSING", "Tables", "known", "look_up", "missing"]

Tables = Mapping[str, Mapping[str, str | int | float]]
"""The tables by name; each gives the value of a code."""

MISSING = "missing code: "
"""How the cause of an order begins that lacks a row of a table."""


def look_up(tables: Tables, table: str, code: str) -> str | int | Decimal:
    """Return what `table` has for `code`, compared exactly; raises `Unmappable`, of our own making, if nothing."""
    try:
        value = tables[table][code]
    except KeyError:
        raise missing(table, code) from None
    return Decimal(repr(value)) if isinstance(value, float) else value


def missing(table: str, code: str) -> Unmappable:
    """Return what holds an order whose `code` is not in `table`."""
    return Unmappable(f"{MISSING}{table}/{code}", f"add a row for {code!r} to the table {table}", ours=True)


def known(cause: str, tables: Tables) -> bool:
    """
    Tell whether `cause` was a missing code that `tables` have by now, so that what waits for it can go on.

    False for every other cause. A long code is cut in its cause: then any row that begins like it counts.
    """
    if not cause.startswith(MISSING):
        return False
    table, slash, code = cause.removeprefix(MISSING).partition("/")
    rows = tables.get(table, {})
    return bool(slash) and (code in rows or any(missing(table, row).cause == cause for row in rows))
