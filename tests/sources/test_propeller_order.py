"""Propeller's order and the canonical order (seed 000; vendors.md sections 1 and 6)."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.errors import Unmappable
from connector.order import Address, Contact, Customer, Line, Order, Totals
from connector.sandbox.orders import propeller_orders, seed_order
from connector.sandbox.standin import encode
from connector.sources.propeller_order import to_order
from tests.sources.propeller_bench import listed

HOME = Address(
    company="Voorbeeld B.V.",
    first_name="Jan",
    last_name="de Vries",
    street="Keizersgracht",
    number="100",
    postal_code="1015AA",
    city="Amsterdam",
    country="NL",
)


def mapped(**changes: Any) -> Order:
    """Map the seed's order with `changes`."""
    return to_order("shop", listed(changes))


def total(gross: Any, net: Any, tax: Any) -> Totals:
    """Map an order with this total."""
    return mapped(total={"gross": gross, "net": net, "tax": tax}).totals


def address(kind: str, **parts: Any) -> dict[str, Any]:
    """Return an address of that kind."""
    return {"type": kind, "street": "Dam", **parts}


def test_the_seeds_example() -> None:
    """Every field of the seed's own order arrives where it belongs."""
    raw = encode(seed_order())
    assert to_order("shop", raw) == Order(
        source="shop",
        order_id="20106",
        kind="sales",
        reference="20106",
        created_at=datetime(2026, 3, 24, 9, 26, 7, 333_000, tzinfo=UTC),
        currency="EUR",
        language="NL",
        customer=Customer(id="174112", name="Voorbeeld B.V."),
        contact=Contact(name="Jan de Vries", email="customer@example.com"),
        delivery_address=HOME,
        invoice_address=HOME,
        lines=(
            Line(
                line_id="30539",
                sku="#117",
                name="voorbeeld artikel",
                quantity=Decimal(2),
                unit_price=Decimal("49.99"),
                tax_percentage=Decimal(21),
                metadata={"product_id": "408"},
            ),
        ),
        totals=Totals(
            excluding_tax=Decimal("105.98"),
            including_tax=Decimal("129.24"),
            tax=Decimal("23.26"),
            shipping_excluding_tax=Decimal("5.99"),
            discount=Decimal(0),
        ),
        metadata={
            "status": "NEW",
            "type": "dropshipment",
            "payment_method": "rekening",
            "uuid": "019d1f2a-6cbb-7590-9f18-bf40ce127ec4",
        },
        raw=raw,
    )


def test_generated_orders_are_mapped() -> None:
    """Orders with and without addresses become orders; their lines and sums are kept."""
    for wire in propeller_orders(200, without_address=20):
        order = to_order("shop", encode(wire))
        assert order.order_id == str(wire["id"])
        assert len(order.lines) == len(wire["items"])
        assert order.totals.tax == Decimal(str(wire["total"]["tax"]))


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
    """If the difference is not the tax, nobody knows what the numbers mean: the order waits for a person."""
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
    """What the vendor does not say is not known; of one sum alone nobody can tell whether tax is in it."""
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


def test_only_products_become_lines() -> None:
    """Surcharges, postage and payment rows are no goods (vendors.md 6, seed 000, #12); they are counted."""
    item = seed_order()["items"][0]
    classes = ["product", "PRODUCT", None, "", "surcharge", "postage", "payment", "incentive"]
    order = mapped(items=[{**item, "id": number, "class": name} for number, name in enumerate(classes)])
    assert [line.line_id for line in order.lines] == ["0", "1", "2", "3"]
    assert order.metadata["other_rows"] == "4"


@pytest.mark.parametrize("sku", ["#117", " 117", "0117", "a/b?c=d", "ø", ""])
def test_an_sku_is_kept_as_it_is(sku: str) -> None:
    """It is opaque (vendors.md 6, seed 000, #7)."""
    (line,) = mapped(items=[{**seed_order()["items"][0], "sku": sku}]).lines
    assert line.sku == sku


def test_a_number_where_text_is_documented_is_text() -> None:
    """An sku or a house number of digits may come as a number."""
    order = mapped(
        items=[{"quantity": "2.50", "sku": 117, "price": "5.10"}], addresses=[address("delivery", number=100)]
    )
    assert order.lines == (Line(sku="117", quantity=Decimal("2.50"), unit_price=Decimal("5.10")),)
    assert order.delivery_address == Address(street="Dam", number="100")


@pytest.mark.parametrize("items", [None, ...])
def test_an_order_without_its_lines_is_not_empty(items: Any) -> None:
    """A search that did not expand the lines must not become an order for nothing."""
    wire = {key: value for key, value in {**seed_order(), "items": items}.items() if value is not ...}
    with pytest.raises(Unmappable, match="without its lines"):
        to_order("shop", encode(wire))


def test_a_line_without_a_quantity_is_unreadable() -> None:
    """Quantities are never invented."""
    with pytest.raises(Unmappable, match="quantity"):
        mapped(items=[{"sku": "1"}])


def test_the_first_address_of_each_kind() -> None:
    """Delivery and invoice, in either case; further ones and other kinds are left."""
    order = mapped(
        addresses=[
            address("home", city="A"),
            address("Delivery", city="B", numberExtension="bis", extra="2nd floor", region="NH", mobile="06"),
            address("INVOICE", city="C", company="C B.V."),
            address("delivery", city="D"),
        ]
    )
    assert order.delivery_address == Address(
        street="Dam", city="B", number_addition="bis", street2="2nd floor", region="NH", mobile="06"
    )
    assert order.invoice_address == Address(street="Dam", city="C", company="C B.V.")
    assert order.customer.name == "C B.V."


@pytest.mark.parametrize("addresses", [None, []])
def test_a_missing_address_is_no_fault_of_the_source(addresses: Any) -> None:
    """Whether an address is needed is for the receiver to say."""
    order = mapped(addresses=addresses)
    assert (order.delivery_address, order.invoice_address) == (None, None)
    assert order.contact == Contact(email="customer@example.com")


def test_the_contact_is_at_the_delivery_address() -> None:
    """A person before a company, the delivery before the invoice, the order's e-mail before an address's."""
    both = [address("delivery", company="D B.V.", phone="020"), address("invoice", firstName="I", email="i@x.nl")]
    assert mapped(addresses=both).contact == Contact(name="D B.V.", email="customer@example.com", phone="020")
    assert mapped(addresses=both, email=None).contact.email == "i@x.nl"
    assert mapped(addresses=both[1:]).contact.name == "I"


@pytest.mark.parametrize(
    ("reference", "expected"), [("WEB-1", "WEB-1"), ("", "20106"), ("  ", "20106"), (None, "20106"), (77, "77")]
)
def test_the_reference(reference: Any, expected: str) -> None:
    """What people call the order, else its id."""
    assert mapped(reference=reference).reference == expected


@pytest.mark.parametrize(
    ("date", "at"),
    [
        ("2026-03-24T10:26:07+01:00", datetime(2026, 3, 24, 9, 26, 7, tzinfo=UTC)),
        ("2026-03-24T09:26:07", datetime(2026, 3, 24, 9, 26, 7, tzinfo=UTC)),
        ("2026-03-24 09:26:07", datetime(2026, 3, 24, 9, 26, 7, tzinfo=UTC)),
        ("", None),
        (None, None),
    ],
)
def test_times_are_utc(date: Any, at: datetime | None) -> None:
    """A time without a zone is taken for UTC."""
    assert mapped(date=date).created_at == at


@pytest.mark.parametrize("date", ["yesterday", "0001-01-01T00:00:00+14:00", "2026-13-01T00:00:00Z", 5])
def test_an_odd_time_waits_for_a_person(date: Any) -> None:
    """It is not guessed at."""
    with pytest.raises(Unmappable, match="unreadable order"):
        mapped(date=date)


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
    assert caught.value.cause in (f"number out of range: {place}", "unreadable order")


@given(st.decimals(min_value="0.01", max_value="99999999", places=2), st.integers(0, 100))
def test_money_stays_exact(net: Decimal, percentage: int) -> None:
    """What the vendor wrote is what arrives, to the last digit."""
    tax = (net * percentage / 100).quantize(Decimal("0.01"))
    totals = total(net + tax, net, tax)
    assert (str(totals.excluding_tax), str(totals.including_tax)) == (str(net), str(net + tax))


@pytest.mark.parametrize("raw", [b"", b"\xff", b"[]", b"null", b'{"id": 1', b'"\xff"', b"[" * 100_000, b'{"id": true}'])
def test_what_is_no_order(raw: bytes) -> None:
    """Bytes that cannot be read are unmappable, all under one cause."""
    with pytest.raises(Unmappable) as caught:
        to_order("shop", raw)
    assert caught.value.cause == "unreadable order"


def test_invalid_utf8_in_a_name() -> None:
    """A search lists such an order as it is; reading it fails without harm."""
    with pytest.raises(Unmappable, match="unreadable order"):
        to_order("shop", encode(seed_order()).replace(b"voorbeeld", b"voor\xffeeld"))
