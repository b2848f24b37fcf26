"""A mapping as a tree in settings.yaml: its results, and the places of its mistakes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Any, Literal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector import SettingsError, Unmappable
from connector.clients.ewarehousing.requests import CreateOrder
from connector.mapping.code_tables import Tables
from connector.mapping.compiler import compile_mapping
from connector.mapping.mapper import for_route, mapper
from connector.order import Address, Line, Order, Totals
from connector.receivers.ewarehousing.mapping import create_order
from connector.settings import RouteSettings
from connector.settings.model import TotalsSettings
from tests.receivers.ewarehousing.test_mapping import PROPELLER

METHOD = "e710389a-5505-49d4-9b99-8314f3543427"
TABLES: Tables = {"methods": {"rekening": METHOD, "rate": 0.15}}
LINES = {"article_code": "=item.sku", "quantity": "=item.quantity", "description": "=item.name"}


def sent(tree: dict[str, Any], order: Order = PROPELLER) -> dict[str, Any]:
    """Return the request that a tree makes of an order, for eWarehousing."""
    found: dict[str, Any] = msgspec.json.decode(mapper(tree, CreateOrder, create_order, TABLES)(order))
    return found


def held(tree: dict[str, Any], order: Order = PROPELLER) -> Unmappable:
    """Return the cause under which a tree holds an order."""
    with pytest.raises(Unmappable) as caught:
        sent(tree, order)
    return caught.value


DEFAULT = sent({})


def test_an_empty_tree_is_the_default() -> None:
    """The request is the same, byte for byte."""
    body = msgspec.json.encode(create_order(PROPELLER))
    assert (
        mapper({}, CreateOrder, create_order)(PROPELLER) == mapper(None, CreateOrder, create_order)(PROPELLER) == body
    )


@pytest.mark.parametrize(
    ("value", "note"),
    [
        ("Handle with care", "Handle with care"),
        ("=reference", "20106"),
        ("= concat('PO-', reference)", "PO-20106"),
        (r"\=reference", "=reference"),
        (r"\\=reference", r"\=reference"),
        (r"\reference", r"\reference"),
        ("a=b", "a=b"),
        ("", ""),
        ("=lines[0].quantity", "2"),
        ("=length(lines)", "1"),
        ("=created_at", "2026-03-24T09:26:07.333000+00:00"),
        ("=lines[0].unit_price", "49.99"),
    ],
)
def test_a_leaf_is_a_literal_or_an_expression(value: str, note: str) -> None:
    """Text that begins with = is an expression, unless a backslash precedes it. Numbers and dates become text."""
    assert sent({"note": value}) == {**DEFAULT, "note": note}


def test_what_the_tree_does_not_name_stays() -> None:
    """A mapping is merged key by key; a list replaces the default's."""
    found = sent({"shipping_address": {"state": "NH"}, "meta_data": {"channel": "web"}})
    assert found["shipping_address"] == {**DEFAULT["shipping_address"], "state": "NH"}
    assert found["meta_data"] == {**DEFAULT["meta_data"], "channel": "web"}
    line = {"article_code": "x", "quantity": 3, "description": "y"}
    assert sent({"order_lines": [line]}) == {**DEFAULT, "order_lines": [line]}


@pytest.mark.parametrize("value", [None, "=metadata.nothing", "=vat", "=customer.vat_number"])
def test_null_is_not_sent(value: str | None) -> None:
    """A null, written or computed, is not sent; neither is an empty text of the order."""
    without = {key: each for key, each in DEFAULT.items() if key != "shipping_email"}
    if value == "=vat":
        value = "=default(customer.vat_number, metadata.vat)"
    assert sent({"shipping_email": value}) == without


def test_what_the_default_made_can_be_used() -> None:
    """`mapped` is the result of the default mapping, before the tree changes anything."""
    tree = {
        "shipping_email": "=default(metadata.email, mapped.shipping_email)",
        "note": "=mapped.shipping_address.city",
    }
    assert sent({**tree, "shipping_address": {"city": "Utrecht"}}) == {
        **DEFAULT,
        "note": "Amsterdam",
        "shipping_address": {**DEFAULT["shipping_address"], "city": "Utrecht"},
    }


@pytest.mark.parametrize(("country", "state"), [("NL", "NH"), ("BE", None)])
def test_a_branch_whose_when_is_false_is_not_written(country: str, state: str | None) -> None:
    """The default's value stays, or the key is absent."""
    found = sent({"shipping_address": {"when": f"=delivery_address.country == '{country}'", "state": "NH"}})
    assert found["shipping_address"].get("state") == state
    assert found["shipping_address"]["city"] == "Amsterdam"


@pytest.mark.parametrize(
    ("tree", "language"),
    [
        ({"when": "=language", "then": "=lower(language)", "else": "en"}, "nl"),
        ({"when": "=notes", "then": "de", "else": "en"}, "en"),
        ({"when": "=notes", "then": "de"}, "nl"),
        ({"when": "=!notes", "then": "de"}, "de"),
        ({"when": "=notes", "else": "en"}, "en"),
        ({"when": "=language", "else": "en"}, "nl"),
        ({"when": "=language", "then": None}, None),
        ({"when": "=totals.tax == `0`", "then": "de"}, "nl"),
        ({"when": "=`0`", "then": "de"}, "de"),
    ],
)
def test_a_leaf_may_depend(tree: dict[str, Any], language: str | None) -> None:
    """`then` or `else`; without the branch the default's value stays. A number is true, as everywhere in JMESPath."""
    assert sent({"language": tree}).get("language") == language


def test_each_makes_an_element_for_each() -> None:
    """The element is `item`; the order's fields remain available."""
    order = msgspec.structs.replace(
        PROPELLER,
        lines=(
            Line(sku="A", name="one", quantity=Decimal(1), unit_price=Decimal("1.005")),
            Line(sku="S", name="shipping", quantity=Decimal(1)),
            Line(sku="B", name="", quantity=Decimal("2.0"), metadata={"ean": "871"}),
        ),
    )
    lines = {
        "each": "=lines",
        "do": {
            "when": "=item.name != 'shipping'",
            "article_code": "=item.sku",
            "quantity": "=item.quantity",
            "description": "=default(item.name, item.sku)",
            "price": "=cents(item.unit_price, currency)",
            "meta_data": {"ean": "=item.metadata.ean", "order": "=order.reference"},
        },
    }
    assert sent({"order_lines": lines}, order)["order_lines"] == [
        {"article_code": "A", "quantity": 1, "description": "one", "price": 101, "meta_data": {"order": "20106"}},
        {"article_code": "B", "quantity": 2, "description": "B", "meta_data": {"ean": "871", "order": "20106"}},
    ]


def test_each_may_be_left_out() -> None:
    """If its own `when` is false, or if its list is empty."""
    lines = {"when": "=notes", "each": "=lines", "do": {**LINES}}
    assert sent({"order_lines": lines}) == DEFAULT
    assert held({"order_lines": {"each": "=metadata.nothing", "do": {**LINES}}}).cause == "missing field: order_lines"
    assert held({"order_lines": {"each": "=lines[?sku == 'x']", "do": {**LINES}}}).cause == (
        "not what the receiver takes: order_lines"
    )


def test_an_expression_may_make_a_whole_branch() -> None:
    """Its numbers are converted, and its nulls are left out."""
    text = "=lines[].{article_code: sku, quantity: quantity, description: name, price: metadata.nothing}"
    assert sent({"order_lines": text})["order_lines"] == [
        {"article_code": "#117", "quantity": 2, "description": "voorbeeld artikel"}
    ]
    assert sent({"meta_data": "=metadata"})["meta_data"] == PROPELLER.metadata


def test_from_nothing() -> None:
    """`defaults: false` handles orders that the default would hold; required keys must be written."""
    order = msgspec.structs.replace(PROPELLER, delivery_address=None)
    assert held({"note": "x"}, order).cause == "missing field: shipping_address"
    address = {"addressed_to": "=customer.name", "street": "=invoice_address.street", "city": "Depot", "country": "NL"}
    tree = {
        "defaults": False,
        "external_reference": "=external_id",
        "order_lines": {"each": "=lines", "do": {**LINES}},
        "shipping_address": address,
        "shipping_contactperson": "=contact.name",
        "requested_delivery_date": "=date(created_at, '%Y-%m-%d', 'Europe/Amsterdam')",
    }
    found = sent(tree, order)
    assert found["shipping_address"] == {
        "addressed_to": "Voorbeeld B.V.",
        "street": "Keizersgracht",
        "city": "Depot",
        "country": "NL",
    }
    assert set(found) == set(tree) - {"defaults"} | {"external_id"}
    missing = msgspec.structs.replace(order, invoice_address=None)
    assert held(tree, missing).cause == "missing field: shipping_address.street"
    assert not held(tree, missing).ours


def test_a_missing_code_holds_until_its_row_is_there() -> None:
    """The order waits under a cause that names the code; once the row is added it is sent."""
    tree = {"shipping_method": "=lookup('methods', metadata.payment_method)"}
    assert sent(tree)["shipping_method"] == METHOD
    waiting = held(tree, msgspec.structs.replace(PROPELLER, metadata={"payment_method": "ideal"}))
    assert (waiting.cause, waiting.ours) == ("missing code: methods/ideal", True)


@pytest.mark.parametrize(
    ("tree", "cause", "ours"),
    [
        ({"order_amount": "=totals.including_tax"}, "not what the receiver takes: order_amount", True),
        ({"requested_delivery_date": "=created_at"}, "not what the receiver takes: requested_delivery_date", True),
        ({"shipping_address": {"country": "=notes"}}, "missing field: shipping_address.country", False),
        ({"currency": "=delivery_address.city"}, "not what the receiver takes: currency", False),
        ({"note": "=lines"}, "not what the receiver takes: note", True),
        ({"note": "=upper(totals.tax)"}, "mapping failed: note", True),
        ({"note": "=reference < `5`"}, "mapping failed: note", True),
        ({"order_lines": {"each": "=metadata", "do": {**LINES}}}, "mapping failed: order_lines", True),
        ({"meta_data": {"when": "=length(totals.tax)", "a": "b"}}, "mapping failed: meta_data.when", True),
        ({"shipping_method": "=reference"}, "not what the receiver takes: shipping_method", False),
        ({"external_reference": "=notes"}, "missing field: external_reference", False),
    ],
)  # fmt: skip
def test_what_cannot_be_sent_is_held(tree: dict[str, Any], cause: str, ours: bool) -> None:
    """The cause names the key. A wrong type is the mapping's fault and not reported to the source; a wrong value is."""
    found = held(tree)
    assert (found.cause, found.ours) == (cause, ours)


class Wide(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request with a field of every type."""

    amount: Decimal | None = None
    number: float | None = None
    count: int | None = None
    words: str | None = None
    day: date | None = None
    at: datetime | None = None
    either: int | float | None = None
    choice: Literal["a", "b"] | None = None
    flag: bool | None = None
    free: Any = None
    parts: list[Decimal] = []


@pytest.mark.parametrize(
    ("key", "value", "wire"),
    [
        ("amount", "=lines[0].unit_price", b'"49.99"'),
        ("amount", 1.1, b'"1.1"'),
        ("number", "=lines[0].unit_price", b"49.99"),
        ("number", 1.1, b"1.1"),
        ("count", "=lines[0].quantity", b"2"),
        ("either", "=lines[0].quantity", b"2"),
        ("either", "=lines[0].unit_price", b"49.99"),
        ("words", "=lines[0].unit_price", b'"49.99"'),
        ("free", "=lines[0].unit_price", b'"49.99"'),
        ("free", {"a": ["=lines[0].quantity", "x", None]}, b'{"a":["2","x"]}'),
        ("free", {r"\each": "=reference", r"\when": 1}, b'{"each":"20106","when":1}'),
        ("free", {"each": "=lines", "do": "=item.sku"}, b'["#117"]'),
        ("day", "2026-01-02", b'"2026-01-02"'),
        ("day", "=date(created_at)", b'"2026-03-24"'),
        ("at", "=created_at", b'"2026-03-24T09:26:07.333000Z"'),
        ("choice", "=lower('A')", b'"a"'),
        ("flag", "=!cancelled", b"true"),
        ("flag", False, b"false"),
        ("parts", "=lines[].unit_price", b'["49.99"]'),
        ("parts", [1.5, "=totals.tax"], b'["1.5","23.26"]'),
    ],
)
def test_a_value_takes_the_type_that_is_wanted(key: str, value: Any, wire: bytes) -> None:
    """A value is converted where nothing is lost; an amount never becomes a float on its way."""
    body = mapper({key: value}, Wide, lambda _: Wide())(PROPELLER)
    assert dict(msgspec.json.decode(body, type=dict[str, msgspec.Raw]))[key] == msgspec.Raw(wire)


@cache
def with_every_function() -> Callable[[Order], bytes]:
    """Return a mapping that calls functions of every kind, compiled once."""
    lines = {"each": "=lines", "do": {"article_code": "=upper(item.sku)", "quantity": "=round(item.quantity)"}}
    lines["do"] = {**lines["do"], "description": "=text(item.unit_price)", "price": "=cents(item.unit_price, currency)"}  # type: ignore[dict-item]
    tree = {
        "defaults": False,
        "external_reference": "=concat(reference, external_id)",
        "order_lines": lines,
        "shipping_address": {
            "addressed_to": "=delivery_address.person || delivery_address.city",
            "street": "=street(delivery_address)",
            "street_number": "=house_number(delivery_address)",
            "city": "=trim(delivery_address.city)",
            "country": "=delivery_address.country",
        },
        "shipping_contactperson": "=contact.name || notes",
        "requested_delivery_date": "=date(created_at, '%Y-%m-%d', 'Pacific/Apia')",
        "order_amount": "=cents(totals.including_tax, currency)",
        "assured_amount": "=cents(total(lines[].mul(quantity, unit_price)), currency)",
        "meta_data": {"when": "=metadata", "raw": "=raw", "a": "=join('-', values(metadata))"},
        "shipping_method": "=lookup('methods', metadata.rekening)",
    }
    return mapper(tree, CreateOrder, create_order, TABLES)


odd = st.one_of(st.none(), st.decimals(allow_nan=True, allow_infinity=True))
words = st.one_of(st.text(max_size=6), st.sampled_from(["NL", "EUR", "\ud800", "rekening", "Dam 1"]))


@settings(max_examples=150, deadline=None)
@given(
    st.builds(
        Order,
        source=words,
        order_id=words,
        reference=words,
        currency=words,
        notes=words,
        created_at=st.one_of(st.none(), st.datetimes()),
        metadata=st.dictionaries(words, words, max_size=2),
        delivery_address=st.one_of(st.none(), st.builds(Address, street=words, city=words, country=words)),
        totals=st.builds(Totals, including_tax=odd),
        lines=st.lists(st.builds(Line, sku=words, quantity=st.decimals(), unit_price=odd), max_size=2).map(tuple),
        raw=st.binary(max_size=4),
    )
)
def test_any_order_becomes_a_request_or_is_held(order: Order) -> None:
    """For any order, `Unmappable` is the only error."""
    body = b""
    try:
        body = with_every_function()(order)
    except Unmappable:
        return
    assert isinstance(msgspec.json.decode(body, type=CreateOrder), CreateOrder)


def test_the_order_is_the_same_afterwards() -> None:
    """The tree works on copies of the order and of the default's result."""
    mapped = {"meta_data": {"a": "b"}, "note": "x"}
    tree, _ = compile_mapping({"meta_data": {"c": "d"}, "note": None}, CreateOrder, {})
    assert tree.apply(PROPELLER, mapped) == {"meta_data": {"a": "b", "c": "d"}}
    assert mapped == {"meta_data": {"a": "b"}, "note": "x"}


def test_a_route_splits_streets_and_holds_what_does_not_add_up() -> None:
    """Before the mapping, and only if the route is set to do so."""
    address = Address(company="A", street="Keizersgracht 100-2", postal_code="1015AA", city="Amsterdam", country="NL")
    order = msgspec.structs.replace(PROPELLER, delivery_address=address)
    plain = RouteSettings(source="shop", receivers=["warehouse"])
    splitting = msgspec.structs.replace(plain, split_street=True)
    strict = msgspec.structs.replace(plain, totals=TotalsSettings(tolerance=Decimal(1), on_mismatch="hold"))

    def street(route: RouteSettings) -> tuple[str, str | None]:
        request = msgspec.json.decode(for_route(route, "warehouse", CreateOrder, create_order, {})(order))
        return request["shipping_address"]["street"], request["shipping_address"].get("street_number")

    assert street(plain) == ("Keizersgracht 100-2", None)
    assert street(splitting) == ("Keizersgracht", "100-2")
    with pytest.raises(Unmappable) as caught:
        street(strict)
    assert (caught.value.cause, caught.value.ours) == ("totals do not add up", False)
    assert "99.98" in caught.value.detail


def test_a_tree_that_nobody_checked_is_refused_when_it_is_used() -> None:
    """For applications that construct their settings themselves."""
    with pytest.raises(SettingsError) as caught:
        mapper({"noet": "x", "order_lines": {"each": "=lins", "do": LINES}}, CreateOrder, create_order)
    assert [line.split(": ")[1] for line in caught.value.problems] == ["noet", "order_lines.each"]
