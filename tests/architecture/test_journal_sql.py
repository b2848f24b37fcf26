"""Ownership of the journal's tables: one place adds history, one removes payloads, and SQLite stays in the engine."""

from __future__ import annotations

import re

import pytest

from tests.architecture.source import package

OWNERS = {
    "INSERT INTO history": "connector.journal.tables.history",
    "DELETE FROM payloads": "connector.journal.tables.payloads",
    "INSERT INTO orders": "connector.journal.tables.orders",
    "INSERT INTO changes": "connector.journal.tables.changes",
    "INSERT INTO reports": "connector.journal.tables.reports",
    "INTO replays": "connector.journal.tables.replays",
    "INTO rejections": "connector.journal.tables.rejections",
    "INTO lookup_first": "connector.journal.tables.lookup_first",
}
"""Statements, and the only module that has them."""

SQLITE = re.compile(r"\b(PRAGMA|INDEXED BY|OR (IGNORE|REPLACE)|GLOB|iif)\b|\bchanges\(\)")
"""Words that only SQLite understands."""


@pytest.mark.parametrize("statement", OWNERS)
def test_a_statement_has_one_owner(statement: str) -> None:
    """Other modules call its function."""
    assert [OWNERS[statement]] == [name for name, module in package().items() if statement in module.text]


def test_statements_of_tables_and_views_are_plain() -> None:
    """The words that only SQLite understands are in `engine/` and `schema/`."""
    plain = ("connector.journal.tables.", "connector.journal.views.", "connector.journal.decisions")
    assert [] == [name for name, module in package().items() if name.startswith(plain) and SQLITE.search(module.text)]
