"""eWarehousing's order becomes the canonical one (seed 004, "Retrieve an order")."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from connector.errors import Unmappable
from connector.order import Address, Contact, Customer, Line, Order, Totals
from connector.receivers.ewarehousing.mapping import create_order
from connector.sources.ewarehousing.order import to_order
from tests.clients.ewarehousing.seed import LIST, RETRIEVE


def mapped(**changes: Any) -> Order:
    """Return the seed's order with `changes`; `...` takes a key away."""
    content = {**msgspec.json.decode(RETRIEVE), **changes}
    kept = {key: value for key, value in content.items() if value is not ...}
    return to_order("warehouse", msgspec.json.encode(kept))


def test_the_seeds_order() -> None:
    """Every field of the example has its place; amounts are in euros, times in UTC."""
    assert to_order("warehouse", RETRIEVE) == Order(
        source="warehouse",
        order_id="c9165f93-8301-4aaa-9f64-27f191c0c778",
        reference="WEB-10001",
        purchase_order="841612",
        created_at=datetime(2022, 2, 11, 9, 32, 12, tzinfo=UTC),
        currency="EUR",
        language="en",
        customer=Customer(id="be62c27e-2aac-4ac1-902e-f770d64f8dce", name="eWarehousing Solutions"),
        contact=Contact(name="Warehouse Team", email="outbound@example.com"),
        delivery_address=Address(
            company="eWarehousing Solutions",
            street="Nijverheidsweg",
            number="27",
            postal_code="3331MB",
            city="Zwijndrecht",
            country="NL",
            email="outbound@example.com",
        ),
        lines=(
            Line(
                sku="default_variant_b_id",
                name="Blue T-shirt size M",
                quantity=Decimal(7),
                metadata={
                    "gift_wrap": "true",
                    "variant_id": "87557e7a-4f4d-44eb-bbf1-c9d83df90099",
                    "serial_numbers": "SN-0001, SN-0002",
                },
            ),
        ),
        totals=Totals(including_tax=Decimal("45.99")),
        notes="Gift order",
        requested_delivery_date=date(2022, 2, 14),
        metadata={
            "sales_channel": "webshop",
            "priority": "normal",
            "status": "created",
            "ewarehousing_reference": "ORD00000003029",
            "external_reference": "WEB-10001",
            "external_id": "order-10001",
            "po_number": "841612",
            "shipping_method": "9eb93dd6-6929-4b91-8419-8a619a72905b",
            "note": "Leave the parcel at the front desk.",
            "inco_terms": "DAP",
            "assured_amount": "45.99",
            "document_1_id": "8067cdfb-cb22-4490-902d-a9863f38f76f",
            "document_1_title": "packing-slip.pdf",
            "document_1_mime_type": "application/pdf",
            "document_1_quantity": "1",
            "document_1_is_shipping_label": "false",
            "document_1_order_price": "0",
        },
        raw=RETRIEVE,
    )


@pytest.mark.parametrize(
    ("currency", "amount"), [("EUR", "45.99"), ("eur", "45.99"), ("JPY", "4599"), ("BHD", "4.599"), (..., "45.99")]
)
def test_amounts_are_in_the_smallest_unit(currency: Any, amount: str) -> None:
    """Scaled by the currency's own number of decimals; cents where none is given (vendors.md 6/004 #3)."""
    order = mapped(currency=currency)
    assert order.totals.including_tax == Decimal(amount)
    assert order.metadata["assured_amount"] == amount


@pytest.mark.parametrize(("status", "cancelled"), [("cancelled", True), ("Canceled", True), ("shipped", False)])
def test_a_cancelled_order_says_so(status: str, cancelled: bool) -> None:
    """If `cancelled` is one of the mirrored statuses, the order is not fulfilled elsewhere."""
    order = mapped(status=status)
    assert order.cancelled is cancelled
    assert order.metadata["status"] == status


def test_what_is_absent_stays_empty() -> None:
    """An order with no more than its id and its lines is one; an address is never invented."""
    order = to_order("warehouse", b'{"id": 5, "order_lines": [{"variant": "v", "quantity": 1}]}')
    assert (order.order_id, order.reference, order.delivery_address) == ("5", "5", None)
    assert (order.created_at, order.requested_delivery_date, order.currency) == (None, None, "")
    assert order.totals == Totals()
    assert order.lines == (Line(quantity=Decimal(1), metadata={"variant_id": "v"}),)


def test_the_contact_may_be_outside_the_address() -> None:
    """An answer that is shaped like a request is read as well (vendors.md 6/004 #5)."""
    address = {"addressed_to": "X", "mobile_number": 31612345678}
    order = mapped(shipping_address=address, shipping_contactperson="Jan", shipping_email="j@example.com")
    assert order.contact == Contact(name="Jan", email="j@example.com", phone="31612345678")


def test_the_list_alone_is_no_order() -> None:
    """Its rows have no lines (vendors.md 6/004 #13): an order without them is never passed on as empty."""
    (row,) = msgspec.json.decode(LIST)
    with pytest.raises(Unmappable) as caught:
        to_order("warehouse", msgspec.json.encode(row))
    assert caught.value.cause == "the order came without its lines"


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"id": ...}, "unreadable order"),
        ({"created_at": "yesterday"}, "unreadable order"),
        ({"requested_delivery_date": "soon"}, "unreadable order"),
        ({"order_lines": [{"description": "x"}]}, "unreadable order"),
        ({"order_lines": [{"quantity": "two"}]}, "unreadable order"),
        ({"order_lines": [{"quantity": "NaN"}]}, "not a number: quantity"),
        ({"order_lines": [{"quantity": "1_0"}]}, "not a number: quantity"),
        ({"order_amount": " 5"}, "not a number: order_amount"),
        ({"order_amount": "1E+400000000"}, "number out of range: order_amount"),
    ],
)
def test_what_cannot_be_read_is_held(changes: dict[str, Any], cause: str) -> None:
    """Each under a cause that is the same for all such orders."""
    with pytest.raises(Unmappable) as caught:
        mapped(**changes)
    assert caught.value.cause == cause


def test_an_order_can_go_to_another_warehouse() -> None:
    """The default mapping turns the seed's order into a valid create, with the delivery date that it has."""
    request = create_order(to_order("warehouse", RETRIEVE))
    assert request.external_id == "warehouse-c9165f93-8301-4aaa-9f64-27f191c0c778"
    assert (request.order_amount, request.requested_delivery_date) == (4599, date(2022, 2, 14))
    assert request.shipping_contactperson == "Warehouse Team"


@pytest.mark.fault(152)
@pytest.mark.parametrize(
    ("at", "day"),
    [
        ("2022-02-14T00:00:00+00:00", date(2022, 2, 14)),
        ("2022-02-14T00:00:00-05:00", date(2022, 2, 14)),
        ("2022-02-14", date(2022, 2, 14)),
        ("2022-06-30T22:00:00+00:00", date(2022, 7, 1)),
    ],
)
def test_the_day_of_a_delivery(at: str, day: date) -> None:
    """Midnight is a day, as it is written; another time is an instant, read on the source's calendar."""
    assert mapped(requested_delivery_date=at).requested_delivery_date == day
