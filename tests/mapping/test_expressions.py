"""Expressions: the fields they read, the functions they call, and the mistakes found before there is an order."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.clients.ewarehousing.requests import CreateOrder
from connector.errors import Unmappable
from connector.mapping.code_tables import Tables
from connector.mapping.expressions import ExpressionError, ExpressionParser
from connector.mapping.field_types import root
from connector.mapping.scope import scope_of
from connector.order import Address, Contact, Line, Order, Totals

TABLES: Tables = {"methods": {"post": "P", "rate": 0.1}, "countries": {"NL": "Nederland"}}
ORDER = Order(
    source="shop",
    order_id="7",
    reference="R-7",
    created_at=datetime(2026, 3, 24, 23, 30, tzinfo=UTC),
    currency="EUR",
    contact=Contact(name=" Jan ", email="Jan@Example.com"),
    delivery_address=Address(first_name="Jan", last_name="de Vries", street="Dam 1 B", city="Amsterdam", country="NL"),
    lines=(
        Line(sku="A", name="one", quantity=Decimal(2), unit_price=Decimal("49.99")),
        Line(sku="B", quantity=Decimal("1.5"), unit_price=Decimal("0.10"), metadata={"ean": "871"}),
    ),
    totals=Totals(excluding_tax=Decimal("100.13")),
    requested_delivery_date=date(2026, 4, 1),
    metadata={"method": "post"},
    raw=b'{"extra": {"price": 5.10}}',
)
ROOT = root(CreateOrder)


def found(text: str, order: Order = ORDER) -> Any:
    """Evaluate an expression over an order."""
    expression = ExpressionParser(TABLES).read(text, ROOT)
    return expression.find(scope_of(order, expression.used))


def mistakes(text: str) -> list[str]:
    """Return the mistakes of an expression."""
    with pytest.raises(ExpressionError) as caught:
        ExpressionParser(TABLES).read(text, ROOT)
    return caught.value.mistakes


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("reference", "R-7"),
        ("delivery_address.city", "Amsterdam"),
        ("delivery_address.person", "Jan de Vries"),
        ("order.delivery_address.city", "Amsterdam"),
        ("external_id", "shop-7"),
        ("kind", "sales"),
        ("invoice_address.city", None),
        ("language", ""),
        ("metadata.method", "post"),
        ("metadata.nothing", None),
        ("lines[0].sku", "A"),
        ("lines[].sku", ["A", "B"]),
        ("lines[-1].metadata.ean", "871"),
        ("lines[?quantity > `1.5`].sku", ["A"]),
        ("lines[?unit_price == `0.1`].sku | [0]", "B"),
        ("lines[1:].name", [""]),
        ("length(lines)", 2),
        ("sort_by(lines, &unit_price)[0].sku", "B"),
        ("max_by(lines, &quantity).sku", "A"),
        ("notes || reference", "R-7"),
        ("!cancelled", True),
        ("created_at", ORDER.created_at),
        ("requested_delivery_date", date(2026, 4, 1)),
        ("totals.excluding_tax", Decimal("100.13")),
        ("raw.extra.price", Decimal("5.10")),
        ("order.raw.extra.price", Decimal("5.10")),
        ("[reference, order_id]", ["R-7", "7"]),
        ("lines[].{a: sku}[].a", ["A", "B"]),
        ("@.reference", "R-7"),
        ("order.lines | [0].sku", "A"),
    ],
)
def test_expressions_find(text: str, value: Any) -> None:
    """By the names of the canonical order, including fields that have their default."""
    assert found(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("add(`1`, `0.1`, `0.2`)", "1.3"),
        ("mul(lines[0].quantity, lines[0].unit_price)", "99.98"),
        ("total(lines[].mul(quantity, unit_price))", "100.130"),
        ("total(`[]`)", "0"),
        ("sum(lines[].quantity)", "3.5"),
        ("avg(lines[].quantity)", "1.75"),
        ("max(lines[].unit_price)", "49.99"),
        ("min(lines[].unit_price)", "0.10"),
        ("abs(`-1.5`)", "1.5"),
        ("round(`2.345`, `2`)", "2.35"),
        ("round(`-2.5`)", "-3"),
        ("to_number('49.990')", "49.990"),
        ("to_number('12345678901234567890.12')", "12345678901234567890.12"),
        ("lookup('methods', 'rate')", "0.1"),
        ("default(totals.tax, `0`)", "0"),
    ],
)
def test_numbers_are_exact(text: str, value: str) -> None:
    """Every digit is kept, and no float is involved."""
    number = found(text)
    assert str(number) == value
    assert not isinstance(number, float)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("cents(lines[0].unit_price, currency)", 4999),
        ("cents(`5`, 'jpy')", 5),
        ("cents(`0.005`, 'EUR')", 1),
        ("cents(totals.tax, currency)", None),
        ("cents(`5`, language)", None),
        ("ceil(`1.2`)", 2),
        ("floor(`1.9`)", 1),
        ("upper(contact.email)", "JAN@EXAMPLE.COM"),
        ("lower(contact.email)", "jan@example.com"),
        ("trim(contact.name)", "Jan"),
        ("upper(metadata.nothing)", None),
        ("replace(reference, 'R-', '')", "7"),
        ("concat('PO-', order_id, metadata.nothing, lines[0].unit_price)", "PO-749.99"),
        ("text(lines[1].quantity)", "1.5"),
        ("to_string(`true`)", "true"),
        ("to_string(lines[].quantity)", '["2", "1.5"]'),
        ("join(', ', [delivery_address.city, language, metadata.nothing, delivery_address.country])", "Amsterdam, NL"),
        ("default(language, metadata.nothing, 'nl')", "nl"),
        ("default(language, metadata.nothing)", None),
        ("date(created_at)", "2026-03-24"),
        ("date(created_at, '%d-%m-%Y %H:%M', 'Europe/Amsterdam')", "25-03-2026 00:30"),
        ("date(requested_delivery_date, '%d/%m/%y')", "01/04/26"),
        ("date('2026-05-06T10:00:00+02:00')", "2026-05-06"),
        ("date(metadata.nothing)", None),
        ("lookup('methods', metadata.method)", "P"),
        ("lookup('methods', metadata.nothing)", None),
        ("lookup('methods', 'dhl', 'none')", "none"),
        ("lookup('methods', metadata.nothing, 'none')", "none"),
        ("lookup('methods', 'dhl', `null`)", None),
        ("street(delivery_address)", "Dam"),
        ("house_number(delivery_address)", "1"),
        ("house_number_addition(delivery_address)", "B"),
        ("street(invoice_address)", None),
        ("type(totals.excluding_tax)", "number"),
        ("starts_with(reference, 'R')", True),
        ("contains(lines[].sku, 'B')", True),
    ],
)
def test_functions(text: str, value: Any) -> None:
    """Each does what its name promises; null in is null out."""
    assert found(text) == value


def test_an_address_with_a_number_of_its_own_is_not_split() -> None:
    """The source has already separated street and number."""
    address = Address(street="Plein 1944", number="12", number_addition="a", country="NL")
    order = msgspec.structs.replace(ORDER, delivery_address=address)
    names = ("street", "house_number", "house_number_addition")
    assert [found(f"{name}(delivery_address)", order) for name in names] == ["Plein 1944", "12", "a"]


def test_a_code_that_is_missing_holds() -> None:
    """Under a cause that names the table and the code; the settings are at fault."""
    with pytest.raises(Unmappable) as caught:
        found("lookup('methods', reference)")
    assert (caught.value.cause, caught.value.ours) == ("missing code: methods/R-7", True)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("upper(totals.excluding_tax)", "expected text, got a number"),
        ("mul(reference, `2`)", "expected a number, got a string"),
        ("mul(`true`, `2`)", "expected a number, got a boolean"),
        ("total(reference)", "a list of numbers, got a string"),
        ("concat(lines)", "a plain value, got an array"),
        ("street(reference)", "an address, got a string"),
        ("date(`5`)", "a date, got a number"),
        ("round(`1.5`, `-1`)", "from 0 to 12"),
        ("replace(reference, '', 'x')", "is empty"),
        ("length(metadata.nothing)", "length() expects string or array or object, got a null"),
        ("max(lines[].[sku, quantity][])", "array"),
        ("join(',', reference)", "a list, got a string"),
    ],
)
def test_a_function_says_what_it_cannot_take(text: str, words: str) -> None:
    """The message names the expected type and the type it got."""
    with pytest.raises(TypeError) as caught:
        found(text)
    assert words in str(caught.value)


@pytest.mark.attack(13)
@pytest.mark.parametrize("text", ["text(raw)", "mul(raw, `2`)", "round(raw)", "add(raw, `1`)"])
def test_numbers_beyond_all_measure_hold_the_order(text: str) -> None:
    """`1E+400000000` is valid JSON, and as text it would fill the memory."""
    order = msgspec.structs.replace(ORDER, raw=b"1.0E+400000000")
    with pytest.raises(Unmappable, match="out of range"):
        found(text, order)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the expression is empty"),
        ("upper(reference", "the expression ends too soon (column 17): =upper(reference^"),
        ("refrence", "the order has no 'refrence', did you mean 'reference'? (column 2): =^refrence"),
        ("delivery_address.cty", "delivery_address has no 'cty', did you mean 'city'? (column 19)"),
        ("order.refrence", "the order has no 'refrence', did you mean 'reference'? (column 8)"),
        ("lines.sku", "a list has no 'sku': write [].sku for all elements, [0].sku for the first (column 8)"),
        ("lines[].skuu", "line has no 'skuu', did you mean 'sku'?"),
        ("lines[?skuu == 'a']", "line has no 'skuu'"),
        ("lines[0].skuu", "line has no 'skuu'"),
        ("lines[1:].skuu", "line has no 'skuu'"),
        ("lines | [0].skuu", "line has no 'skuu'"),
        ("sort_by(lines, &skuu)", "line has no 'skuu'"),
        ("lines[].mul(quantity, price)", "line has no 'price', did you mean 'unit_price'?"),
        ("[refrence]", "the order has no 'refrence'"),
        ("{a: refrence}", "the order has no 'refrence'"),
        ("{a: reference}.b", "this has no 'b'"),
        ("!refrence", "the order has no 'refrence'"),
        ("notes || refrence", "the order has no 'refrence'"),
        ("@.refrence", "the order has no 'refrence'"),
        ("reference.x", "this is a plain value without fields, so it has no 'x' (column 12)"),
        ("mapped.noet", "mapped has no 'noet', did you mean 'note'?"),
        ("item.sku", "item is the current element, within an each only"),
        ('concat("abc", reference)', 'write text in single quotes (column 9): =concat(^"abc", reference)'),
        ("uper(reference)", "there is no function uper(), did you mean 'upper'? (column 2)"),
        ("concat(metadata.uper, uper(notes))", "there is no function uper(), did you mean 'upper'? (column 24)"),
        ("upper()", "upper() takes 1 argument(s), not 0"),
        ("upper(notes, notes)", "upper() takes 1 argument(s), not 2"),
        ("round(`1`, `2`, `3`)", "round() takes 1 to 2 argument(s), not 3"),
        ("concat()", "concat() takes 1 or more argument(s), not 0"),
        ("starts_with(notes)", "starts_with() takes 2 argument(s), not 1"),
        ("not_null()", "not_null() takes 1 or more argument(s), not 0"),
        ("lookup('method', notes)", "there is no table 'method', did you mean 'methods'? (column 2)"),
        ("lookup('zzz', notes)", "there is no table 'zzz'; the tables are methods, countries"),
        ("lookup(methods, notes)", "the first argument of lookup() is the name of a table, in single quotes"),
        ("date(created_at, '%Y', 'Mars/X')", "'Mars/X' is not a time zone such as Europe/Amsterdam"),
        ("mul(`1`, 2)", "write numbers in backquotes: `2` (column 11)"),
        ("concat('abc)", "the ' is not closed (column 9)"),
        ("concat(`abc`)", "write text in single quotes: 'x'"),
        ("reference = 'a'", "write == to compare (column 12)"),
        ("reference # x", "this character is not allowed here (column 12)"),
        ("reference)", "')' is not allowed here (column 11)"),
        ("mul(`1.1234567890123456789`, `1`)", "at most 15 digits"),
        ("mul(`NaN`, `1`)", "at most 15 digits"),
        ("reference && &length(notes)", "& is only for arguments of sort_by(), min_by(), max_by() and map()"),
        ("reference & notes", "'&' is not allowed here (column 12)"),
        ("&notes", "write && for a logical and (column 2)"),
        ("to_array(&notes)", "& is only for arguments of sort_by(), min_by(), max_by() and map(); write && for"),
        ("sort_by(&lines, &sku)", "& is only for"),
        ("map(&(&sku), lines)", "& is only for"),
        ("{a: lines[*].sku, d: !reference &&& length(notes)}", "write && for a logical and (column 36)"),
        ("[" * 1500, "nested too deeply"),
        ("a" * 2001, "longer than 2000 characters"),
    ],
)
def test_a_mistake_is_found_before_there_is_an_order(text: str, words: str) -> None:
    """With the column, counted from the `=`, a `^` before the position, and the probable intention."""
    (line,) = mistakes(text)
    assert words in line
    assert "\n" not in line


def test_every_mistake_of_an_expression_at_once() -> None:
    """One does not hide the next."""
    assert len(mistakes("concat(uper(notes), refrence, lookup('method', notes))")) == 3


@pytest.mark.parametrize("text", ["metadata.x.y", "raw.a.b.c", "`{}`.a", "lines[].metadata.x", "values(metadata)[0]"])
def test_beyond_what_is_known_everything_may_be(text: str) -> None:
    """Fields that a vendor adds have names of their own."""
    assert ExpressionParser(TABLES).read(text, ROOT).text == text


def test_reading_twice_gives_the_same() -> None:
    """The library's cache is not modified."""
    assert [found("mul(`1.10`, `2`)") for _ in range(2)] == [Decimal("2.2"), Decimal("2.2")]


PIECES = [
    "lines",
    "reference",
    ".",
    "[",
    "]",
    "(",
    ")",
    "upper",
    "`1`",
    "'x'",
    "&",
    "|",
    "==",
    "<",
    "?",
    "*",
    "@",
    "{a:",
    "}",
]


@settings(max_examples=300)
@given(st.one_of(st.text(max_size=12), st.lists(st.sampled_from(PIECES), max_size=10).map(" ".join)))
def test_no_text_breaks_the_reader(text: str) -> None:
    """Any text is an expression or is reported as a mistake; nothing else is raised."""
    wrong: list[str] | None = None
    try:
        ExpressionParser(TABLES).read(text, ROOT)
    except ExpressionError as exc:
        wrong = exc.mistakes
    assert wrong is None or all(wrong)
    assert wrong != []


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("!customer.name", "!(customer.name) (column 2)"),
        ("notes && !customer.name || reference", "!(customer.name) (column 11)"),
        ("!lines[0].sku", "!(lines[0].sku)"),
        ("!lines[?sku == 'x']", "!(lines[?sku == 'x'])"),
        ("lines[?!metadata.gift].sku", "!(metadata.gift) (column 9)"),
        ("{a: !raw.b.c}", "!(raw.b.c)"),
        ("default(!raw.b, notes)", "!(raw.b)"),
    ],
)
def test_a_not_before_a_path_is_refused(text: str, meant: str) -> None:
    """JMESPath binds ! before the dot, so `!a.b` is null for every order; the message shows the correct form."""
    with pytest.raises(ExpressionError) as caught:
        ExpressionParser({}).read(text, root(None))
    assert f"! binds before . and [], so this is always null; write {meant}" in str(caught.value)


@pytest.mark.parametrize(
    "text", ["!(customer.name)", "!notes", "lines[?!sku]", "!contains(notes, 'x')", "!notes == !raw"]
)
def test_a_not_before_what_it_is_about_is_taken(text: str) -> None:
    """With parentheses the negation applies to the whole path."""
    ExpressionParser({}).read(text, root(None))
