"""
Code tables: `tables:` of settings.yaml, which give one value for each code of a source.

A code that is missing from its table holds the order under a cause that names both. All orders that wait for the same
row share the cause, and `known` reports when the row has been added.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from connector.errors import Unmappable

__all__ = ["MISSING", "Tables", "known", "look_up", "missing"]

Tables = Mapping[str, Mapping[str, str | int | float]]
"""The tables by name; each maps codes to values."""

MISSING = "missing code: "
"""The prefix of the cause of an order that waits for a row of a table."""


def look_up(tables: Tables, table: str, code: str) -> str | int | Decimal:
    """
    Return the value of `code` in `table`, compared exactly.

    Raises:
        Unmappable: the table lacks the code; the settings are at fault (`ours`).
    """
    try:
        value = tables[table][code]
    except KeyError:
        raise missing(table, code) from None
    return Decimal(repr(value)) if isinstance(value, float) else value


def missing(table: str, code: str) -> Unmappable:
    """Return the error that holds an order whose `code` is not in `table`."""
    return Unmappable(f"{MISSING}{table}/{code}", f"add a row for {code!r} to the table {table}", ours=True)


def known(cause: str, tables: Tables) -> bool:
    """
    Return True if `cause` is a missing code that `tables` now contain, so that the orders waiting for it can continue.

    All other causes return False. A long code is truncated in its cause; then any row that begins like it counts.
    """
    if not cause.startswith(MISSING):
        return False
    table, slash, code = cause.removeprefix(MISSING).partition("/")
    rows = tables.get(table, {})
    return bool(slash) and (code in rows or any(missing(table, row).cause == cause for row in rows))
