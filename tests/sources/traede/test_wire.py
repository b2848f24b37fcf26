"""Traede's orders in their types: a value of another type is coerced field by field, and loses nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from random import Random
from typing import Any, NamedTuple, get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from connector.errors import Unmappable
from connector.order import Order
from connector.sandbox.server import encode
from connector.sandbox.traede.orders import production_orders, traede_orders
from connector.sources.traede import order as traede_order
from connector.sources.traede import production_order, wire
from tests.fuzz.bodies import mutated

TEXTS = (wire.Text, wire.Label)
ORDINARY: dict[Any, Any] = {
    wire.Code: "DKK",
    wire.Amount: 3,
    wire.Zip: "8000",
    wire.Time: "2026-01-05 08:52:50",
    Any: 5,
}
NO_TEXT: list[Any] = [True, False, [], {}, [[]], [None], {"code": " "}, {"x": 1}]
"""Values of which no text can be made."""
NO_OBJECT: list[Any] = ["x", 5, True, [], [[]]]
AS_TEXT: list[tuple[Any, str]] = [
    (0, "0"),
    (-3, "-3"),
    (Raw(b"9223372036854775808"), "9223372036854775808"),
    (Raw(b"1.50"), "1.50"),
    (Raw(b"1E+13"), "1E+13"),
    (Raw(b"-0"), "0"),
    (" x ", "x"),
    ("\t", ""),
    ("\u00a0x", "x"),
    ("\u2003", ""),
]
"""Values of a text field, and the text that each counts as."""
WRITTEN = [
    (b'" \xc2\xa0Bo\\t"', "Bo"),
    (b'"\\u00a0B\\u00f8\\u2003"', "Bø"),
    (b'"\\u001FBo Bo"', "Bo Bo"),
    (b'"\\" Bo"', '" Bo'),
]
"""Texts with blanks in them, as JSON, and without the blanks around them."""


class Case(NamedTuple):
    """One of the two exports: its struct, its id's key, and its reading."""

    kind: Any
    key: str
    to_order: Callable[[str, bytes], Order]
    orders: list[dict[str, Any]]


CASES = [
    Case(wire.Order, "order_id", traede_order.to_order, traede_orders(20)),
    Case(wire.Production, "production_order_id", production_order.to_order, production_orders(20)),
]
IDS = ["orders", "production-orders"]


def outcome(case: Case, raw: bytes) -> str:
    """Return all there is to an order, or to the reason why it cannot be mapped; not the bytes themselves."""
    try:
        return msgspec.json.encode(msgspec.structs.replace(case.to_order("shop", raw), raw=b"")).decode()
    except Unmappable as exc:
        return f"{exc.cause} | {exc.detail}"


def whole(kind: Any) -> dict[str, Any]:
    """Return an object with something in each field."""
    found: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        if field.type in TEXTS:
            found[field.encode_name] = f"a {field.name}"
        elif field.type in ORDINARY:
            found[field.encode_name] = ORDINARY[field.type]
        elif field.type != wire.Lines:
            found[field.encode_name] = whole(get_args(field.type)[0])
    return found


def fields(case: Case) -> Iterator[tuple[Any, Callable[[Any], bytes]]]:
    """Yield the type of each field of each object, and a function that makes the order with a value in it."""
    order = msgspec.json.encode({**whole(case.kind), case.key: 7, "lines": [whole(wire.Line)]})

    def put(path: tuple[str | int, ...]) -> Callable[[Any], bytes]:
        def made(value: Any) -> bytes:
            copy = msgspec.json.decode(order)
            at = copy
            for step in path[:-1]:
                at = at[step]
            at[path[-1]] = value
            return msgspec.json.encode(copy)

        return made

    def walk(kind: Any, path: tuple[str | int, ...]) -> Iterator[tuple[Any, Callable[[Any], bytes]]]:
        for field in msgspec.structs.fields(kind):
            yield field.type, put((*path, field.name))
            if field.type not in (*TEXTS, *ORDINARY, wire.Lines):
                yield from walk(get_args(field.type)[0], (*path, field.name))

    yield from walk(case.kind, ())
    yield from walk(wire.Line, ("lines", 0))


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_a_value_that_no_text_can_be_made_of_counts_as_missing(case: Case) -> None:
    """In every text field of every object, and for it alone: the rest of the order is read as it is without it."""
    texts = [order for kind, order in fields(case) if kind in TEXTS]
    for number, order in enumerate(texts):
        turn = number % len(NO_TEXT)  # three values a field, each value in many fields
        odd = (NO_TEXT * 2)[turn : turn + 3]
        assert {outcome(case, order(each)) for each in odd} == {outcome(case, order(""))}, order(None)


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_a_number_counts_as_its_text_without_blanks_around_it(case: Case) -> None:
    """In every text field: a number keeps its digits, 0 included, and blanks of any script go."""
    texts = [order for kind, order in fields(case) if kind in TEXTS]
    for number, order in enumerate(texts):
        turn = number % len(AS_TEXT)  # three values a field, each value in many fields
        for odd, text in (AS_TEXT * 2)[turn : turn + 3]:
            assert outcome(case, order(odd)) == outcome(case, order(text))


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_another_type_in_the_place_of_an_object_counts_as_missing(case: Case) -> None:
    """A customer, an article or an address that is a text, a number or a list has no effect."""
    for kind, order in fields(case):
        if kind not in (*TEXTS, *ORDINARY, wire.Lines):
            assert {outcome(case, order(odd)) for odd in NO_OBJECT} == {outcome(case, order(None))}


@pytest.mark.parametrize("lines", ["x", 5, {}, [1], [{}, None], [[]]])
@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_lines_of_another_type_hold_the_order(case: Case, lines: Any) -> None:
    """Without them, something unknown would be missing."""
    raw = msgspec.json.encode({case.key: 7, "lines": lines})
    assert outcome(case, raw) == "unreadable order | lines is not a list of lines"


def test_an_empty_object_is_no_address() -> None:
    """It stands for no other one either; an address with keys that we do not know is there, and empty."""
    lines = b'"lines":[{"quantity":1}]'
    other = b'"shipping_address":{"city":"Lyon"}'
    order = traede_order.to_order("shop", b'{"id":7,"delivery_address":{},%b,%b}' % (other, lines))
    assert order.delivery_address is None
    order = traede_order.to_order("shop", b'{"id":7,"delivery_address":{"by":"6"},%b,%b}' % (other, lines))
    assert order.delivery_address is not None
    assert order.delivery_address.city == ""
    order = traede_order.to_order("shop", b'{"id":7,"delivery_address":"x",%b,%b}' % (other, lines))
    assert order.delivery_address is not None
    assert order.delivery_address.city == "Lyon"


@pytest.mark.parametrize(("raw", "text"), WRITTEN)
def test_blanks_around_a_text_are_no_part_of_it(raw: bytes, text: str) -> None:
    """However JSON writes them."""
    order = b'{"order_id":7,"lines":[{"quantity":1,"sku":%b}],"comment":%b,"order_number":%b}' % (raw, raw, raw)
    found = traede_order.to_order("shop", order)
    assert (found.lines[0].sku, found.notes, found.reference) == (text, text, text)


@pytest.mark.parametrize(
    "value", [b"12345e999999999999999999", b'"\xff"', b'"\x01"', b"1e99999999999999999999", b"[" * 5000]
)
@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_a_value_that_is_no_json_holds_the_order(case: Case, value: bytes) -> None:
    """Even in an unused field: the bytes are not those that the vendor meant."""
    raw = b'{"%b":7,"lines":[{"quantity":1}],"unknown":%b}' % (case.key.encode(), value)
    assert outcome(case, raw).startswith("unreadable order | ")


@pytest.mark.parametrize("case", CASES, ids=IDS)
@given(seed=st.integers(0, 2**64))
@settings(max_examples=60, deadline=None)
def test_a_spoilt_order_is_an_order_or_unmappable(case: Case, seed: int) -> None:
    """Whatever is wrong with its bytes, nothing else comes of it."""
    random = Random(seed)
    for raw in islice(mutated(encode(random.choice(case.orders)), random), 10):
        outcome(case, raw)
