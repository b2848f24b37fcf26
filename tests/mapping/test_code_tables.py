"""Code lists: what a missing code does, and how the orders that wait for it are known."""

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
    """A text or a number; a number with a fraction has the digits that were written."""
    assert [look_up(TABLES, "methods", code) for code in ("post", "1", "rate")] == ["P", 7, Decimal("0.1")]


@pytest.mark.parametrize("code", ["Post", "post ", "", "10"])
def test_codes_are_compared_exactly(code: str) -> None:
    """A code that is nearly there is not there."""
    with pytest.raises(Unmappable):
        look_up(TABLES, "methods", code)


def test_a_missing_code_names_itself() -> None:
    """All that wait for the same row share the cause, and it is ours to mend: the source is not told."""
    assert cause("methods", "dhl") == "missing code: methods/dhl"


def test_a_code_that_was_added_is_known() -> None:
    """Then what waits for it may go on; other causes, tables and codes are not concerned."""
    waiting = cause("methods", "dhl")
    assert not known(waiting, TABLES)
    assert known(waiting, {"methods": {"dhl": "D"}})
    assert not known(waiting, {"others": {"dhl": "D"}})
    assert not known("missing field: methods/post", TABLES)
    assert not known("missing code: methods", {"methods": {"": "x"}})
    assert known("missing code: methods/a/b", TABLES)


@given(st.text(min_size=1, max_size=300))
def test_any_code_that_was_added_is_known(code: str) -> None:
    """Whatever is in it: what is cut or cleaned in a cause is found again."""
    if code not in TABLES["empty"]:
        assert known(cause("empty", code), {"empty": {code: "x"}})
