"""The quick reading of Zendera's usual order gives what the careful one gives, or steps back."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.errors import Unmappable
from connector.order import Order
from connector.sandbox.standin import encode
from connector.sandbox.zendera_shipments import seed_shipment, zendera_shipments
from connector.sources import zendera_usual as usual
from connector.sources import zendera_wire as wire
from connector.sources.zendera_shipment import careful, to_order
from connector.sources.zendera_single import single
from tests.sources.zendera_bench import group

OSLO = ZoneInfo("Europe/Oslo")
DELETED: Any = object()
ODD: tuple[Any, ...] = (
    *(DELETED, None, "", " ", " a  b ", "\x00", "a\n", "\xa0", 0, 1, -1, 2**70, True, False, "0", "12345", "x" * 80),
    *(Decimal("0.0"), Decimal("1.50"), Decimal("1E+3"), Decimal("1E-400000000"), Decimal("0.00000000001")),
    *("NaN", "Infinity", "sNaN", "1.50", "-2", "1" * 30, "1E+2", "0.000000000001", 10**13, Decimal("123456.123456")),
    *("2026-06-11", "2026-06-11T04:00:00Z", "2026-06-11T23:30:00+02:00", "2026-06-11 04:00", "20260611T040000Z"),
    *("1781172000000", "1781172000", 1781172000, "1970-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "tomorrow"),
    *("9999-12-31T23:59:59Z", "2026-06-11T04:00:00." + "1" * 60 + "Z", "2026-06-11T04:00:00.5Z"),
    *("Norway", "sverige", "no", "nok", "SEK", "CANCELLED", " canceled ", "PALL-1", "ROW-20"),
    *(
        [],
        {},
        ["a"],
        [None],
        [{}],
        {"a": "b"},
        {"a": ""},
        {"a": " "},
        {"": "x"},
        {"a": 1},
        {"a": {"b": "c"}},
        [{"value": " v "}],
    ),
    *([{"value": ""}], [{"value": "v"}, {"value": "v", "type": "t"}], [{"type": "t"}], {"value": "v"}),
    *({"name": "N"}, {"amount": 5}, {"amount": "0"}, {"amount": "5.5", "currency": "sek"}, {"currency": "NOK"}),
    *(
        {"address1": "A", "city": "C"},
        {"address": {"address1": "A"}},
        {"firstName": "F"},
        [{"firstName": "F"}],
        [{"name": "F"}],
    ),
)


def usual_shipment() -> dict[str, Any]:
    """Return a shipment with every field that the quick reading knows."""
    shipment = seed_shipment(
        status="DISPATCHED", currency="nok", notes="Ring på to ganger", comment="Hund", date="2026-06-11"
    )
    shipment["parcels"] = [
        {
            "id": 900001,
            "name": "Lenestol",
            "description": "Fløy",
            "quantity": 2,
            "weight": Decimal("24.75"),
            "length": 90,
            "width": Decimal("82.5"),
            "height": 0,
            "barcodeId": "7038010051370",
            "externalId": "ROW-10",
            "atomType": "trade item",
            "metadata": {"orderRow": "10", "barcode_id": "own"},
        },
        {"id": 900002, "name": "Bord"},
    ]
    for side in (shipment["sender"], shipment["delivery"]):
        side["address"] |= {"state": "Oslo", "name": "House", "street": "Other 1", "countryCode": "NO"}
        side["contacts"][0] |= {"name": "Full Name", "phone": "2", "email": "other@example.com"}
    return shipment


def other_words() -> dict[str, Any]:
    """Return a shipment that has the second spelling wherever there are two, and no window at its sender."""
    place = {"street": "Storgata 1", "name": "House", "country": "NORGE"}
    contact = {"name": "Kari Moen", "phone": "1", "email": "k@example.com"}
    return {
        "orderId": 12345,
        "shipmentId": "7",
        "externalId": "WEB-1",
        "customer": {"name": "Nordlys"},
        "sender": {"address": place, "contacts": [contact]},
        "delivery": {"address": place, "contacts": [contact], "earliest": "2026-06-11T12:00:00Z"},
        "parcels": [{"description": "Sofa", "externalId": "ROW-1"}],
        "cashOnDelivery": {"amount": "5"},
    }


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield where something stands, at every depth."""
    if path:
        yield path
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(inner, (*path, key))


def changed(shipment: dict[str, Any], path: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    """Return a copy in which something else stands at a place; what is no place any more stays away."""
    result = copy.deepcopy(shipment)
    part: Any = result
    try:
        for key in path[:-1]:
            part = part[key]
        if value is DELETED:
            del part[path[-1]]
        else:
            part[path[-1]] = copy.deepcopy(value)
    except (KeyError, IndexError, TypeError):
        pass
    return result


SHIPMENT, OTHER_WORDS = usual_shipment(), other_words()
PLACES = [*places(SHIPMENT)]
NEW = [  # what the usual shipment does not have
    *((name,) for name in ("shipmentId", "externalId", "pickup", "senderAddress", "senderContact", "deliveryAddress")),
    *((name,) for name in ("deliveryContact", "unknown")),
    *(("parcels", 0, name) for name in ("parentExternalId", "contributorMetadata", "unknown")),
    *((side, "contact") for side in ("sender", "delivery")),
]  # fmt: skip


def read(raw: bytes, **given: Any) -> object:
    """Return what the careful reading makes of it, written out so that not even digits may differ, or why nothing."""
    try:
        return written(careful("transport", raw, zone=OSLO, **given))
    except Unmappable as exc:
        return exc.cause, exc.detail, exc.ours


def written(order: Order) -> object:
    """Return an order with everything in it, in its order."""
    return msgspec.json.encode(order), repr(order)


def assert_same(raw: bytes) -> bool:
    """Compare the readings; return whether the quick one had something to say."""
    quick = single("transport", raw, OSLO)
    if quick is not None:
        for stated in (None, "each", "once"):
            assert written(quick) == read(raw, cash_stated=stated)
    return quick is not None


def test_the_usual_orders_are_read_quickly() -> None:
    """All that the sandbox makes up of one shipment, the seed's own words, and the least that there can be."""
    assert assert_same(group(SHIPMENT))
    assert assert_same(group(OTHER_WORDS))
    for shipment in zendera_shipments(300, split=0):
        assert assert_same(group(shipment, order_id=str(shipment["orderId"])))
    assert assert_same(
        group(
            {
                "orderId": "12345",
                "delivery": {"address": {"city": "Oslo"}, "earliest": "2026-06-11T12:00:00Z"},
                "unknown": 1,
            }
        )
    )


@pytest.mark.parametrize("path", [*PLACES, *NEW], ids=lambda path: ".".join(map(str, path)))
def test_an_odd_value_at_any_place(path: tuple[str | int, ...]) -> None:
    """Of whatever type, there or gone."""
    for value in ODD:
        assert_same(group(changed(SHIPMENT, path, value)))
        assert_same(group(changed(OTHER_WORDS, path, value)))


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([*PLACES, *NEW]), st.sampled_from(ODD)), min_size=2, max_size=5))
def test_odd_values_at_several_places(changes: list[tuple[tuple[str | int, ...], Any]]) -> None:
    """What one of them hides, another one may bring to light."""
    shipment = SHIPMENT
    for path, value in changes:
        shipment = changed(shipment, path, value)
    assert_same(group(shipment))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damaged_bytes(data: st.DataObject) -> None:
    """Cut off, changed, doubled: no JSON, or not the same any more."""
    raw = group(SHIPMENT)
    start = data.draw(st.integers(0, len(raw)))
    end = data.draw(st.integers(start, min(start + 30, len(raw))))
    put = data.draw(
        st.one_of(st.binary(max_size=4), st.sampled_from([b'"', b"{}", b"1e99999999999999999999", b"null,"]))
    )
    assert_same(raw[:start] + put + raw[end:])


@pytest.mark.parametrize(
    "raw",
    [
        group(OTHER_WORDS, changed(OTHER_WORDS, ("shipmentId",), "8")),
        group(),
        group(changed(SHIPMENT, ("delivery", "earliest"), "2026-06-11T12:00:00." + "0" * 60 + "Z")),
        group(SHIPMENT).replace(b'"reference":', b'"unknown":' + b"[" * 100_000 + b',"reference":'),
        group(SHIPMENT, order_id="12346"),
        group(changed(SHIPMENT, ("orderId",), 0), order_id="0"),
        group(changed(SHIPMENT, ("orderId",), " 1"), order_id=" 1"),
        group(changed(SHIPMENT, ("orderId",), ".."), order_id=".."),
        group(SHIPMENT).replace(b'"weight":24.75', b'"weight":1e99999999999999999999'),
        group(SHIPMENT).replace(b'"reference":"PO', b'"reference":"\xff'),
        b"[" * 100_000,
        b"",
    ],
)
def test_it_steps_back(raw: bytes) -> None:
    """From several shipments, from what names no one order, and from what cannot be read."""
    assert not assert_same(raw)


def test_whoever_asks_gets_the_quick_reading_or_the_careful_one() -> None:
    """With the same fields either way, and the same refusals."""
    for shipment in (SHIPMENT, changed(SHIPMENT, ("delivery", "address"), None)):
        raw = group(shipment)
        try:
            found: object = written(to_order("transport", raw, zone=OSLO))
        except Unmappable as exc:
            found = exc.cause, exc.detail, exc.ours
        assert found == read(raw)
    two = group(SHIPMENT, seed_shipment(id=2))
    assert to_order("transport", two, zone=OSLO, cash_stated="once").cash_on_delivery == Decimal("1499.00")


@pytest.mark.parametrize("name", usual.__all__)
def test_the_usual_structs_leave_no_field_out(name: str) -> None:
    """One that were not declared would not be looked at, whatever stands there."""
    mine, other = getattr(usual, name), getattr(wire, name)
    assert [field.encode_name for field in msgspec.structs.fields(mine)] == [
        field.encode_name for field in msgspec.structs.fields(other)
    ]


def test_the_bodies_are_json() -> None:
    """So that what differs is what was changed."""
    assert msgspec.json.decode(encode(SHIPMENT))["parcels"][1] == {"id": 900002, "name": "Bord"}
