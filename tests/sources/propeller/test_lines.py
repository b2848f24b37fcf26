"""The rows of a Propeller order that are not products: costs, incentives, and unknown classes."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from connector.errors import Unmappable
from connector.order import Line, Order
from connector.sources.propeller.order import to_order
from tests.sources.propeller.bench import listed

PRODUCT: dict[str, Any] = {"id": 2, "sku": "A", "quantity": 2, "price": 10}


def mapped(*rows: dict[str, Any]) -> Order:
    """Map an order of these rows."""
    return to_order("shop", listed({"items": list(rows)}))


def incentive(**parts: Any) -> dict[str, Any]:
    """Return an incentive on the product."""
    return {"id": 3, "class": "incentive", "sku": "free", "quantity": 2, "price": -10, "parentOrderItemId": 2, **parts}


@pytest.mark.fault(148)
@pytest.mark.parametrize("name", ["configuration", "Bundle", "produkt", "0"])
def test_a_row_of_an_unknown_class_holds_the_order(name: str) -> None:
    """Without the row, something unknown would be missing."""
    with pytest.raises(Unmappable) as caught:
        mapped(PRODUCT, {**PRODUCT, "class": name})
    assert caught.value.cause == f"unknown row class: {name}"


@pytest.mark.fault(148)
def test_costs_are_carried() -> None:
    """They are no goods, and the receiver's people can see them."""
    order = mapped(
        PRODUCT, {"class": "Surcharge", "sku": "F", "name": "Fuel", "quantity": 1, "price": 3.5, "notes": "n"}
    )
    assert len(order.lines) == 1
    told = {key: value for key, value in order.metadata.items() if key.startswith(("surcharge", "other_rows"))}
    assert told == {
        "surcharge_1_sku": "F",
        "surcharge_1_name": "Fuel",
        "surcharge_1_quantity": "1",
        "surcharge_1_price": "3.5",
        "surcharge_1_notes": "n",
        "other_rows": "1",
    }


@pytest.mark.parametrize(
    ("parts", "price"),
    [
        ({}, Decimal(0)),
        ({"quantity": 1, "price": -5}, Decimal("7.5")),
        ({"price": "-0.5"}, Decimal("9.5")),
        ({"price": None}, None),
    ],
)
def test_an_incentive_belongs_to_the_row_that_it_names(parts: dict[str, Any], price: Decimal | None) -> None:
    """The line's price is the amount paid for a piece of it; the incentive itself is metadata."""
    (line,) = mapped(PRODUCT, incentive(**parts)).lines
    assert line.unit_price == price
    assert line.metadata["incentive_1_sku"] == "free"


def test_a_price_that_is_not_exact_is_none() -> None:
    """Three pieces for 25 have no price each; the known amounts stay in the line's metadata."""
    (line,) = mapped({**PRODUCT, "quantity": 3}, incentive(quantity=1, price=-5)).lines
    assert line.unit_price is None
    assert line.metadata["incentive_1_price"] == "-5"


@pytest.mark.parametrize("parent", [None, 99])
def test_an_incentive_of_the_whole_order(parent: Any) -> None:
    """It belongs to no line, and changes the price of none."""
    order = mapped(PRODUCT, incentive(parentOrderItemId=parent))
    assert order.lines == (Line(line_id="2", sku="A", quantity=Decimal(2), unit_price=Decimal(10)),)
    assert (order.metadata["incentive_1_price"], order.metadata["other_rows"]) == ("-10", "1")


@pytest.mark.fault(151)
@pytest.mark.parametrize(
    "text", ["1_000", "\u0663", "+5", " 5", "5 ", "NaN", "Infinity", "05", "5.", ".5", "0x1", "five"]
)
def test_a_number_is_one_by_the_grammar_of_json(text: str) -> None:
    """Python takes all but the last four of these for numbers; the vendor never wrote one."""
    for field in ("quantity", "price", "taxPercentage"):
        with pytest.raises(Unmappable, match=f"not a number: {field}"):
            mapped({**PRODUCT, field: text})


@pytest.mark.parametrize(("text", "number"), [("5", "5"), ("-0.0045", "-0.0045"), ("1e1", "10"), ("2.50", "2.50")])
def test_a_number_may_be_written_as_text(text: str, number: str) -> None:
    """With all of its digits."""
    (line,) = mapped({**PRODUCT, "price": text}).lines
    assert line.unit_price == Decimal(number)


@pytest.mark.parametrize("flag", [True, [], {}])
def test_what_is_no_number(flag: Any) -> None:
    """True is no 1."""
    with pytest.raises(Unmappable, match="not a number: price"):
        mapped({**PRODUCT, "price": flag})
