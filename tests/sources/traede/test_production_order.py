"""Traede's production orders as canonical orders (seed 002; vendors.md section 2, The production order object)."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, get_args

import pytest

from connector.errors import Unmappable
from connector.order import Contact, Customer, Line, Order
from connector.sandbox.server import encode
from connector.sandbox.traede.orders import production_orders
from connector.sources.traede.production_order import Include, to_order
from tests.sources.traede.bench import production_order, queries, traede

SEED = {
    "deliveryNotes",
    "lines",
    "lines.product",
    "lines.variant",
    "salesOrders",
    "salesOrders.delivery",
    "salesOrders.lines",
    "salesOrders.lines.product",
    "salesOrders.lines.variant",
    "salesOrders.shop",
    "supplier",
}
LINE = {"id": 310101, "product_id": 501, "ordered": 50, "quantity": 20, "received": 30, "unit_price": "36.32"}
WIRE: dict[str, Any] = {"production_order_id": 3101, "production_order_number": "PRD-3101", "lines": [LINE]}


def mapped(**changes: Any) -> Order:
    """Map a production order with these changes; ... takes a field away."""
    wire = {key: value for key, value in {**WIRE, **changes}.items() if value is not ...}
    return to_order("production", encode(wire))


def test_a_production_order_of_the_stand_in() -> None:
    """With everything included: the supplier is the other party, and there is no place of delivery."""
    wire = production_orders(1)[0]
    raw = encode({**wire, "lines": wire["lines"][:1]})
    first = wire["lines"][0]
    assert to_order("production", raw) == Order(
        source="production",
        order_id="3101",
        kind="production",
        reference="PRD-3101",
        created_at=datetime(2026, 1, 5, 7, 35, 41, tzinfo=UTC),
        currency="EUR",
        customer=Customer(id=str(wire["supplier_id"]), name=wire["supplier"]["name"], email=wire["supplier"]["email"]),
        contact=Contact(email=wire["supplier"]["email"]),
        lines=(
            Line(
                line_id=str(first["id"]),
                sku=first["variant"]["sku"],
                name=f"{first['product']['name']}, {first['variant']['name']}",
                quantity=Decimal(first["ordered"]),
                unit_price=first["unit_price"],
                metadata={
                    "product_id": str(first["product_id"]),
                    "variant_id": str(first["variant_id"]),
                    "ean": first["variant"]["ean"],
                },
            ),
        ),
        notes=wire["external_comments"],
        requested_delivery_date=date.fromisoformat(wire["expected_delivery"][:10]),
        metadata=to_order("production", encode(wire)).metadata,
        raw=raw,
    )


def test_generated_production_orders_are_mapped() -> None:
    """All of them, with every line."""
    for wire in production_orders(60):
        order = to_order("production", encode(wire))
        assert (order.order_id, order.kind) == (str(wire["production_order_id"]), "production")
        assert [each.quantity for each in order.lines] == [each["ordered"] for each in wire["lines"]]


def test_the_quantity_is_what_was_ordered() -> None:
    """The progress changes while nothing else does."""
    assert [each.quantity for each in mapped().lines] == [Decimal(50)]
    (only,) = mapped(lines=[{"quantity": "7"}]).lines
    assert only.quantity == Decimal(7)
    with pytest.raises(Unmappable, match=r"missing field: lines\.quantity"):
        mapped(lines=[{"received": 7}])


@pytest.mark.parametrize("lines", [..., None])
def test_one_without_its_lines_is_not_empty(lines: Any) -> None:
    """Every call requests them (#11)."""
    with pytest.raises(Unmappable, match="missing field: lines"):
        mapped(lines=lines)


@pytest.mark.parametrize("key", ["salesOrders", "sales_orders", "orders"])
def test_the_sales_orders_under_each_of_their_names(key: str) -> None:
    """The vendor's framework spells an include one way and its key another (#10); bare ids are named as well."""
    listed = [{"order_id": 7, "order_number": "1307"}, {"id": 8}, 9]
    assert mapped(**{key: listed}).metadata == {"sales_orders": "1307, 8, 9"}


@pytest.mark.parametrize("key", ["deliveryNotes", "delivery_notes"])
def test_the_delivery_notes_under_each_of_their_names(key: str) -> None:
    """As the sales orders."""
    assert mapped(**{key: [{"id": 12101}, {"number": "N-2"}]}).metadata == {"delivery_notes": "12101, N-2"}


def test_comments() -> None:
    """Comments for the supplier are notes, internal ones are metadata."""
    order = mapped(external_comments="Hangtags", internal_comments="late again", status="sent")
    assert (order.notes, order.metadata) == ("Hangtags", {"status": "sent", "internal_comments": "late again"})


@pytest.mark.parametrize("wrong", [{"production_order_id": "x"}, {"production_order_id": ...}, {"lines": {}}])
def test_what_is_no_production_order(wrong: dict[str, Any]) -> None:
    """It waits for a person."""
    with pytest.raises(Unmappable, match="unreadable order"):
        mapped(**wrong)


def test_every_nested_resource_of_the_seed_can_be_included() -> None:
    """And no other."""
    assert set(get_args(Include)) == SEED


async def test_what_is_included_is_asked_for_and_comes() -> None:
    """`includes[]` for each, lines always, none twice; the raw order has them for a mapping."""
    include = ["supplier", "lines", "salesOrders.shop"]
    async with traede([production_order(1)], "production-orders", include=include) as h:
        (item,) = await h.listed()
    ((*sent,),) = [[value for name, value in query if name == "includes[]"] for query in queries(h.vendor)[:1]]
    assert sent == ["lines", "supplier", "salesOrders.shop"]
    assert b'"supplier":{' in item.raw
    assert b'"shop":{' in item.raw
    assert b'"deliveryNotes"' not in item.raw


@pytest.mark.parametrize(("flag", "status"), [("include_open", "open"), ("include_closed", "closed")])
async def test_drafts_and_finished_ones_are_listed_when_asked_for(flag: str, status: str) -> None:
    """By the seed's flags, 0 by default."""
    held = [production_order(1), production_order(2, status=status)]
    async with traede(held, "production-orders") as h:
        assert [item.order_id for item in await h.listed()] == ["1"]
    async with traede(held, "production-orders", **{flag: True}) as h:
        assert [item.order_id for item in await h.listed()] == ["1", "2"]
        flags = {name: value for name, value in queries(h.vendor)[0] if name.startswith("include_")}
    assert flags == {"include_open": "0", "include_closed": "0", flag: "1"}
