"""The canonical order: its identity is derived, and its revision depends on its content."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.order import Address, Contact, Customer, Document, Line, Order, Parcel, Totals, external_id, revision

ADDRESS = Address(first_name="Jan", middle_name="de", last_name="Vries", street="Keizersgracht", country="NL")
ORDER = Order(
    source="shop",
    order_id="20106",
    reference="WEB-20106",
    created_at=datetime(2026, 3, 24, 9, 26, 7, tzinfo=UTC),
    currency="EUR",
    language="NL",
    customer=Customer(id="7", name="Voorbeeld B.V."),
    contact=Contact(name="Jan", email="jan@example.com"),
    delivery_address=ADDRESS,
    invoice_address=ADDRESS,
    lines=(Line(sku="a", quantity=Decimal(2), unit_price=Decimal("49.99"), metadata={"colour": "red", "size": "L"}),),
    totals=Totals(excluding_tax=Decimal("99.98")),
    notes="Ring twice.",
    requested_delivery_date=date(2026, 3, 27),
    parcels=(Parcel(parcel_id="1", weight=Decimal("1.5")),),
    cash_on_delivery=Decimal("10.00"),
    metadata={"method": "invoice", "rank": "1"},
    raw=b'{"id": 20106}',
)
OTHER: dict[str, Any] = {
    "source": "wholesale",
    "order_id": "20107",
    "kind": "shipment",
    "reference": "WEB-20107",
    "references": ("4711",),
    "purchase_order": "PO 9117",
    "created_at": datetime(2026, 3, 24, 9, 26, 8, tzinfo=UTC),
    "currency": "DKK",
    "language": "DA",
    "customer": Customer(id="8"),
    "contact": Contact(name="Piet"),
    "contacts": (Contact(name="Kees"),),
    "delivery_address": None,
    "invoice_address": msgspec.structs.replace(ADDRESS, number="1"),
    "sender": Address(city="Ski", notes="Port 4"),
    "lines": (Line(sku="b", quantity=Decimal(2)),),
    "totals": Totals(excluding_tax=Decimal("99.99")),
    "notes": "",
    "requested_delivery_date": date(2026, 3, 28),
    "delivery_method": "PICKUP",
    "carrier": "DHL",
    "pickup_location": "12",
    "partial_delivery": False,
    "parcels": (),
    "cash_on_delivery": Decimal("10.01"),
    "cash_on_delivery_currency": "NOK",
    "cash_on_delivery_reference": "KID 123",
    "documents": (Document(title="label", content=b"%PDF"),),
    "cancelled": True,
    "metadata": {"method": "cash", "rank": "1"},
}


def test_the_identity_is_derived() -> None:
    """The source's name and its own id: the same after the journal was lost, and a contract with every receiver."""
    assert ORDER.external_id == external_id("shop", "20106") == "shop-20106"
    changed = msgspec.structs.replace(ORDER, reference="other", notes="other", lines=(), raw=b"other")
    assert changed.external_id == ORDER.external_id


@given(st.text(), st.text(), st.text())
def test_two_orders_of_a_source_have_two_identities(source: str, one: str, other: str) -> None:
    """For any two ids."""
    assert (external_id(source, one) == external_id(source, other)) == (one == other)


def test_every_field_has_a_value_to_change_it_to() -> None:
    """A new field of the order belongs in the next test."""
    assert set(OTHER) == set(Order.__struct_fields__) - {"raw"}


@pytest.mark.parametrize("field", sorted(OTHER))
def test_a_change_is_a_new_revision(field: str) -> None:
    """In every field that a mapping may read: a change without a new revision would never be delivered."""
    assert getattr(ORDER, field) != OTHER[field]
    assert revision(msgspec.structs.replace(ORDER, **{field: OTHER[field]})) != revision(ORDER)


PLACES = {
    "Address": "delivery_address",
    "Line": "lines",
    "Parcel": "parcels",
    "Totals": "totals",
    "Customer": "customer",
    "Contact": "contact",
}


@pytest.mark.parametrize("part", [ADDRESS, *ORDER.lines, *ORDER.parcels, ORDER.totals, ORDER.customer, ORDER.contact])
def test_a_change_inside_a_part_is_a_new_revision(part: Any) -> None:
    """A house number, a quantity, a parcel's weight."""
    place = PLACES[type(part).__name__]
    for field in msgspec.structs.fields(type(part)):
        before = getattr(part, field.name)
        after: Any = {"x": "y"} if isinstance(before, dict) else Decimal(77) if field.type is not str else "other"
        changed = msgspec.structs.replace(part, **{field.name: after})
        value = (changed,) if place in ("lines", "parcels") else changed
        assert revision(msgspec.structs.replace(ORDER, **{place: value})) != revision(ORDER)


def test_the_vendors_bytes_are_no_revision() -> None:
    """A vendor may reorder its keys, or count views, without a new revision."""
    assert revision(msgspec.structs.replace(ORDER, raw=b"")) == revision(ORDER)


def test_the_order_of_keys_is_no_revision() -> None:
    """Metadata in another order is the same."""
    shuffled = dict(reversed(ORDER.metadata.items()))
    assert list(shuffled) != list(ORDER.metadata)
    assert revision(msgspec.structs.replace(ORDER, metadata=shuffled)) == revision(ORDER)


def test_a_revision_outlives_the_process() -> None:
    """It is stored in the journal: a release with another formula would turn every known order into a changed one."""
    assert revision(ORDER) == revision(msgspec.structs.replace(ORDER))
    assert revision(ORDER) == "a56229f8ce83e4f3987205dd211597eb"


def test_an_order_is_a_value() -> None:
    """It is immutable on its way from the bus to two receivers."""
    with pytest.raises(AttributeError):
        ORDER.notes = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("names", "person"),
    [
        ({"first_name": "Jan", "middle_name": "de", "last_name": "Vries"}, "Jan de Vries"),
        ({"first_name": "Jan", "last_name": "Vries"}, "Jan Vries"),
        ({"last_name": "Vries"}, "Vries"),
        ({}, ""),
    ],
)
def test_a_person_is_what_there_is_of_the_name(names: dict[str, str], person: str) -> None:
    """Missing parts leave no gaps."""
    assert Address(**names).person == person
