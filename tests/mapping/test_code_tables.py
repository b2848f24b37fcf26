"""Code tables: a missing code holds orders, and the orders that wait for it are recognised."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.errors import Unmappable
from connector.mapping.code_tables import Tables, known, look_up

TABLES: Tables = {"methods": {"post": "P", "1": 7, "rate": 0.1, "a/b": "x"}, "empty": {}}


def cause(table: str, code: str) -> str:
    """Return the cause under which an order with this code is held."""
    with pytest.raises(Unmappable) as caught:
        look_up(TABLES, table, code)
    assert caught.value.ours
    return caught.value.cause


def test_a_code_gives_its_value() -> None:
    """Text or a number; a number with a fraction has exactly the digits that were written."""
    assert [look_up(TABLES, "methods", code) for code in ("post", "1", "rate")] == ["P", 7, Decimal("0.1")]


@pytest.mark.parametrize("code", ["Post", "post ", "", "10"])
def test_codes_are_compared_exactly(code: str) -> None:
    """A similar code is not a match."""
    with pytest.raises(Unmappable):
        look_up(TABLES, "methods", code)


def test_a_missing_code_names_itself() -> None:
    """
    All orders that wait for the same row share the cause; the settings are at
    fault, so the source gets no report.
    """
    assert cause("methods", "dhl") == "missing code: methods/dhl"


def test_a_code_that_was_added_is_known() -> None:
    """Orders that wait for it may continue; other causes, tables and codes are unaffected."""
    waiting = cause("methods", "dhl")
    assert not known(waiting, TABLES)
    assert known(waiting, {"methods": {"dhl": "D"}})
    assert not known(waiting, {"others": {"dhl": "D"}})
    assert not known("missing field: methods/post", TABLES)
    assert not known("missing code: methods", {"methods": {"": "x"}})
    assert known("missing code: methods/a/b", TABLES)


@given(st.text(min_size=1, max_size=300))
def test_any_code_that_was_added_is_known(code: str) -> None:
    """For any code: even one that was cut or cleaned in the cause is recognised."""
    if code not in TABLES["empty"]:
        assert known(cause("empty", code), {"empty": {code: "x"}})
