"""The default mapping from the canonical order to eWarehousing's create request."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from connector.clients.ewarehousing.requests import encode
from connector.errors import Unmappable
from connector.order import Address, Contact, Customer, Line, Order, Totals
from connector.receivers.ewarehousing.mapping import create_order, delivery_date
from connector.receivers.ewarehousing.metadata import named
from connector.sources.propeller.order import to_order

ADDRESS = Address(
    company="Voorbeeld B.V.",
    first_name="Jan",
    last_name="de Vries",
    street="Keizersgracht",
    number="100",
    postal_code="1015AA",
    city="Amsterdam",
    country="NL",
)
LINE = Line(
    line_id="30539",
    sku="#117",
    name="voorbeeld artikel",
    quantity=Decimal(2),
    unit_price=Decimal("49.99"),
    tax_percentage=Decimal(21),
)
# Seed 000's example as its source reads it.
PROPELLER = Order(
    source="shop",
    order_id="20106",
    reference="20106",
    created_at=datetime(2026, 3, 24, 9, 26, 7, 333000, tzinfo=UTC),
    currency="EUR",
    language="NL",
    customer=Customer(id="174112", name="Voorbeeld B.V."),
    contact=Contact(name="Jan de Vries", email="customer@example.com"),
    delivery_address=ADDRESS,
    invoice_address=ADDRESS,
    lines=(LINE,),
    totals=Totals(excluding_tax=Decimal("105.98"), including_tax=Decimal("129.24"), tax=Decimal("23.26")),
    metadata={"payment_method": "rekening", "type": "dropshipment", "status": "NEW"},
)

SEED_000 = b"""
{"id": 20106, "uuid": "019d1f2a-6cbb-7590-9f18-bf40ce127ec4", "status": "NEW", "type": "dropshipment",
 "email": "customer@example.com", "currency": "EUR", "language": "NL", "date": "2026-03-24T09:26:07.333Z",
 "postageData": {"method": "DELIVERY", "taxPercentage": 21, "gross": 7.25, "net": 5.99, "tax": 1.26,
  "partialDeliveryAllowed": "N", "overruled": "N"},
 "paymentData": {"net": 99.99, "gross": 121.99, "tax": 22, "taxPercentage": 21, "method": "rekening",
  "status": "unknown", "overruled": "N"},
 "total": {"gross": 129.24, "net": 105.98, "tax": 23.26, "discountValue": 0, "discountType": "A"},
 "items": [{"productId": 408, "sku": "#117", "name": "voorbeeld artikel", "quantity": 2, "originalPrice": 49.99,
  "price": 49.99, "priceTotal": 99.98, "taxPercentage": 21, "taxCode": "H", "id": 30539, "orderId": 20106}],
 "addresses": [
  {"type": "invoice", "firstName": "Jan", "lastName": "de Vries", "company": "Voorbeeld B.V.",
   "street": "Keizersgracht", "number": "100", "postalCode": "1015AA", "city": "Amsterdam", "country": "NL"},
  {"type": "delivery", "firstName": "Jan", "lastName": "de Vries", "company": "Voorbeeld B.V.",
   "street": "Keizersgracht", "number": "100", "postalCode": "1015AA", "city": "Amsterdam", "country": "NL"}],
 "userId": 174112, "exportedAt": null, "exportStatus": "", "exportMessage": null}
"""


def order(**changes: Any) -> Order:
    """Return the example order with `changes`."""
    return msgspec.structs.replace(PROPELLER, **changes)


def to(**changes: Any) -> Order:
    """Return the example order with `changes` to its delivery address."""
    return order(delivery_address=msgspec.structs.replace(ADDRESS, **changes))


def with_line(**changes: Any) -> Order:
    """Return the example order with `changes` to its line."""
    return order(lines=(msgspec.structs.replace(LINE, **changes),))


def wire(what: Order, **options: Any) -> Any:
    """Return the request as the receiver decodes it; numbers with a fraction have all their digits."""
    return msgspec.json.Decoder(float_hook=Decimal).decode(encode(create_order(what, **options)))


def test_the_example_order_of_propeller_becomes_a_valid_request() -> None:
    """Seed 000's example becomes exactly this body: cents, a plain date, and only documented keys."""
    assert wire(PROPELLER) == {
        "external_reference": "shop-20106",
        "external_id": "shop-20106",
        "order_lines": [
            {
                "article_code": "#117",
                "quantity": 2,
                "description": "voorbeeld artikel",
                "price": 4999,
                "meta_data": {"line_id": "30539", "tax_percentage": "21"},
            },
        ],
        "shipping_address": {
            "addressed_to": "Voorbeeld B.V.",
            "street": "Keizersgracht",
            "street_number": "100",
            "zipcode": "1015AA",
            "city": "Amsterdam",
            "country": "NL",
        },
        "shipping_contactperson": "Jan de Vries",
        "shipping_email": "customer@example.com",
        "requested_delivery_date": "2026-03-25",
        "meta_data": {
            "payment_method": "rekening",
            "type": "dropshipment",
            "status": "NEW",
            "created_at": "2026-03-24T09:26:07.333000+00:00",
            "customer_id": "174112",
            "customer_name": "Voorbeeld B.V.",
            "total_excluding_tax": "105.98",
            "total_tax": "23.26",
            "source": "shop",
            "source_order_id": "20106",
        },
        "language": "nl",
        "order_amount": 12924,
        "currency": "EUR",
    }


def test_what_propellers_source_reads_is_a_valid_request() -> None:
    """Seed 000's example, from the wire of its source to the wire of this receiver."""
    sent = wire(to_order("shop", SEED_000))

    assert sent["shipping_address"] == wire(PROPELLER)["shipping_address"]
    assert sent["order_lines"][0] | {"meta_data": {}} == wire(PROPELLER)["order_lines"][0] | {"meta_data": {}}
    assert (sent["order_amount"], sent["requested_delivery_date"]) == (12924, "2026-03-25")
    assert sent["meta_data"]["payment_method"] == "rekening"


@pytest.mark.parametrize(
    ("bad", "cause"),
    [
        (order(lines=()), "missing field: order_lines"),
        (order(delivery_address=None), "missing field: shipping_address"),
        (order(created_at=None), "missing field: requested_delivery_date"),
        (with_line(sku=" "), "missing field: order_lines.article_code"),
        (with_line(quantity=Decimal("1.5")), "fractional quantity"),
        (with_line(quantity=Decimal("1E-400000000")), "fractional quantity"),
        (with_line(quantity=Decimal("1." + "0" * 40 + "1")), "fractional quantity"),
        (with_line(quantity=Decimal(0)), "quantity is not above zero"),
        (with_line(quantity=Decimal(-1)), "quantity is not above zero"),
        (with_line(quantity=Decimal("1E+400000000")), "quantity out of range"),
        (with_line(quantity=Decimal("NaN")), "quantity out of range"),
        (with_line(unit_price=Decimal("1E+400000000")), "amount out of range"),
        (to(street=""), "missing field: shipping_address.street"),
        (to(city="\t"), "missing field: shipping_address.city"),
        (to(country=""), "missing field: shipping_address.country"),
        (to(postal_code=""), "missing field: shipping_address.zipcode"),
        (to(company="", first_name="", last_name=""), "missing field: shipping_address.addressed_to"),
        (to(country="Nederland"), "not an ISO 3166 alpha-2 country code: NEDERLAND"),
        (order(currency="euro"), "not an ISO 4217 currency code: EURO"),
        (with_line(sku="\ud800"), "not a valid eWarehousing order"),
    ],
)
def test_what_is_missing_holds_the_order_under_its_name(bad: Order, cause: str) -> None:
    """A missing required field is never invented: the cause is the same for all orders that miss the same thing."""
    with pytest.raises(Unmappable) as caught:
        create_order(bad)

    assert caught.value.cause == cause


def test_a_fractional_quantity_names_the_article() -> None:
    """The operator reads which article cannot be sent; the quantity is not rounded (vendors.md 6/004 #17)."""
    with pytest.raises(Unmappable) as caught:
        create_order(with_line(quantity=Decimal("0.5")))

    assert caught.value.detail == "#117"


@pytest.mark.parametrize("quantity", ["2", "2.000", "2E0", "0.2E1"])
def test_a_whole_quantity_is_whole_however_it_is_written(quantity: str) -> None:
    """A quantity of 2.000 is 2."""
    assert wire(with_line(quantity=Decimal(quantity)))["order_lines"][0]["quantity"] == 2


@pytest.mark.parametrize(
    ("line_price", "expected"), [("cents", {"price": 4999}), ("units", {"price": Decimal("49.99")}), ("none", {})]
)
def test_the_unit_of_a_line_price_is_a_setting(line_price: str, expected: dict[str, Any]) -> None:
    """The seed does not say whether a line's price is in cents; the operator does (vendors.md 6/004 #2)."""
    line = wire(PROPELLER, line_price=line_price)["order_lines"][0]

    assert {key: value for key, value in line.items() if key == "price"} == expected


def test_amounts_follow_the_decimals_of_their_currency() -> None:
    """A yen has no cents: 1200 JPY goes out as 1200. Only sums are whole; a unit price keeps its fraction."""
    sent = wire(order(currency="jpy", totals=Totals(including_tax=Decimal("1200.4")), lines=(LINE,)))

    assert (sent["currency"], sent["order_amount"]) == ("JPY", 1200)
    assert sent["order_lines"][0]["price"] == Decimal("49.99")


@pytest.mark.fault(151)
@pytest.mark.parametrize(
    ("price", "currency", "cents", "units"),
    [
        ("0.0045", "EUR", b"0.45", b"0.0045"),
        ("0.45", "EUR", b"45", b"0.45"),
        ("49.990", "EUR", b"4999", b"49.99"),
        ("0.00000001", "EUR", b"0.000001", None),
        ("100", "EUR", b"10000", b"100"),
        ("1E+2", "EUR", b"10000", b"100"),
        ("0.1234567891234567", "EUR", b"12.34567891234567", b"0.1234567891234567"),
        ("-0.005", "EUR", b"-0.5", b"-0.005"),
        ("-0.00", "EUR", b"0", b"0"),
        ("0.0045", "BHD", b"4.5", b"0.0045"),
    ],
)
def test_a_unit_price_is_never_rounded(price: str, currency: str, cents: bytes, units: bytes | None) -> None:
    """10,000 screws of 0.0045 EUR are 45 EUR; the number on the wire has all digits, and no exponent."""
    what = msgspec.structs.replace(with_line(unit_price=Decimal(price)), currency=currency)
    assert b'"price":' + cents + b"," in encode(create_order(what))
    if units is not None:
        assert b'"price":' + units + b"," in encode(create_order(what, line_price="units"))
    else:
        with pytest.raises(Unmappable, match="amount out of range"):
            create_order(what, line_price="units")


def test_amounts_without_a_currency_are_left_out() -> None:
    """A number without a currency has no meaning in a field for money; it is meta data, as text."""
    sent = wire(order(currency=""))

    assert not {"currency", "order_amount"} & sent.keys()
    assert "price" not in sent["order_lines"][0]
    assert sent["meta_data"]["total_including_tax"] == "129.24"
    assert sent["order_lines"][0]["meta_data"]["unit_price"] == "49.99"


def test_a_line_without_a_name_is_described_by_its_article_code() -> None:
    """The receiver requires a description (vendors.md 6/004 #22)."""
    assert wire(with_line(name=""))["order_lines"][0]["description"] == "#117"


def test_an_article_code_is_sent_as_it_is() -> None:
    """An article code is opaque; only the blanks around it go."""
    assert wire(with_line(sku=" A  1/b "))["order_lines"][0]["article_code"] == "A  1/b"


@pytest.mark.parametrize("country", ["HK", "AE", "hk", "CW", "QA", "PA"])
def test_countries_without_postal_codes_need_none(country: str) -> None:
    """The seed makes the zipcode optional for countries such as HK and AE: all that have no postal codes (UPU)."""
    address = wire(to(country=country, postal_code=""))["shipping_address"]

    assert "zipcode" not in address
    assert address["country"] == country.upper()


def test_a_company_is_addressed_and_its_person_is_the_contact() -> None:
    """`addressed_to` is the company, else the person; `shipping_contactperson` the person, else the contact."""
    private = wire(msgspec.structs.replace(to(company=""), contact=Contact(name="The Buyer")))
    impersonal = wire(to(first_name="", last_name=""))
    nobody = wire(msgspec.structs.replace(to(first_name="", last_name=""), contact=Contact()))

    assert private["shipping_address"]["addressed_to"] == private["shipping_contactperson"] == "Jan de Vries"
    assert impersonal["shipping_address"]["addressed_to"] == "Voorbeeld B.V."
    assert impersonal["shipping_contactperson"] == "Jan de Vries"
    assert nobody["shipping_contactperson"] == "Voorbeeld B.V."


@pytest.mark.parametrize(
    ("made", "zone", "days", "expected"),
    [
        (datetime(2026, 3, 24, 22, 59, tzinfo=UTC), "Europe/Amsterdam", 0, date(2026, 3, 24)),
        (datetime(2026, 3, 24, 23, 0, tzinfo=UTC), "Europe/Amsterdam", 0, date(2026, 3, 25)),
        (datetime(2026, 3, 24, 23, 0, tzinfo=UTC), "America/New_York", 0, date(2026, 3, 24)),
        (datetime(2026, 3, 24, 23, 0), "Europe/Amsterdam", 30, date(2026, 4, 24)),  # noqa: DTZ001 - on purpose
    ],
)
def test_the_delivery_date_is_counted_on_the_warehouses_calendar(
    made: datetime, zone: str, days: int, expected: date
) -> None:
    """A day begins when it begins at the warehouse; a time without a zone is UTC (vendors.md 6/004 #4)."""
    assert delivery_date(order(created_at=made), days, zone) == expected


def test_the_orders_own_delivery_date_wins() -> None:
    """The customer's date is sent as it is, without days added."""
    assert delivery_date(order(requested_delivery_date=date(2026, 5, 1)), 7, "Europe/Amsterdam") == date(2026, 5, 1)


@pytest.mark.parametrize("made", [datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC)])
def test_a_date_beyond_the_calendar_holds_the_order(made: datetime) -> None:
    """The ends of time are no reason to crash."""
    zone = "Europe/Amsterdam" if made.year > 1 else "America/New_York"
    with pytest.raises(Unmappable, match="not a valid date"):
        delivery_date(order(created_at=made), 30, zone)


@pytest.mark.parametrize(
    ("language", "expected"), [("NL", "nl"), ("nl_BE", "nl"), ("en-GB", "en"), ("", None), ("dutch", None)]
)
def test_a_language_is_two_letters_or_left_out(language: str, expected: str | None) -> None:
    """A language is optional at the receiver: an invalid code does not hold an order."""
    assert create_order(order(language=language)).language == expected


def test_meta_data_keys_are_written_as_the_receiver_wants_them() -> None:
    """Keys are lower case with `_` or `-`, values are text, and empty ones are left out (vendors.md 6/004 #18)."""
    assert named({"Gift Wrap": "true", "paymentMethod": "card", "a-b": "1", "é": "x", "empty": ""}) == {
        "gift_wrap": "true",
        "payment_method": "card",
        "a-b": "1",
        "u00e9": "x",
    }


@pytest.mark.fault(147)
def test_keys_that_become_one_are_counted() -> None:
    """None of the texts is lost, and which of them is counted does not depend on the order of the keys."""
    pairs = {"gift wrap": "c", "Gift Wrap": "a", "giftWrap": "b", "备注": "d", "": "e"}
    expected = {"gift_wrap": "a", "gift_wrap_2": "c", "gift_wrap_3": "b", "u5907_u6ce8": "d", "unnamed": "e"}
    assert named(pairs) == named(dict(reversed(pairs.items()))) == expected


def test_the_origin_cannot_be_overwritten() -> None:
    """`source` and its order id come from us, whatever the source's own meta data is called."""
    sent = wire(order(reference="WEB-7", metadata={"source": "forged", "Source-Order-Id": "1", "reference": "x"}))

    assert sent["meta_data"]["source"] == "shop"
    assert sent["meta_data"]["source_order_id"] == "20106"
    assert sent["meta_data"]["reference"] == "WEB-7"


@pytest.mark.attack(16)
def test_notes_keep_their_lines_and_lose_their_control_characters() -> None:
    """A terminal escape in a remark reaches no label printer; a line break does."""
    assert wire(order(notes="ring twice\r\n\x1b[31mfloor 2\x00 "))["customer_note"] == "ring twice\n[31mfloor 2"


def test_the_same_order_gives_the_same_bytes() -> None:
    """The journal keeps the hash of the request; meta data in another order does not change it."""
    other = order(metadata=dict(reversed(PROPELLER.metadata.items())))

    assert msgspec.json.encode(create_order(other)) == msgspec.json.encode(create_order(PROPELLER))
