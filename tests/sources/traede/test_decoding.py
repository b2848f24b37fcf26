"""The two ways to decode Traede's orders: what comes of the quick one is what would have come of the careful one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from random import Random
from typing import Any, NamedTuple, get_args

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Raw

from connector.errors import Unmappable
from connector.sandbox.server import encode
from connector.sandbox.traede.orders import production_orders, traede_orders
from connector.sources.traede import decoding, production_order
from connector.sources.traede import order as traede_order
from connector.sources.traede import wire as traede_wire
from tests.fuzz.bodies import mutated

pytestmark = pytest.mark.slow

ORDINARY: dict[Any, list[Any]] = {
    traede_wire.Text: ["x", "Ø y", " z ", "", None],
    traede_wire.Label: ["x", "Ø y", " z ", 7, "", None],
    traede_wire.Code: ["DKK", {"code": "SEK"}, {"iso": " ", "alpha2": "NO"}, {}, "", None],
    traede_wire.Amount: [3, 0, "12.50", Raw(b"349.50"), Raw(b"-0.0"), Raw(b"-0"), Raw(b"1e3"), "-1e1", "", None],
    traede_wire.Zip: ["8000", " 8000 ", "SW1A 1AA", "", None],
    traede_wire.Time: ["2026-01-05 08:52:50", "2026-01-05T08:52:50+02:00", "2026-01-05", "0000-00-00", "", None],
    Any: [
        5,
        "7",
        "true",
        0,
        1,
        {"a": "b", "c": 1, "d": " ", "e": Raw(b"1.50")},
        [7, {"id": 8}, {"number": "9"}],
        [],
        {},
        None,
    ],
}
"""What may stand in a field of a type, so that the order is decoded the quick way, most of the time."""
ODD: list[Any] = [
    *("  ", "\t", "\u00a0x", "\u2003", "0", True, False, 0, -3, [], {}, [[]], [None], {"code": " "}, {"x": 1}),
    *(
        Raw(b"9223372036854775808"),
        Raw(b"1.5"),
        Raw(b"-0"),
        Raw(b"1E+13"),
        Raw(b"1e-400"),
        Raw(b"0e-13"),
        Raw(b"1" * 29),
        Raw(b"1" * 5000),
    ),
    *(
        "NaN",
        "1_0",
        " 5 ",
        "+5",
        "-Infinity",
        "1e-13",
        "9" * 29,
        "٣",
        "cancelled",
        "2026-13-01",
        "0001-01-01T00:00:00+14:00",
        " 0000-00-00",
    ),
    *(Raw(b'"\xff"'), Raw(b'"\\ud800"'), Raw(b'"\\u00a0"'), Raw(b'"\x01"'), Raw(b"1e99999999999999999999")),
    Raw(b"12345e999999999999999999"),
]

BLANK = [
    b'"%b"' % text
    for blank in (
        *(char.encode() for char in (" ", *decoding._BLANKS)),
        b"\\t",
        b"\\u00a0",
        b"\\u2003",
        b"\\u001F",
    )
    for text in (blank, blank + b"Bo", b"Bo" + blank, b"Bo" + blank + b"Bo", b'\\"' + blank, blank + b"\xc3\xa9")
]
"""Texts with a blank in them."""


class Case(NamedTuple):
    """One of the two exports: its struct, its id's key, the whole reading of it, and what follows the decoding."""

    kind: Any
    key: str
    to_order: Callable[[str, bytes], Any]
    build: Callable[..., Any]
    orders: list[dict[str, Any]]


CASES = [
    Case(traede_wire.Order, "order_id", traede_order.to_order, traede_order._order, traede_orders(60)),
    Case(
        traede_wire.Production,
        "production_order_id",
        production_order.to_order,
        production_order._order,
        production_orders(60),
    ),
]
IDS = ["orders", "production-orders"]


def quick(case: Case, raw: bytes) -> str:
    """Return what comes of an order."""
    return outcome(lambda: case.to_order("shop", raw))


def careful(case: Case, raw: bytes) -> str:
    """Return what comes of an order that is not even tried the quick way."""
    return outcome(lambda: case.build("shop", raw, decoding.lenient(case.kind, raw)))


def outcome(read: Callable[[], Any]) -> str:
    """Return all there is to an order, or to what is wrong with it."""
    try:
        return repr(read())
    except Unmappable as exc:
        return f"{exc.cause} | {exc.detail}"


def made(kind: Any, random: Random, odd: float) -> dict[str, Any]:
    """Return an object with most of the struct's fields in some order, a share of them odd."""
    wire: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        if random.random() < 0.7:
            ordinary = random.random() >= odd
            wire[field.encode_name] = value(field.type, random, odd) if ordinary else random.choice(ODD)
    keys = [*wire, "unknown"] if random.random() < odd else list(wire)
    return {key: wire.get(key, random.choice(ODD)) for key in random.sample(keys, len(keys))}


def value(annotation: Any, random: Random, odd: float) -> Any:
    """Return a value for a field of this type; objects in it have a share of odd ones."""
    if annotation in ORDINARY:
        return random.choice(ORDINARY[annotation])
    if annotation == list[traede_wire.Line] | None:
        lines = [made(traede_wire.Line, random, odd) for _ in range(random.randrange(1, 4))]
        return [{**line, "quantity": 2, "ordered": 1} for line in lines]
    nested, _ = get_args(annotation)
    return random.choice((None, made(nested, random, odd), made(nested, random, odd)))


def body(case: Case, random: Random, odd: float) -> bytes:
    """Return an order that nobody would send, in its types or nearly so."""
    wire = {"lines": value(list[traede_wire.Line] | None, random, odd), **made(case.kind, random, odd), case.key: 7}
    raw = msgspec.json.encode(wire)
    return raw.replace(b'"x"', random.choice((b'"x"', b'"\\u0078"', b'"x","name":"y"', b'" "')), 1) if odd else raw


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_ordinary_orders_are_decoded_the_quick_way(case: Case) -> None:
    """Each of the stand-in, and each whose fields are of their types, under whichever names."""
    random = Random(1)
    ordinary = [body(case, random, 0) for _ in range(100)]
    for raw in [*map(encode, case.orders), *ordinary]:
        case.build("shop", raw, decoding.typed(case.kind, raw))


def test_the_blanks_are_those_of_python() -> None:
    """What `str.strip` takes away, and is not in ASCII."""
    assert {*decoding._BLANKS} == {char for char in map(chr, range(128, 0x110000)) if char.isspace()}
    for char in map(chr, [*range(0x10000)]):
        if char.isspace():
            escaped = b'"\\u%04X"' % ord(char)
            assert decoding._ESCAPED.search(escaped), escaped
            assert decoding._ESCAPED.search(escaped.lower()), escaped


@pytest.mark.parametrize("raw", [*BLANK, *(raw.replace(b"o", b"\\u00f8") for raw in BLANK)])
def test_blanks_around_a_text(raw: bytes) -> None:
    """However they are written, they are not part of it; and a text of nothing else is none."""
    order = b'{"order_id":7,"lines":[{"quantity":1,"sku":%b}],"comment":"Hello","currency":%b,"order_number":%b}'
    raw = order % (raw, raw, raw)
    decoding.typed(traede_wire.Order, raw)
    assert quick(CASES[0], raw) == careful(CASES[0], raw)


@pytest.mark.parametrize("case", CASES, ids=IDS)
@given(seed=st.integers(0, 2**64))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_both_ways_come_to_the_same(case: Case, seed: int) -> None:
    """The same order, to the last digit and in the same form, or the same words about what is wrong with it."""
    random = Random(seed)
    bodies = [body(case, random, odd) for odd in (0, 0.003, 0.02)]
    for raw in [*bodies, *islice(mutated(encode(random.choice(case.orders)), random), 3)]:
        assert quick(case, raw) == careful(case, raw)


@pytest.mark.parametrize("case", CASES, ids=IDS)
@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
def test_each_odd_value_in_each_field(case: Case, odd: Any) -> None:
    """Every field of every object, one at a time, in an order that has something under each other name."""
    for raw in _spoilt(case.kind, odd):
        assert quick(case, raw) == careful(case, raw)


def _spoilt(kind: Any, odd: Any) -> Iterator[bytes]:
    whole = _whole(kind) | {"lines": [_whole(traede_wire.Line)]}
    for field in whole:
        yield msgspec.json.encode({**whole, field: odd})
        yield msgspec.json.encode({**whole, "lines": [_whole(traede_wire.Line) | {field: odd}]})
        inner = whole[field]
        for key in inner if isinstance(inner, dict) else ():
            yield msgspec.json.encode({**whole, field: {**inner, key: odd}})


def _whole(kind: Any) -> dict[str, Any]:
    """Return an object with something in each field."""
    wire: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        if field.type in (traede_wire.Text, traede_wire.Label):
            wire[field.encode_name] = f"a {field.name}"
        elif field.type in ORDINARY:
            wire[field.encode_name] = ORDINARY[field.type][0]
        elif field.type != list[traede_wire.Line] | None:
            wire[field.encode_name] = _whole(get_args(field.type)[0])
    return wire
