"""Propeller's order and the canonical order (seed 000; vendors.md sections 1 and 6)."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from connector.errors import Unmappable
from connector.order import Address, Contact, Customer, Line, Order, Totals, revision
from connector.sandbox.propeller.orders import propeller_orders, seed_order
from connector.sandbox.server import encode
from connector.sources.propeller.order import to_order
from tests.sources.propeller.bench import listed

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
                metadata={"product_id": "408", "original_price": "49.99", "price_total": "99.98", "tax_code": "H"},
            ),
        ),
        totals=Totals(
            excluding_tax=Decimal("105.98"),
            including_tax=Decimal("129.24"),
            tax=Decimal("23.26"),
            shipping_excluding_tax=Decimal("5.99"),
            shipping_including_tax=Decimal("7.25"),
            discount=Decimal(0),
        ),
        metadata={
            "status": "NEW",
            "type": "dropshipment",
            "uuid": "019d1f2a-6cbb-7590-9f18-bf40ce127ec4",
            "delivery_method": "DELIVERY",
            "postage_tax": "1.26",
            "postage_tax_percentage": "21",
            "postage_overruled": "N",
            "payment_method": "rekening",
            "payment_status": "unknown",
            "payment_gross": "121.99",
            "payment_net": "99.99",
            "payment_tax": "22",
            "payment_tax_percentage": "21",
            "payment_overruled": "N",
        },
        delivery_method="DELIVERY",
        partial_delivery=False,
        raw=raw,
    )


def test_generated_orders_are_mapped() -> None:
    """Orders with and without addresses become orders; their lines and sums are kept."""
    for wire in propeller_orders(200, without_address=20):
        order = to_order("shop", encode(wire))
        assert order.order_id == str(wire["id"])
        assert len(order.lines) == len(wire["items"])
        assert order.totals.tax == Decimal(str(wire["total"]["tax"]))


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


@pytest.mark.parametrize(
    ("status", "cancelled"), [("VOID", True), ("Void", True), ("NEW", False), ("", False), (None, False)]
)
def test_a_cancelled_order(status: str | None, cancelled: bool) -> None:
    """The tenant names the statuses that mean cancelled; by default none does."""
    raw = encode({**seed_order(), "status": status})
    assert to_order("shop", raw, frozenset({"void"})).cancelled is cancelled
    assert to_order("shop", raw).cancelled is False


def test_a_status_is_no_content() -> None:
    """An order whose status moves on is the same revision; one that is cancelled is another."""
    cancelled = frozenset({"void"})
    new, confirmed, void = (
        revision(to_order("shop", encode({**seed_order(), "status": status}), cancelled))
        for status in ("NEW", "CONFIRMED", "VOID")
    )
    assert new == confirmed != void


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


def test_the_addresses_of_each_kind() -> None:
    """Delivery and invoice, in either case; further ones and other kinds are metadata."""
    order = mapped(
        addresses=[
            address("home", city="A"),
            address("Delivery", city="B", numberExtension="bis", extra="2nd floor", region="NH", mobile="06"),
            address("INVOICE", city="C", company="C B.V."),
            address("invoice", city="D"),
            address("invoice", city="C", company="C B.V."),
            {"city": "E", "postalCode": 1012},
        ]
    )
    assert order.delivery_address == Address(
        street="Dam", city="B", number_addition="bis", street2="2nd floor", region="NH", mobile="06"
    )
    assert order.invoice_address == Address(street="Dam", city="C", company="C B.V.")
    assert order.customer.name == "C B.V."
    told = {name: text for name, text in order.metadata.items() if "_address" in name}
    assert told == {
        "home_address_street": "Dam",
        "home_address_city": "A",
        "invoice_address_street": "Dam",
        "invoice_address_city": "D",
        "other_address_city": "E",
        "other_address_postal_code": "1012",
    }


def test_two_delivery_addresses_wait_for_a_person() -> None:
    """It is uncertain which of them is meant; the same address twice counts as one."""
    same = mapped(addresses=[address("delivery", city="B"), address("delivery", city="B")])
    assert same.delivery_address == Address(street="Dam", city="B")
    with pytest.raises(Unmappable, match="several delivery addresses"):
        mapped(addresses=[address("delivery", city="B"), address("delivery", city="D")])


@pytest.mark.parametrize("addresses", [None, []])
def test_a_missing_address_is_no_fault_of_the_source(addresses: Any) -> None:
    """The receiver decides whether an address is required."""
    order = mapped(addresses=addresses)
    assert (order.delivery_address, order.invoice_address) == (None, None)
    assert order.contact == Contact(email="customer@example.com")


def test_the_contact_is_at_the_delivery_address() -> None:
    """A person before a company, the delivery before the invoice, the order's e-mail before an address's."""
    same = [address("delivery", company="D B.V."), address("invoice", company="D B.V.", email="i@x.nl", phone="021")]
    assert mapped(addresses=same, email=None).contact == Contact(name="D B.V.", email="i@x.nl", phone="021")
    both = [address("delivery", company="D B.V.", phone="020"), address("invoice", firstName="I", email="i@x.nl")]
    assert mapped(addresses=both).contact == Contact(name="D B.V.", email="customer@example.com", phone="020")
    assert mapped(addresses=both, email=None).contact.email == "", "another party's"
    assert mapped(addresses=both[1:]).contact.name == "I"


@pytest.mark.parametrize(
    ("reference", "expected"), [("WEB-1", "WEB-1"), ("", "20106"), ("  ", "20106"), (None, "20106"), (77, "77")]
)
def test_the_reference(reference: Any, expected: str) -> None:
    """The reference is the order's own, else its id."""
    assert mapped(reference=reference).reference == expected


@pytest.mark.fault(50)
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
    """A time without a zone is in UTC."""
    assert mapped(date=date).created_at == at


@pytest.mark.fault(50)
@pytest.mark.parametrize("date", ["yesterday", "0001-01-01T00:00:00+14:00", "2026-13-01T00:00:00Z", 5])
def test_an_odd_time_waits_for_a_person(date: Any) -> None:
    """It is not guessed at."""
    with pytest.raises(Unmappable, match="unreadable order"):
        mapped(date=date)


@pytest.mark.parametrize("raw", [b"", b"\xff", b"[]", b"null", b'{"id": 1', b'"\xff"', b"[" * 100_000, b'{"id": true}'])
def test_what_is_no_order(raw: bytes) -> None:
    """Bytes that cannot be read are unmappable, all under one cause."""
    with pytest.raises(Unmappable) as caught:
        to_order("shop", raw)
    assert caught.value.cause == "unreadable order"


@pytest.mark.attack(15)
def test_invalid_utf8_in_a_name() -> None:
    """A search lists such an order as it is; reading it fails without harm."""
    with pytest.raises(Unmappable, match="unreadable order"):
        to_order("shop", encode(seed_order()).replace(b"voorbeeld", b"voor\xffeeld"))
