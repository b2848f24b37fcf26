"""The generated orders resemble the seed's, and are the same every time."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from connector.sandbox.propeller.orders import propeller_orders, seed_order
from connector.sandbox.server import decode, encode


def keys(value: Any) -> Any:
    """Return the keys of an order, level by level, with lists by their first element."""
    if isinstance(value, dict):
        return {key: keys(part) for key, part in value.items()}
    return keys(value[0]) if isinstance(value, list) and value else None


def test_the_seed_order_is_the_vendors_own_example() -> None:
    """The seed's numbers keep their digits, and every call returns a new dict."""
    order = seed_order()

    assert (order["id"], order["status"], order["type"]) == (20106, "NEW", "dropshipment")
    assert Decimal("129.24") == order["total"]["gross"]
    assert b'"tax":23.26,"discountValue":0' in encode(order)
    assert [address["type"] for address in order["addresses"]] == ["invoice", "delivery"]
    assert order is not seed_order()


def test_generated_orders_have_every_key_of_the_seed_in_its_order() -> None:
    """Generated orders have the seed's keys in the same order."""
    expected = keys(seed_order())

    for order in propeller_orders(50):
        assert expected == keys(order)
        assert list(expected) == list(order)


def test_the_same_arguments_give_the_same_orders() -> None:
    """The same arguments give the same orders, another seed other ones, and a shorter list is a prefix."""
    assert encode(propeller_orders(40, seed=3)) == encode(propeller_orders(40, seed=3))
    assert encode(propeller_orders(40, seed=3)) != encode(propeller_orders(40, seed=4))
    assert propeller_orders(20) == propeller_orders(40)[:20]


def test_amounts_survive_the_wire() -> None:
    """Amounts are the same after encoding and decoding, and never become text or a float."""
    orders = propeller_orders(30)
    wire = encode(orders)

    assert orders == decode(wire)
    for order in msgspec.json.decode(wire):
        assert isinstance(order["total"]["gross"], int | float)


def test_sums_add_up() -> None:
    """Gross includes tax and net does not, in the postage, the goods and the total."""
    for order in propeller_orders(200):
        goods, postage, total = order["paymentData"], order["postageData"], order["total"]
        assert sum(item["priceTotal"] for item in order["items"]) == goods["net"]
        assert all(item["price"] * item["quantity"] == item["priceTotal"] for item in order["items"])
        for sums in (goods, postage, total):
            assert sums["net"] + sums["tax"] == sums["gross"]
        assert goods["gross"] + postage["gross"] == total["gross"]


def test_ids_and_dates_rise_together_within_2026() -> None:
    """Dates rise with ids and stay in 2026; ids of lines and UUIDs are unique, and UUIDs begin with the date."""
    orders = propeller_orders(3000, first_id=7)
    dates = [order["date"] for order in orders]
    lines = [item["id"] for order in orders for item in order["items"]]

    assert list(range(7, 3007)) == [order["id"] for order in orders]
    assert sorted(dates) == dates
    assert {"2026"} == {date[:4] for date in dates}
    assert len(set(lines)) == len(lines)
    assert sorted(order["uuid"] for order in orders) == [order["uuid"] for order in orders]


@pytest.mark.slow
def test_many_orders_still_fit_into_the_year() -> None:
    """The last order of a large benchmark is still in 2026."""
    assert propeller_orders(30_000)[-1]["date"][:7] == "2026-12"


def test_the_faulty_orders_are_spread_over_the_list() -> None:
    """The requested numbers of exceptions are spread over the list, at most one per order."""
    orders = propeller_orders(100, without_address=4, quotations=3)
    lacking = [place for place, order in enumerate(orders) if not order["addresses"]]
    quoted = [place for place, order in enumerate(orders) if order["type"] == "quotation"]

    assert (len(lacking), len(quoted)) == (4, 3)
    assert not set(lacking) & set(quoted)
    for places in (lacking, quoted):
        assert min(places) < 50 <= max(places)
    assert {"NEW"} == {order["status"] for order in orders}


def test_all_of_them_may_be_faulty_but_not_more() -> None:
    """More exceptions than orders are refused."""
    assert all(not order["addresses"] for order in propeller_orders(5, without_address=5))
    with pytest.raises(ValueError, match="3 \\+ 3 orders of 5"):
        propeller_orders(5, without_address=3, quotations=3)


def test_names_and_places_are_those_of_several_countries() -> None:
    """Names beyond ASCII, postal codes in each country's form, and both rates of VAT occur."""
    orders = propeller_orders(500)
    addresses = [address for order in orders for address in order["addresses"]]
    items = [item for order in orders for item in order["items"]]

    assert {"NL", "DE", "BE", "NO", "DK", "SE"} == {address["country"] for address in addresses}
    assert any(not address["lastName"].isascii() for address in addresses)
    assert not any("#" in address["postalCode"] or "X" in address["postalCode"][:4] for address in addresses)
    assert "#117" in {item["sku"] for item in items}
    assert {(21, "H"), (9, "L")} == {(item["taxPercentage"], item["taxCode"]) for item in items}
    assert any(order["addresses"][0]["city"] != order["addresses"][1]["city"] for order in orders)
