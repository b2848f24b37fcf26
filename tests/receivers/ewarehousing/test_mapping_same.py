"""
The default mapping to eWarehousing has short cuts; its requests are those of the mapping without them, byte for byte.

`mapping_by_hand` is the mapping without any. A text, a number or a code that is odd may be at any place.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from connector.clients.ewarehousing.requests import encode
from connector.errors import Unmappable
from connector.mapping.partial import MissingPart
from connector.order import Address, Contact, Line, Order, Parcel, Totals
from connector.receivers.ewarehousing import mapping as ewarehousing
from tests.mapping.leaves import filled
from tests.receivers.ewarehousing import mapping_by_hand as by_hand

pytestmark = pytest.mark.slow

FULL = replace(
    filled(),
    created_at=datetime(2026, 3, 24, 23, 26, 7, tzinfo=UTC),
    requested_delivery_date=None,
    currency="EUR",
    language="nl_BE",
    delivery_method="EXPRESS",
    pickup_location="",
    notes="Ring twice.\nThen wait.",
    totals=Totals(including_tax=Decimal("129.24"), tax=Decimal("23.26"), discount_percentage=Decimal("2.50")),
    lines=(
        Line(line_id="1", sku="#1", name="one", quantity=Decimal(2), unit_price=Decimal("49.99"), metadata={"a": "b"}),
        Line(line_id="2", sku="A  1", name="two", quantity=Decimal(1000), metadata={"z": "1", "rowNo": "2"}, notes="x"),
    ),
    parcels=(
        Parcel(parcel_id="1", weight=Decimal("24.75"), barcode="B 1", metadata={"a": "b"}),
        Parcel(parcel_id="2", quantity=Decimal(4), notes="heavy", metadata={"a": "b", "rowNo": "2", "ROW no": "3"}),
    ),
    metadata={"payment_method": "card", "type": "b2b", "Gift Wrap": "no", "carrier": "other", "kind": "shipment"},
)
ODD_TEXTS = (
    *("", " ", "a  b", " a", "a ", "\x00", "a\tb", "a\r\nb", "\xa0", "a\u200bb", "\u2028", "\x7f", "\ud800"),
    *("😀", '"\\', "ø é", "\x1b[31mred", "x" * 300, "HK", "NL", "nl", "N1", "ß", "ﬁ", "\uff2e\uff2c", "nl-BE", "nlx"),
    *("nl\n-BE", "EUR", "eur", "EU1", "JPY", "bhd"),
)
ODD_NUMBERS = (
    *("0", "1", "2", "999", "1000", "999999999", "1000000000", "10000000000", "-1", "2.0", "2.000", "2E0", "0.2E1"),
    *("1.5", "0.5", "-0.004", "-0.5", "0.005", "0.004", "49.9", "49.995", "12.345", "1E+2", "1E-7", "007.50"),
    *("9999999999.99", "99999999999", "1E+400000000", "1E-400000000", "NaN", "sNaN", "Infinity", "1." + "0" * 40 + "1"),
)


def with_text(order: Order, place: tuple[str, ...], text: str) -> Order:
    """Return `order` with `text` at a place: a field, a part's field, a key of metadata, the metadata's key itself."""
    name, *inner = place
    if not inner:
        return replace(order, **{name: text})
    if name == "metadata":
        return replace(order, metadata=_with_pair(order.metadata, inner[0], text))
    if name in ("lines", "parcels"):
        line, *others = getattr(order, name) or getattr(FULL, name)
        changed = (
            replace(line, metadata=_with_pair(line.metadata, inner[1], text))
            if inner[0] == "metadata"
            else replace(line, **{inner[0]: text})
        )
        return replace(order, **{name: (changed, *others)})
    part = getattr(order, name) or Address()
    return replace(order, **{name: replace(part, **{inner[0]: text})})


def _with_pair(pairs: dict[str, str], key: str, text: str) -> dict[str, str]:
    return {text: "odd key", **pairs} if key == "(key)" else pairs | {key: text}


PLACES: tuple[tuple[str, ...], ...] = (
    *((name,) for name in ("source", "order_id", "reference", "currency", "language", "notes", "purchase_order")),
    *((name,) for name in ("delivery_method", "carrier", "pickup_location", "cash_on_delivery_currency")),
    *(("contact", name) for name in Contact.__struct_fields__),
    *(("customer", name) for name in ("id", "vat_number")),
    *(("delivery_address", name) for name in Address.__struct_fields__),
    *(("invoice_address", name) for name in ("company", "middle_name", "street", "notes")),
    *(("sender", name) for name in ("last_name", "country", "notes")),
    *(("lines", name) for name in ("line_id", "sku", "name", "notes")),
    *(("lines", "metadata", key) for key in ("a", "new", "(key)", "notes")),
    *(("parcels", name) for name in ("parcel_id", "barcode", "notes")),
    *(("parcels", "metadata", key) for key in ("a", "(key)")),
    *(("metadata", key) for key in ("type", "giftWrap", "giftwrap", "source", "(key)", "references", "carrier")),
)


def made(module: Any, order: Order, **options: Any) -> object:
    """Return the bytes that would be sent, or why there are none."""
    try:
        return encode(module.create_order(order, **options))
    except Unmappable as exc:
        return exc.cause, exc.detail, exc.ours


def parts(module: Any, order: Order, **options: Any) -> object:
    """Return the parts that could be made, in their order, and why the others could not."""

    def plain(value: Any) -> Any:
        if isinstance(value, MissingPart):
            return value.cause.cause, value.cause.detail, value.cause.ours
        if isinstance(value, dict):
            return [(key, plain(inner)) for key, inner in value.items()]
        return [plain(inner) for inner in value] if isinstance(value, list) else value

    try:
        return plain(module.partial_order(order, **options))
    except Unmappable as exc:
        return exc.cause, exc.detail, exc.ours


def assert_same(order: Order, **options: Any) -> None:
    """Compare the two mappings of one order."""
    assert made(ewarehousing, order, **options) == made(by_hand, order, **options)
    assert parts(ewarehousing, order, **options) == parts(by_hand, order, **options)


def emptied() -> Iterator[Order]:
    """Yield the full order with less and less in it, so that each substitute has its turn."""
    yield FULL
    address = FULL.delivery_address
    assert address is not None
    nameless = replace(address, company="", first_name="", last_name="", middle_name="", email="", phone="")
    yield replace(FULL, delivery_address=replace(nameless, last_name="L"))
    yield replace(FULL, delivery_address=nameless)
    yield replace(FULL, delivery_address=nameless, contact=Contact(), metadata={})
    yield replace(FULL, delivery_address=replace(address, country="AE", postal_code=""))
    yield replace(FULL, delivery_address=None, contact=Contact())
    yield replace(FULL, invoice_address=address, sender=None, contacts=(), references=(), parcels=())


@pytest.mark.parametrize("place", PLACES, ids=".".join)
def test_an_odd_text_at_any_place(place: tuple[str, ...]) -> None:
    """Each odd text at each place, in an order that is full and in those that lack something."""
    lacking = list(emptied())
    orders = lacking if place[0] in ("delivery_address", "contact") else [FULL, lacking[-1]]
    for order, text in itertools.product(orders, ODD_TEXTS):
        assert_same(with_text(order, place, text))


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(PLACES), st.one_of(st.text(max_size=6), st.sampled_from(ODD_TEXTS))), max_size=4)
)
def test_odd_texts_at_several_places(changes: list[tuple[tuple[str, ...], str]]) -> None:
    """Of several faults it is the same one that an order is held for."""
    order = FULL
    for place, text in changes:
        order = with_text(order, place, text)
    assert_same(order)


@pytest.mark.parametrize("currency", ["EUR", "jpy", "BHD", "CLF", "", "EURO"])
@pytest.mark.parametrize("line_price", ["cents", "units", "none"])
def test_odd_numbers(currency: str, line_price: str) -> None:
    """As quantity, price and total, in currencies of 0, 2, 3 and 4 decimals, however prices are counted."""
    for text in ODD_NUMBERS:
        number = Decimal(text)
        for changes in ({"quantity": number}, {"unit_price": number}):
            line = replace(FULL.lines[0], **changes)
            assert_same(replace(FULL, currency=currency, lines=(FULL.lines[1], line)), line_price=line_price)
        assert_same(replace(FULL, currency=currency, totals=Totals(including_tax=number)), line_price=line_price)


@settings(max_examples=300, deadline=None)
@given(st.decimals(), st.sampled_from(["EUR", "JPY", "BHD", "CLF"]))
def test_any_amount(amount: Decimal, currency: str) -> None:
    """Whatever can be written as a number."""
    assert_same(replace(FULL, currency=currency, totals=Totals(including_tax=amount)))


@pytest.mark.parametrize("zone", ["Europe/Amsterdam", "America/New_York", "Asia/Kathmandu", "UTC"])
@pytest.mark.parametrize("days", [0, 1, 30])
def test_odd_times(zone: str, days: int) -> None:
    """Around midnight, at changes of the clock and at the ends of time, in several zones, or in none."""
    moments = [
        datetime.min.replace(tzinfo=UTC),
        datetime.max.replace(tzinfo=UTC),
        datetime(2026, 3, 24, 23, 0),  # noqa: DTZ001 - on purpose
        datetime(2026, 3, 24, 23, 0, tzinfo=timezone(timedelta(hours=-11))),
        *(datetime(2026, 3, 28, tzinfo=UTC) + timedelta(minutes=30 * step) for step in range(100)),
        *(datetime(2026, 10, 24, tzinfo=UTC) + timedelta(minutes=30 * step) for step in range(100)),
    ]
    for at in (*moments, None):
        assert_same(replace(FULL, created_at=at), zone=zone, delivery_days=days)


def test_odd_dates() -> None:
    """A time where a date is expected is a date to Python, but not to the receiver."""
    for day in (date.min, date.max, datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 5, 1, 12, 30)):  # noqa: DTZ001
        assert_same(replace(FULL, requested_delivery_date=day))


def test_orders_without_lines_and_with_many() -> None:
    """None, one, and a hundred of which one is odd."""
    assert_same(replace(FULL, lines=()))
    assert_same(replace(FULL, lines=FULL.lines * 50))
    assert_same(replace(FULL, lines=(*FULL.lines * 50, replace(FULL.lines[0], name=" n"))))
    assert_same(replace(FULL, lines=(*FULL.lines * 50, replace(FULL.lines[0], sku="\ud800"))))
