"""The numbers of Propeller's order: their meaning, and the treatment of odd ones (vendors.md 6, seed 000)."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.errors import Unmappable
from connector.order import Order, Totals
from connector.sandbox.propeller.orders import seed_order
from connector.sandbox.server import encode
from connector.sources.propeller.order import to_order
from tests.sources.propeller.bench import listed


def mapped(**changes: Any) -> Order:
    """Map the seed's order with `changes`."""
    return to_order("shop", listed(changes))


def total(gross: Any, net: Any, tax: Any) -> Totals:
    """Map an order with this total."""
    return mapped(total={"gross": gross, "net": net, "tax": tax}).totals


@pytest.mark.parametrize("name", ["gross", "net"])
def test_the_larger_sum_is_with_tax(name: str) -> None:
    """The vendor's pages disagree on which of gross and net has tax in it (vendors.md 6, seed 000, #4)."""
    other = {"gross": "net", "net": "gross"}[name]
    order = mapped(
        total={name: Decimal("1101.10"), other: 910, "tax": Decimal("191.10")},
        postageData={name: Decimal("7.25"), other: Decimal("5.99"), "tax": Decimal("1.26")},
    )
    assert order.totals == Totals(
        excluding_tax=Decimal(910),
        including_tax=Decimal("1101.10"),
        tax=Decimal("191.10"),
        shipping_excluding_tax=Decimal("5.99"),
        shipping_including_tax=Decimal("7.25"),
    )


@pytest.mark.parametrize("tax", ["-23.26", "23.26"])
def test_a_credit_keeps_its_sign(tax: str) -> None:
    """Of a credit the sum with tax is the one further below nought, whichever sign the tax has."""
    found = total(Decimal("-129.24"), Decimal("-105.98"), Decimal(tax))
    assert (found.including_tax, found.excluding_tax, found.tax) == (
        Decimal("-129.24"),
        Decimal("-105.98"),
        Decimal(tax),
    )


@pytest.mark.parametrize(
    ("gross", "net", "tax"),
    [("100", "90", "11"), ("100", "90", "-10"), ("100", "-90", "10"), ("100.00", "79.00", "20.98"), ("5", "5", "1")],
)
def test_sums_that_do_not_add_up(gross: str, net: str, tax: str) -> None:
    """If the difference is not the tax, the meaning of the numbers is unknown: the order waits for an operator."""
    with pytest.raises(Unmappable) as caught:
        total(Decimal(gross), Decimal(net), Decimal(tax))
    assert caught.value.cause == "totals do not add up"


@pytest.mark.parametrize(("gross", "net", "tax"), [("100.00", "79.00", "21.01"), ("5", "5", "0"), ("0", "0", "0")])
def test_a_cent_is_forgiven(gross: str, net: str, tax: str) -> None:
    """Vendors round; the sums are kept as they were given."""
    found = total(Decimal(gross), Decimal(net), Decimal(tax))
    assert (found.including_tax, found.excluding_tax) == (Decimal(gross), Decimal(net))


def test_the_lines_need_not_make_the_total() -> None:
    """The seed's own sums miss by a cent and more (vendors.md 6, seed 000, #5)."""
    items = [{**seed_order()["items"][0], "price": 1, "priceTotal": 99}]
    assert mapped(items=items).totals.excluding_tax == Decimal("105.98")


@pytest.mark.parametrize("sums", [None, {}, {"gross": 1}, {"net": 1}, {"tax": 1}, {"gross": None, "net": 5}])
def test_a_missing_sum_is_no_fault(sums: Any) -> None:
    """A sum that the vendor omits is unknown; a sum alone may or may not include tax."""
    totals = mapped(total=sums, postageData=sums).totals
    assert (totals.including_tax, totals.excluding_tax, totals.shipping_excluding_tax) == (None, None, None)


def test_the_payment_is_never_added() -> None:
    """In the seed it repeats the goods, elsewhere it is a surcharge (vendors.md 6, seed 000, #6)."""
    order = mapped(paymentData={"gross": 5000, "net": 4000, "tax": 1000, "method": "iDEAL"})
    assert order.totals == mapped().totals
    assert order.metadata["payment_method"] == "iDEAL"


@pytest.mark.parametrize(("kind", "discount"), [("A", Decimal("2.50")), ("P", None), ("N", None), (None, None)])
def test_only_an_amount_is_a_discount(kind: str | None, discount: Decimal | None) -> None:
    """A percentage is not money."""
    sums = {**seed_order()["total"], "discountValue": Decimal("2.50"), "discountType": kind}
    assert mapped(total=sums).totals.discount == discount


@pytest.mark.attack(13)
@pytest.mark.parametrize("number", ["1E+400000000", "1E-400000000", "1E+13", "0." + "1" * 29, "1" * 14, "NaN"])
@pytest.mark.parametrize("place", ["total.gross", "postageData.net", "quantity", "price", "taxPercentage"])
def test_an_absurd_number_is_caught_before_it_is_reckoned_with(number: str, place: str) -> None:
    """1E+400000000 is a valid number of twelve letters; adding to it would take for ever (faults.md 3, #13)."""
    wire = seed_order()
    group, _, field = place.rpartition(".")
    target = wire[group] if group else wire["items"][0]
    target[field] = number if number == "NaN" else msgspec.Raw(number.encode())
    start = time.monotonic()
    with pytest.raises(Unmappable) as caught:
        to_order("shop", encode(wire))
    assert time.monotonic() - start < 5
    assert caught.value.cause in (f"number out of range: {place}", f"not a number: {place}", "unreadable order")


@given(st.decimals(min_value="0.01", max_value="99999999", places=2), st.integers(0, 100))
def test_money_stays_exact(net: Decimal, percentage: int) -> None:
    """The vendor's amount arrives unchanged, to the last digit."""
    tax = (net * percentage / 100).quantize(Decimal("0.01"))
    totals = total(net + tax, net, tax)
    assert (str(totals.excluding_tax), str(totals.including_tax)) == (str(net), str(net + tax))
