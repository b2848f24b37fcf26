"""Amounts on the wire."""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.errors import Unmappable
from connector.mapping.money import decimals, minor_units, rounded


@pytest.mark.parametrize(
    ("amount", "currency", "expected"),
    [
        ("45.99", "EUR", 4599),
        ("49.99", "EUR", 4999),
        ("0.005", "EUR", 1),
        ("0.0049", "EUR", 0),
        ("2.675", "EUR", 268),
        ("-0.005", "EUR", -1),
        ("-12.5", "EUR", -1250),
        ("5.99", "JPY", 6),
        ("1200", "JPY", 1200),
        ("1.2345", "BHD", 1235),
        ("1", "CLF", 10000),
        ("7", "XYZ", 700),
        ("1E+3", "EUR", 100000),
        ("0", "EUR", 0),
        ("1E-400000000", "EUR", 0),
    ],
)
def test_amounts_become_minor_units_of_their_currency(amount: str, currency: str, expected: int) -> None:
    """An amount is rounded half up to its currency's own number of decimals (vendors.md 6/004 #2, #3)."""
    assert minor_units(Decimal(amount), currency) == expected


@pytest.mark.attack(13)
@pytest.mark.parametrize(
    "amount", ["NaN", "sNaN", "Infinity", "-Infinity", "1E+400000000", "1E+10", "0." + "1" * 31, "0E+400000000"]
)
def test_what_is_no_amount_of_money_is_refused(amount: str) -> None:
    """A number that no order can cost holds the order at once, instead of hanging the process (faults.md 8.4)."""
    with pytest.raises(Unmappable, match="amount out of range"):
        minor_units(Decimal(amount), "EUR")


@given(
    st.decimals(min_value=-(10**9), max_value=10**9, places=4, allow_nan=False),
    st.sampled_from(["EUR", "JPY", "BHD", "CLF"]),
)
def test_rounding_moves_an_amount_by_half_a_unit_at_most(amount: Decimal, currency: str) -> None:
    """Minor units are never further than half a unit from the amount, and a float of the rounded amount is exact."""
    units = minor_units(amount, currency)

    half = Decimal("0.5").scaleb(-decimals(currency))
    assert abs(Decimal(units).scaleb(-decimals(currency)) - amount) <= half
    assert Decimal(repr(float(rounded(amount, currency)))) == rounded(amount, currency)


def test_the_callers_decimal_context_does_not_matter() -> None:
    """An app that rounds its decimals another way gets the same cents."""
    with localcontext(prec=3, rounding=ROUND_DOWN):
        assert minor_units(Decimal("123456.785"), "EUR") == 12345679


def test_there_is_no_negative_zero() -> None:
    """An amount that rounds to nothing has no sign."""
    assert str(rounded(Decimal("-0.001"), "EUR")) == "0.00"
