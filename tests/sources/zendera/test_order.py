"""Zendera's shipments and the canonical order (seed 003; vendors.md 3 and 6)."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from connector.errors import Unmappable
from connector.order import Address, Contact, Customer, Line, Order, Parcel
from connector.receivers.ewarehousing.mapping import create_order
from connector.sandbox.server import decode, encode
from connector.sandbox.zendera.shipments import seed_shipment, zendera_shipments
from connector.sources.zendera.order import to_order
from tests.sources.zendera.bench import group

OSLO = ZoneInfo("Europe/Oslo")


def mapped(*shipments: dict[str, Any], cash_stated: Any = None) -> Order:
    """Map one order."""
    return to_order("transport", group(*shipments), zone=OSLO, cash_stated=cash_stated)


def seed(**changes: Any) -> Order:
    """Map an order of one shipment."""
    return mapped(seed_shipment(**changes))


def delivery(**changes: Any) -> dict[str, Any]:
    """Return the delivery side with changes; those of the address may be given by their names."""
    side = seed_shipment()["delivery"]
    address = {**side["address"], **{key: changes.pop(key) for key in list(changes) if key in side["address"]}}
    return {**side, "address": address, **changes}


def refusal(*shipments: dict[str, Any], **given: Any) -> Unmappable:
    """Return why an order cannot be mapped."""
    with pytest.raises(Unmappable) as caught:
        mapped(*shipments, **given)
    return caught.value


def test_every_field_arrives_where_it_belongs() -> None:
    """The stops, the parcel and the goods in it, the money, and the metadata of the originating rows."""
    raw = group(seed_shipment())
    assert to_order("transport", raw, zone=OSLO) == Order(
        source="transport",
        order_id="12345",
        kind="shipment",
        reference="PO 4711",
        references=("K-88", "WEB-100234"),
        created_at=datetime(2026, 6, 10, 8, 12, tzinfo=UTC),
        currency="NOK",
        customer=Customer(id="123", name="Nordlys Møbler AS"),
        contact=Contact(name="John Smith", email="john@example.com", phone="+4722000000"),
        delivery_address=Address(
            company="Bråten Eiendom AS",
            first_name="John",
            last_name="Smith",
            street="Øvre Slottsgate 3",
            street2="2. etasje",
            postal_code="0155",
            city="Oslo",
            country="NO",
            email="john@example.com",
            phone="+4722000000",
        ),
        lines=(
            Line(
                line_id="900002",
                sku="7038010051370",
                name="Lenestol Fløy",
                quantity=Decimal(2),
                metadata={
                    "orderRow": "20",
                    "barcode_id": "7038010051370",
                    "external_id": "ROW-20",
                    "parent_external_id": "PALL-1",
                    "atom_type": "trade item",
                    "weight": "24.75",
                },
            ),
        ),
        notes="Ring på to ganger",
        requested_delivery_date=date(2026, 6, 11),
        parcels=(
            Parcel(
                parcel_id="900001",
                description="Pall",
                quantity=Decimal(1),
                weight=Decimal("73.40"),
                length=Decimal(120),
                width=Decimal(80),
                height=Decimal("150.5"),
                barcode="370380100000000017",
                metadata={
                    "orderRow": "10",
                    "contributor_1_orderRow": "20",
                    "contributor_2_orderRow": "30",
                    "atom_type": "colli",
                    "external_id": "PALL-1",
                },
            ),
        ),
        cash_on_delivery=Decimal("1499.00"),
        cash_on_delivery_currency="NOK",
        cash_on_delivery_reference="KID 2345678",
        sender=Address(
            company="Nordlys Møbler AS",
            first_name="Ingrid",
            last_name="Sæther",
            street="Lagerveien 12",
            postal_code="4033",
            city="Stavanger",
            country="NO",
            phone="+4751000000",
        ),
        metadata={
            "shipment_ids": "700001",
            "references": "PO 4711, K-88, WEB-100234",
            "sender_name": "Nordlys Møbler AS",
            "sender_contact": "Ingrid Sæther",
            "sender_street": "Lagerveien 12",
            "sender_postal_code": "4033",
            "sender_city": "Stavanger",
            "sender_country": "NO",
            "sender_phone": "+4751000000",
            "pickup_earliest": "2026-06-11T06:00:00+00:00",
            "pickup_latest": "2026-06-11T08:00:00+00:00",
            "delivery_earliest": "2026-06-11T12:00:00+00:00",
            "delivery_latest": "2026-06-11T16:00:00+00:00",
            "carrier_service_code": "INHOUSE",
            "carrier_service_name": "Innbæring med montering",
            "cash_on_delivery_reference": "KID 2345678",
            "reference_customer": "K-88",
        },
        raw=raw,
    )


def test_numbers_as_text_are_the_same_order() -> None:
    """Protobuf writes 64-bit numbers as text; the revision of an order does not depend on it."""
    text = seed_shipment(id="700001", orderId="12345", customer={"id": "123", "businessName": "Nordlys Møbler AS"})
    text["parcels"] = [
        {**parcel, "id": str(parcel["id"]), "weight": str(parcel["weight"])} for parcel in text["parcels"]
    ]
    text["createdAt"] = "1781079120000"
    one, other = mapped(seed_shipment()), mapped(text)
    assert one.raw != other.raw
    assert encode([one]).replace(encode(one.raw), b"") == encode([other]).replace(encode(other.raw), b"")


def test_what_is_absent_is_empty() -> None:
    """Protobuf leaves out empty values: an address and an id are enough."""
    order = mapped({"orderId": 12345, "delivery": {"address": {"address1": "Storgata 1", "city": "Oslo"}}})
    assert order == Order(
        source="transport",
        order_id="12345",
        kind="shipment",
        reference="12345",
        delivery_address=Address(street="Storgata 1", city="Oslo"),
        raw=order.raw,
    )


def test_generated_orders_fit_the_default_mapping() -> None:
    """Each becomes an order, and with its goods' barcodes a valid request for the default receiver."""
    shipments = zendera_shipments(200)
    orders: dict[int, list[dict[str, Any]]] = {}
    for shipment in shipments:
        orders.setdefault(shipment["orderId"], []).append(shipment)
    assert len(orders) == 200
    for order_id, own in orders.items():
        order = to_order("transport", group(*own, order_id=str(order_id)), zone=OSLO)
        assert len(order.parcels) == len(order.lines) == sum(len(shipment["parcels"]) for shipment in own)
        assert len(create_order(order).order_lines) == len(order.lines)


def test_shipments_of_one_order_are_put_together() -> None:
    """All parcels, the first contact, notes and references each once."""
    second = seed_shipment(
        id=700002,
        cashOnDelivery=None,
        reference="PO 4712",
        notes="Hund",
        delivery=delivery(contacts=[{"name": "Kari"}], city=" oslo "),
    )
    order = mapped(seed_shipment(), second)
    assert len(order.parcels) == 2
    assert order.contact.name == "John Smith"
    assert order.notes == "Hund\nRing på to ganger"
    assert order.metadata["shipment_ids"] == "700001, 700002"
    assert order.metadata["references"] == "PO 4711, PO 4712, K-88, WEB-100234"
    assert order.cash_on_delivery == Decimal("1499.00")


@pytest.mark.parametrize("change", [{"city": "Bergen"}, {"postalCode": "0156"}, {"name": "Kafé"}, {"country": "SE"}])
def test_shipments_to_different_places_are_no_one_order(change: dict[str, Any]) -> None:
    """A receiver takes one address for an order: the dispatcher has to split it."""
    found = refusal(seed_shipment(), seed_shipment(id=2, cashOnDelivery=None, delivery=delivery(**change)))
    assert (found.cause, found.ours) == ("shipments of one order go to different addresses", False)


@pytest.mark.parametrize(
    "side",
    [
        {},
        {"name": "Bråten"},
        {"address": {}},
        {"address": None},
        {"address": {"country": "Norway", "name": "Bråten"}},
        {"address": {"address1": " ", "city": ""}, "contacts": [{"firstName": "John"}]},
    ],
)
def test_an_empty_delivery_address_is_for_the_dispatcher(side: Any) -> None:
    """The order fails with that reason, also if only one of the shipments lacks it."""
    for shipments in ([seed_shipment(delivery=side)], [seed_shipment(), seed_shipment(id=2, delivery=side)]):
        found = refusal(*shipments)
        assert (found.cause, found.ours) == ("missing field: delivery_address", False)


def test_a_delivery_side_that_is_nowhere_is_not_blamed_on_the_dispatcher() -> None:
    """The schema is inferred: if the field had another name, every order would fail."""
    found = refusal({**seed_shipment(), "delivery": None})
    assert (found.cause, found.ours) == ("missing field: delivery_address", True)


def test_stops_may_be_written_out() -> None:
    """The seed's prose names sender and delivery addresses and contacts; they may be fields of the shipment."""
    side = delivery()
    flat = {
        "orderId": 12345,
        "deliveryAddress": {**side["address"], "name": side["name"]},
        "deliveryContact": side["contacts"][0],
        "senderAddress": {"street": "Lagerveien 12", "city": "Stavanger", "countryCode": "NO"},
        "senderContact": {"name": "Ingrid Sæther", "phone": "1", "email": "i@example.com"},
    }
    order = mapped(flat)
    assert order.delivery_address == seed().delivery_address
    assert order.contact == seed().contact
    assert order.metadata == {
        "sender_street": "Lagerveien 12",
        "sender_city": "Stavanger",
        "sender_country": "NO",
        "sender_contact": "Ingrid Sæther",
        "sender_phone": "1",
        "sender_email": "i@example.com",
    }


@pytest.mark.parametrize(
    ("country", "code"),
    [
        *(("Norway", "NO"), ("NORGE", "NO"), ("NO", "NO"), ("no", "NO"), ("Sverige", "SE"), ("Belgium", "BE")),
        *(("Estonia", "EE"), ("FRANCE", "FR"), ("UK", "GB"), ("Utopia", "Utopia"), ("", "")),
    ],
)
def test_a_country_by_its_name_is_its_code(country: str, code: str) -> None:
    """As in the import's own example; a name that is not known stays as it is."""
    address = seed(delivery=delivery(country=country)).delivery_address
    assert address is not None
    assert address.country == code


@pytest.mark.parametrize(
    ("window", "day"),
    [
        ({"earliest": "2026-06-11T22:30:00Z", "latest": "2026-06-12T10:00:00Z"}, date(2026, 6, 12)),
        ({"earliest": "2026-12-31T23:30:00Z"}, date(2027, 1, 1)),
        ({"latest": "2026-06-13T10:00:00+02:00"}, date(2026, 6, 13)),
        ({"earliest": "1781172000000"}, date(2026, 6, 11)),
        ({"earliest": 1781172000}, date(2026, 6, 11)),
        ({"earliest": "0001-01-01T00:00:00Z", "latest": "1970-01-01T00:00:00Z"}, date(2026, 7, 1)),
        ({}, date(2026, 7, 1)),
    ],
)
def test_the_delivery_date(window: dict[str, Any], day: date) -> None:
    """The first day of the window on Oslo's calendar, else the day of the transport; an unset time is none."""
    side = {key: value for key, value in delivery().items() if key not in ("earliest", "latest")}
    assert seed(delivery={**side, **window}, date="2026-07-01").requested_delivery_date == day


def test_the_earliest_of_several_windows_counts() -> None:
    """The first shipment's delivery is the order's day; a day without a time is that day."""
    later = seed_shipment(id=2, cashOnDelivery=None, delivery=delivery(earliest="2026-06-20T12:00:00Z"))
    assert mapped(later, seed_shipment(cashOnDelivery=None)).requested_delivery_date == date(2026, 6, 11)
    side = {key: value for key, value in delivery().items() if key not in ("earliest", "latest")}
    assert seed(delivery=side).requested_delivery_date is None
    assert seed(delivery=side, date="2026-06-12T23:00:00Z").requested_delivery_date == date(2026, 6, 13)
    sender = {**seed_shipment()["sender"], "earliest": "2026-06-09T08:00:00Z"}
    assert seed(delivery=side, sender=sender, createdAt=None).requested_delivery_date == date(2026, 6, 9)


@pytest.mark.fault(50)
@pytest.mark.parametrize("field", ["earliest", "latest"])
@pytest.mark.parametrize("value", ["tomorrow", "2026-13-01T00:00:00Z", "9" * 20, -(2**62), "0001-01-01T00:00:00+14:00"])
def test_an_odd_time_waits_for_a_person(field: str, value: Any) -> None:
    """It is not guessed at, and not blamed on the dispatcher."""
    found = refusal(seed_shipment(delivery=delivery(**{field: value})))
    assert (found.cause, found.ours) == ("unreadable order", True)


def test_rows_in_a_parcel_are_goods_and_the_others_are_both() -> None:
    """A parent is a parcel, its content a line; a row that names an unknown parent is both."""
    rows = [
        {"externalId": "P", "barcodeId": "1"},
        {"externalId": "A", "parentExternalId": "P", "barcodeId": "2"},
        {"externalId": "B", "parentExternalId": "lost", "barcodeId": "3"},
        {"externalId": "C", "parentExternalId": "C", "barcodeId": "4"},
        {"externalId": "D"},
    ]
    order = seed(parcels=rows)
    assert [parcel.barcode for parcel in order.parcels] == ["1", "3", "4", ""]
    assert [line.sku for line in order.lines] == ["2", "3", "4", "D"]


def test_no_row_of_goods_is_left_out() -> None:
    """One without an article code is a line without one, which a receiver refuses; without any code there is none."""
    assert [line.sku for line in seed(parcels=[{"barcodeId": 7}, {"name": "Sofa"}]).lines] == ["7", ""]
    order = seed(parcels=[{"name": "Sofa"}, {"name": "Bord"}])
    assert (order.lines, [parcel.description for parcel in order.parcels]) == ((), ["Sofa", "Bord"])


def test_metadata_comes_through_as_text() -> None:
    """Numbers keep their digits, lists are counted, deep values are JSON; a parcel's own come before contributors'."""
    metadata = {
        "ref": " A-1\n",
        "price": Decimal("1.10"),
        "yes": True,
        "none": None,
        "contributor": "own",
        "deep": {"a": {"b": {"c": [1, Decimal("2.50")]}}},
        "list": ["x", {"y": 2}],
    }
    (parcel,) = seed(parcels=[{"metadata": metadata, "contributorMetadata": "other"}]).parcels
    assert parcel.metadata == {
        "ref": " A-1\n",
        "price": "1.10",
        "yes": "true",
        "contributor": "own",
        "deep_a_b": '{"c":[1,2.50]}',
        "list_1": "x",
        "list_2_y": "2",
    }


def test_measures_are_exact_and_0_is_unknown() -> None:
    """Protobuf has no other word for it, and no parcel weighs nothing."""
    (parcel,) = seed(parcels=[{"weight": "0.10", "length": 0, "width": Decimal("0.0"), "height": 10**12}]).parcels
    assert (parcel.weight, parcel.length, parcel.width, parcel.height) == (Decimal("0.10"), None, None, Decimal(10**12))
    for text in ("NaN", "Infinity", "1_0", " 5", "+5", "\u0663"):
        found = refusal(seed_shipment(parcels=[{"weight": text}]))
        assert (found.cause, found.ours) == ("not a number: weight", True)
    for weight in ("1E+400000000", "1E-400000000", 10**13):
        found = refusal(seed_shipment(parcels=[{"weight": weight}]))
        assert (found.cause, found.ours) == ("number out of range: weight", True)


@pytest.mark.parametrize(
    ("cash", "amount", "currency"),
    [
        ({"amount": "10.50", "currency": "nok"}, Decimal("10.50"), "NOK"),
        (Decimal("10.50"), Decimal("10.50"), ""),
        ("10.50", Decimal("10.50"), ""),
        ({"amount": 0, "currency": "NOK"}, None, ""),
        ({}, None, ""),
        (None, None, ""),
        (0, None, ""),
    ],
)
def test_cash_on_delivery(cash: Any, amount: Decimal | None, currency: str) -> None:
    """An amount, with or without its currency; none at all is not 0."""
    order = seed(cashOnDelivery=cash)
    assert (order.cash_on_delivery, order.currency) == (amount, currency)


def test_cash_on_several_shipments_is_not_guessed_at() -> None:
    """A setting decides whether each states its own amount or the order's; unset, the order is held."""
    one, two = seed_shipment(), seed_shipment(id=2)
    found = refusal(one, two)
    assert (found.cause, found.ours) == ("several shipments of one order state cash on delivery", True)
    assert mapped(one, two, cash_stated="each").cash_on_delivery == Decimal("2998.00")
    assert mapped(one, two, cash_stated="once").cash_on_delivery == Decimal("1499.00")
    other = seed_shipment(id=2, cashOnDelivery={"amount": 5})
    assert mapped(one, other, cash_stated="each").cash_on_delivery == Decimal("1504.00")
    assert refusal(one, other, cash_stated="once").ours
    assert refusal(one, seed_shipment(id=2, currency="SEK"), cash_stated="each").cause == (
        "several currencies in one order"
    )


@pytest.mark.parametrize("status", ["CANCELLED", "canceled"])
def test_a_cancelled_order_is_not_fulfilled(status: str) -> None:
    """No document states that it leaves the feed; a partly cancelled order waits for an operator."""
    assert seed(status=status).cancelled
    assert not seed(status="DISPATCHED").cancelled
    found = refusal(seed_shipment(status=status), seed_shipment(id=2, cashOnDelivery=None))
    assert (found.cause, found.ours) == ("some shipments of the order are cancelled", True)


@pytest.mark.parametrize(
    ("changes", "reference"),
    [
        ({}, "PO 4711"),
        ({"reference": None}, "K-88"),
        ({"reference": " ", "references": ["R-1", 2]}, "R-1"),
        ({"reference": None, "references": {"po": "R-2"}}, "R-2"),
        ({"reference": None, "references": []}, "WEB-100234"),
        ({"reference": None, "references": None, "orderExternalId": None, "externalId": 77}, "77"),
        ({"reference": None, "references": None, "orderExternalId": None}, "12345"),
    ],
)
def test_the_reference(changes: dict[str, Any], reference: str) -> None:
    """The best known reference of the order."""
    assert seed(**changes).reference == reference


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"null",
        b'{"orderId":"1"}',
        b'{"orderId":"1","shipments":[]}',
        b'{"orderId":"1","shipments":[{}]}',
        b'{"orderId":"1","shipments":[{"orderId":2}]}',
        b'{"orderId":"","shipments":[{"orderId":""}]}',
        b'{"orderId":"1","shipments":[{"orderId":1,"notes":"\xff"}]}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_order(raw: bytes) -> None:
    """Under one cause, and never reported to the dispatcher."""
    with pytest.raises(Unmappable) as caught:
        to_order("transport", raw, zone=OSLO)
    assert (caught.value.cause, caught.value.ours) == ("unreadable order", True)


def test_the_seed_shipment_is_plain_json() -> None:
    """The tests map the bytes that a server would send."""
    assert decode(encode(seed_shipment())) == seed_shipment()
