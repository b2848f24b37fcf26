"""Traede's orders as canonical orders (seed 001; vendors.md section 2, and section 6, seeds 001/002)."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from connector.errors import Unmappable
from connector.order import Address, Contact, Customer, Line, Order, revision
from connector.sandbox.server import encode
from connector.sandbox.traede.orders import traede_orders
from connector.sources.traede.order import to_order

SHOP = {"name": "Tøjhuset", "address": "Søndergade 41, st.", "zip": "8000", "city": "Aarhus C", "country": "DK"}
LINE = {"id": 1, "sku": "SA-1", "quantity": 8, "price": 459}
WIRE: dict[str, Any] = {"order_id": 48201, "order_number": "10201", "lines": [LINE]}


def mapped(**changes: Any) -> Order:
    """Map an order with these changes; ... takes a field away."""
    wire = {key: value for key, value in {**WIRE, **changes}.items() if value is not ...}
    return to_order("wholesale", encode(wire))


def line(**changes: Any) -> Line:
    """Map an order with one line with these changes; ... takes a field away."""
    wire = {key: value for key, value in {**LINE, **changes}.items() if value is not ...}
    (found,) = mapped(lines=[wire]).lines
    return found


def test_an_order_of_the_stand_in() -> None:
    """Each documented field is in its place; the customer's own reference is beside the order's number."""
    wire = {**traede_orders(1)[0], "lines": [LINE | {"product_name": "Samsø", "variant_name": "Rust", "variant_id": 7}]}
    wire |= {"invoice_address": SHOP, "delivery_address": {**SHOP, "email": "i@example.com", "phone": "+45 1"}}
    raw = encode(wire)
    shop = Address(company="Tøjhuset", street="Søndergade 41, st.", postal_code="8000", city="Aarhus C", country="DK")
    assert to_order("wholesale", raw) == Order(
        source="wholesale",
        order_id="48201",
        reference="10201",
        purchase_order="PO 9117",
        created_at=datetime(2026, 1, 5, 7, 35, 41, tzinfo=UTC),
        currency="DKK",
        customer=Customer(id="10201", name="Tøjhuset Søndergård"),
        contact=Contact(email="i@example.com", phone="+45 1"),
        delivery_address=Address(
            company="Tøjhuset",
            street="Søndergade 41, st.",
            postal_code="8000",
            city="Aarhus C",
            country="DK",
            email="i@example.com",
            phone="+45 1",
        ),
        invoice_address=shop,
        lines=(
            Line(
                line_id="1",
                sku="SA-1",
                name="Samsø, Rust",
                quantity=Decimal(8),
                unit_price=Decimal(459),
                metadata={"variant_id": "7"},
            ),
        ),
        metadata={
            "status": "approved",
            "order_type": "b2b",
            "customer_reference": "PO 9117",
            "order_meta_season": "AW26",
        },
        raw=raw,
    )


def test_generated_orders_are_mapped() -> None:
    """All of them, with every line."""
    for wire in traede_orders(100):
        order = to_order("wholesale", encode(wire))
        assert order.order_id == str(wire["order_id"])
        assert [each.sku for each in order.lines] == [each["sku"] for each in wire["lines"]]


@pytest.mark.parametrize("lines", [..., None])
def test_an_order_without_its_lines_is_not_empty(lines: Any) -> None:
    """A call that did not include them must not become an order for nothing (#11)."""
    with pytest.raises(Unmappable) as caught:
        mapped(lines=lines)
    assert caught.value.cause == "missing field: lines"


@pytest.mark.parametrize(
    ("lines", "cause"),
    [
        ([], "no lines"),
        ({}, "unreadable order"),
        ([5], "unreadable order"),
        ([{"sku": "A"}], "missing field: lines.quantity"),
        ([{"sku": "A", "quantity": "two"}], "not a number: lines.quantity"),
        ([{"sku": "A", "quantity": True}], "not a number: lines.quantity"),
        ([{"sku": "A", "quantity": 1, "price": [1]}], "not a number: lines.price"),
        ([{"sku": "A", "quantity": "1E+400000000"}], "number out of range: lines.quantity"),
        ([{"sku": "A", "quantity": 10**13}], "number out of range: lines.quantity"),
        ([{"sku": "A", "quantity": -(10**13)}], "number out of range: lines.quantity"),
        ([{"sku": "A", "quantity": 1, "price": "NaN"}], "not a number: lines.price"),
        ([{"sku": "A", "quantity": "1_0"}], "not a number: lines.quantity"),
        ([{"sku": "A", "quantity": " 5"}], "not a number: lines.quantity"),
        ([{"sku": "A", "quantity": "٣"}], "not a number: lines.quantity"),
        ([{"sku": "A", "quantity": "+5"}], "not a number: lines.quantity"),
    ],
)
def test_lines_that_are_none(lines: Any, cause: str) -> None:
    """Nothing is invented: the order waits under the cause of its defect."""
    with pytest.raises(Unmappable) as caught:
        mapped(lines=lines)
    assert caught.value.cause == cause


@pytest.mark.parametrize("price", [459, "459", "459.00", 459.0])
def test_money_is_taken_as_it_is_written(price: Any) -> None:
    """Amounts are never taken for cents (#15), and never become a float."""
    assert line(price=price).unit_price == Decimal(459)
    assert str(line(price="0.10").unit_price) == "0.10"


@pytest.mark.parametrize(
    ("changes", "sku"),
    [
        ({}, "SA-1"),
        ({"sku": 117}, "117"),
        ({"sku": "  ", "variant": {"sku": "V-1"}}, "V-1"),
        ({"sku": ..., "variant_sku": "V-2"}, "V-2"),
        ({"sku": ..., "ean": "5700000206017", "product": {"sku": "P"}}, "5700000206017"),
        ({"sku": None, "variant": {"ean": "57"}}, "57"),
        ({"sku": ..., "product": {"sku": "P"}}, "P"),
        ({"sku": ...}, ""),
    ],
)
def test_the_article_of_a_line(changes: dict[str, Any], sku: str) -> None:
    """The line's own sku, else its variant's, else its EAN, else its product's if it has no variant."""
    assert line(**changes).sku == sku


@pytest.mark.parametrize(
    ("changes", "person", "company"),
    [
        ({}, "", "Tøjhuset"),
        ({"order_type": "b2c"}, "Tøjhuset", ""),
        ({"order_type": "B2C", "delivery_address": {**SHOP, "company": "C"}}, "Tøjhuset", "C"),
        ({"delivery_address": {**SHOP, "attention": "Bo"}}, "Bo", "Tøjhuset"),
        ({"delivery_address": {**SHOP, "first_name": "Bo", "last_name": "Ek"}}, "Bo Ek", "Tøjhuset"),
    ],
)
def test_who_is_at_an_address(changes: dict[str, Any], person: str, company: str) -> None:
    """A name alone is a company's, unless the buyer is a consumer."""
    address = mapped(**{"delivery_address": SHOP, **changes}).delivery_address
    assert address is not None
    assert (address.person, address.company) == (person, company)


@pytest.mark.parametrize("address", [..., None, [], {}, "Søndergade 41"])
def test_a_missing_address_is_the_receivers_concern(address: Any) -> None:
    """The receiver decides whether an address is required."""
    order = mapped(delivery_address=address)
    assert (order.delivery_address, order.invoice_address) == (None, None)


@pytest.mark.parametrize(
    ("changes", "reference", "theirs"),
    [
        ({"reference": "PO 1"}, "10201", "PO 1"),
        ({"order_number": None, "reference": "PO 1"}, "PO 1", None),
        ({"order_number": "", "reference": " "}, "48201", None),
        ({"order_number": 77}, "77", None),
    ],
)
def test_the_reference(changes: dict[str, Any], reference: str, theirs: str | None) -> None:
    """The reference is the order's number; the customer's own number is the purchase order."""
    order = mapped(**changes)
    assert (order.reference, order.metadata.get("customer_reference")) == (reference, theirs)


@pytest.mark.parametrize(
    ("changes", "cancelled"),
    [
        ({}, False),
        ({"status": "cancelled"}, True),
        ({"status": "Canceled"}, True),
        ({"cancelled_at": "2026-01-05 07:44:41"}, True),
        ({"cancelled_at": None}, False),
        ({"cancelled_at": "0000-00-00 00:00:00"}, False),
        ({"cancelled": 1}, True),
        ({"is_cancelled": "0"}, False),
        ({"cancelled": False}, False),
    ],
)
def test_a_cancelled_order(changes: dict[str, Any], cancelled: bool) -> None:
    """By its status, its flag or its time: `include_cancelled: true` lists such orders, and none is delivered."""
    assert mapped(**changes).cancelled is cancelled


def test_a_status_is_no_content() -> None:
    """An order that moves on at Traede is the same revision; one that is cancelled, or has another line, is not."""
    first = revision(mapped(status="approved"))
    assert revision(mapped(status="invoiced", updated_at="2026-02-01 00:00:00")) == first
    assert revision(mapped(status="cancelled")) != first
    assert revision(mapped(lines=[{**LINE, "quantity": 9}])) != first


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2026-01-05 07:35:41", datetime(2026, 1, 5, 7, 35, 41, tzinfo=UTC)),
        ("2026-01-05T08:35:41+01:00", datetime(2026, 1, 5, 7, 35, 41, tzinfo=UTC)),
        ("0000-00-00 00:00:00", None),
        ("", None),
        (None, None),
    ],
)
def test_times_are_utc(at: Any, expected: datetime | None) -> None:
    """One without a zone is in UTC (#12)."""
    assert mapped(created_at=at).created_at == expected


@pytest.mark.parametrize("at", ["yesterday", 5, "2026-13-01 00:00:00", "0001-01-01T00:00:00+14:00"])
def test_an_odd_time_waits_for_a_person(at: Any) -> None:
    """It is not guessed at."""
    with pytest.raises(Unmappable, match="unreadable order"):
        mapped(created_at=at)


@pytest.mark.parametrize("name", ["created_at", "delivery_date", "cancelled_at"])
def test_a_number_is_no_time(name: str) -> None:
    """Nor is anything else that is no text."""
    with pytest.raises(Unmappable) as caught:
        mapped(**{name: 5})
    assert caught.value.detail.endswith(": not a text")


@pytest.mark.fault(152)
@pytest.mark.parametrize(
    ("at", "copenhagen", "new_york"),
    [
        ("2026-06-30T22:00:00.000000Z", date(2026, 7, 1), date(2026, 6, 30)),
        ("2026-06-30 22:00:00", date(2026, 7, 1), date(2026, 6, 30)),
        ("2026-03-21 23:30:00", date(2026, 3, 22), date(2026, 3, 21)),
        ("2026-07-01T00:00:00+02:00", date(2026, 7, 1), date(2026, 6, 30)),
        ("2026-07-01 00:00:00", date(2026, 7, 1), date(2026, 7, 1)),
        ("2026-07-01", date(2026, 7, 1), date(2026, 7, 1)),
    ],
)
def test_a_delivery_date_is_a_day_on_a_calendar(at: str, copenhagen: date, new_york: date) -> None:
    """A time is read in the zone that the settings name; midnight without a zone is a day already."""
    assert mapped(requested_delivery_date=at).requested_delivery_date == copenhagen
    raw = encode({**WIRE, "delivery_date": at})
    assert to_order("wholesale", raw, ZoneInfo("America/New_York")).requested_delivery_date == new_york


def test_a_delivery_date_that_is_none_waits_for_a_person() -> None:
    """It is not guessed at."""
    for at in ("soon", "0001-01-01T00:00:00+14:00"):
        with pytest.raises(Unmappable, match="unreadable order"):
            mapped(delivery_date=at)


@pytest.mark.fault(149)
@pytest.mark.parametrize(
    ("parts", "person", "attention"),
    [
        ({"first_name": "Bo", "last_name": "Ek", "attention": "c/o Hansen"}, "Bo Ek", "c/o Hansen"),
        ({"first_name": "Bo", "attention": "c/o Hansen"}, "Bo", "c/o Hansen"),
        ({"attention": "Bo Ek", "contact_person": "Kim"}, "Bo Ek", "Kim"),
        ({"first_name": "Bo", "last_name": "Ek", "contact": "Bo Ek"}, "Bo Ek", ""),
        ({"company": "Nord ApS", "name": "Kim", "attention": "Bo"}, "Bo", "Kim"),
    ],
)
def test_a_person_is_not_put_together_from_two(parts: dict[str, str], person: str, attention: str) -> None:
    """Whoever else is named stands beside the person."""
    address = mapped(delivery_address={"city": "Aarhus", **parts}).delivery_address
    assert address is not None
    assert (address.person, address.attention) == (person, attention)


@pytest.mark.fault(149)
def test_a_style_is_no_article_of_a_line_with_a_variant() -> None:
    """Any size of it might be sent; such a line has no code, and is held where one is needed."""
    for variant in ({"variant": {"id": 7}}, {"variant_id": 7}, {"variant_name": "L"}):
        found = line(sku=..., product={"sku": "STYLE"}, **variant)
        assert (found.sku, found.metadata["product_sku"]) == ("", "STYLE")


@pytest.mark.fault(149)
def test_a_contact_is_one_person() -> None:
    """The customer's phone is not the phone of somebody else at the delivery address."""
    customer = {"contact_person": "Kim", "email": "kim@x.dk", "phone": "1"}
    delivery = {**SHOP, "attention": "Bo", "email": "bo@x.dk", "phone": "2"}
    assert mapped(customer=customer, delivery_address=delivery).contact == Contact(
        name="Kim", email="kim@x.dk", phone="1"
    )
    assert mapped(customer={"phone": "1"}, delivery_address={**delivery, "phone": None}).contact == Contact(
        name="Bo", email="bo@x.dk"
    )
    order = mapped(contact_person="Eva", customer=customer, delivery_address=delivery)
    assert order.contact == Contact(name="Eva")
    assert order.contacts == (Contact(name="Kim", email="kim@x.dk", phone="1"),)
    assert (order.customer.email, order.customer.phone) == ("kim@x.dk", "1")


def test_the_lines_of_an_address() -> None:
    """Each once, the street first; none is left out."""
    parts = {"address": "Søndergade 4", "address1": "Søndergade 4", "address2": "Baghuset", "street2": "2. sal th"}
    address = mapped(delivery_address=parts | {"address3": "Port B", "notes": "Ring"}).delivery_address
    assert address == Address(street="Søndergade 4", street2="Baghuset", extra="2. sal th, Port B", notes="Ring")
    only_second = mapped(delivery_address={"street2": "2. sal", "city": "x"}).delivery_address
    assert only_second == Address(street2="2. sal", city="x")


@pytest.mark.fault(151)
@pytest.mark.parametrize(
    ("zipcode", "country", "code"), [(155, "NO", "0155"), (8000, "DK", "8000"), ("155", "NO", "155"), (0, "DK", "")]
)
def test_a_postal_code_that_is_a_number(zipcode: Any, country: str, code: str) -> None:
    """Its zeros in front are put back where the country's codes have a fixed length."""
    address = mapped(delivery_address={**SHOP, "zip": zipcode, "country": country}).delivery_address
    assert address is not None
    assert address.postal_code == code


def test_a_postal_code_that_is_a_number_where_none_has_a_fixed_length() -> None:
    """The number of missing zeros is unknown."""
    with pytest.raises(Unmappable) as caught:
        mapped(delivery_address={**SHOP, "zip": 1012, "country": "NL"})
    assert caught.value.cause == "postal code is a number"
    assert mapped(invoice_address={**SHOP, "zip": 1012, "country": "NL"}).invoice_address is not None


def test_comments_are_in_the_order_of_the_document() -> None:
    """All that are not internal, each once."""
    told = {"customer_comment": "Gavepapir", "comments": "Bagindgang", "external_comments": "Ring", "note": "Ring"}
    assert mapped(**told, internal_comments="Rabat").notes == "Gavepapir\nBagindgang\nRing"


def test_order_meta_of_any_type() -> None:
    """Flattened, as Zendera's metadata is."""
    meta = {"rush": True, "tags": ["fragile"], "delivery": {"method": "pickup"}, "gift": "yes", "empty": None}
    found = mapped(order_meta=meta).metadata
    assert {key: text for key, text in found.items() if key.startswith("order_meta")} == {
        "order_meta_rush": "true",
        "order_meta_tags_1": "fragile",
        "order_meta_delivery_method": "pickup",
        "order_meta_gift": "yes",
    }


@pytest.mark.parametrize(
    ("changes", "currency", "country"),
    [
        ({"currency": "DKK"}, "DKK", "DK"),
        ({"currency": {"code": "SEK"}, "delivery_address": {"country": {"iso": "SE"}, "city": "x"}}, "SEK", "SE"),
        ({"currency": {}, "delivery_address": {"country_code": "NO", "country": "Norge"}}, "", "NO"),
    ],
)
def test_a_code_may_come_as_an_object(changes: dict[str, Any], currency: str, country: str) -> None:
    """With its code inside."""
    order = mapped(**{"delivery_address": SHOP, **changes})
    assert order.delivery_address is not None
    assert (order.currency, order.delivery_address.country) == (currency, country)


@pytest.mark.parametrize("order_id", [0, -1, 2**63, 2**80, 1.5, True, None, "x", "", "1" * 30, "٣", [1]])
def test_an_order_without_a_usable_id(order_id: Any) -> None:
    """It cannot be mapped (faults.md #44)."""
    with pytest.raises(Unmappable, match="unreadable order"):
        mapped(order_id=order_id)


@pytest.mark.parametrize("raw", [b"", b"\xff", b"[]", b"null", b'{"order_id": 1', b"[" * 100_000, b'{"a":"\xff"}'])
def test_what_is_no_order(raw: bytes) -> None:
    """Bytes that cannot be read are unmappable, all under one cause."""
    with pytest.raises(Unmappable) as caught:
        to_order("wholesale", raw)
    assert caught.value.cause == "unreadable order"
