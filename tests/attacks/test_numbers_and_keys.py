"""Numbers out of range in every field of every vendor's order, and duplicate keys."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from connector.clients.ewarehousing.responses import row_id
from connector.errors import Unmappable
from connector.order import Order, revision
from connector.sources.propeller.paging import Search, Wanted
from connector.sources.seen_ids import SeenIds
from connector.sources.traede.paging import items as traede_items
from connector.sources.zendera.paging import FeedPage, Reading
from tests.doubles import LoopClock
from tests.fuzz.targets import targets

NUMBERS = [
    b"1E+400000000",
    b"-1E+400000000",
    b"1E+99999999999999999999",
    b"1E-99999999999999999999",
    b"1E-400000000",
    b"1e999",
    b"-1e999",
    b"NaN",
    b"Infinity",
    b"-Infinity",
    b"9" * 5000,
    b"0." + b"9" * 5000,
    b"1208925819614629174706176",
    b'"1E+400000000"',
    b'"NaN"',
    b'"' + b"9" * 5000 + b'"',
]
READERS = {name: target for name, target in targets().items() if name.endswith(".order")}


def spots(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every leaf."""
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from spots(value[key], (*path, key))
    else:
        yield path


def with_at(sample: bytes, path: tuple[Any, ...], value: bytes) -> bytes:
    """Return `sample` with `value` at `path`."""
    whole = place = msgspec.json.decode(sample)
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = msgspec.Raw(value)
    return msgspec.json.encode(whole)


@pytest.mark.attack(13)
@pytest.mark.fault(44)
@pytest.mark.parametrize("name", READERS)
async def test_no_number_anywhere_breaks_the_reading(name: str) -> None:
    """In every field, the order is read or held at once; calculating with such a number would take forever."""
    target = READERS[name]
    started = time.process_time()
    tried = 0
    for path in spots(msgspec.json.decode(target.samples[0])):
        for number in NUMBERS:
            finding, _ = await target.one(with_at(target.samples[0], path, number))
            assert finding is None, str(finding)
            tried += 1
    assert tried > 100
    assert time.process_time() - started < 30


def listed(name: str, source: Any, body: bytes) -> str:
    """Return the id under which a poll lists an order."""
    if name.startswith("propeller"):
        search = Search(source.endpoint, ["NEW"], "status", 50, LoopClock())
        item = search._item(body, Wanted([]), SeenIds())
        assert item is not None
        return item.order_id
    if name.startswith("traede"):
        return traede_items([msgspec.Raw(body)], source._id_keys)[0].order_id
    if name.startswith("zendera"):
        reading = Reading()
        shipment = msgspec.json.decode(body, type=dict[str, msgspec.Raw])["shipments"]
        reading.add(FeedPage(shipments=msgspec.json.decode(shipment, type=list[msgspec.Raw])))
        (order_id,) = reading
        return order_id
    return row_id(body)


@pytest.mark.attack(14)
@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("propeller.order", b'"id":'),
        ("traede.orders.order", b'"order_id":'),
        ("traede.production-orders.order", b'"production_order_id":'),
        ("zendera.order", b'"orderId":'),
        ("ewarehousing.order", b'"id":'),
    ],
)
def test_a_key_that_is_there_twice_is_one_identity(name: str, key: bytes) -> None:
    """Whichever of two ids counts, the list and the order use the same one: no other order is acknowledged."""
    target = READERS[name]
    sample = target.samples[0] if name != "zendera.order" else single(target.samples[0])
    at = sample.index(key, sample.index(b"shipments") if name == "zendera.order" else 0)
    body = sample[:at] + key + b"424242," + sample[at:]
    source: Any = target.owner
    order = source.to_order(as_group(body, listed(name, source, body)) if name == "zendera.order" else body)
    assert isinstance(order, Order)
    assert order.order_id == listed(name, source, body)


def single(group: bytes) -> bytes:
    """Return the group with only its first shipment."""
    found = msgspec.json.decode(group)
    return msgspec.json.encode({**found, "shipments": found["shipments"][:1]})


def as_group(body: bytes, order_id: str) -> bytes:
    """Return the shipments of `body` as the feed groups them."""
    shipments = msgspec.json.decode(body, type=dict[str, msgspec.Raw])["shipments"]
    return b'{"orderId":%b,"shipments":%b}' % (msgspec.json.encode(order_id), bytes(shipments))


@pytest.mark.attack(15)
@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda raw: b"\xef\xbb\xbf" + raw, id="a BOM"),
        pytest.param(lambda raw: raw.decode().encode("utf-16"), id="UTF-16"),
        pytest.param(lambda raw: raw.decode().encode("utf-32-be"), id="UTF-32"),
        pytest.param(lambda raw: raw.replace(b'":"', b'":"\xff', 1), id="invalid UTF-8"),
        pytest.param(lambda raw: raw.replace(b'":"', b'":"\xed\xa0\x80', 1), id="a surrogate in UTF-8"),
        pytest.param(lambda raw: raw.replace(b'":"', b'":"\\ud800', 1), id="a lone surrogate"),
    ],
)
def test_what_is_no_text_is_held(name: str, spoil: Any) -> None:
    """It is listed as it is, and held under one cause; nothing of it reaches a receiver."""
    target = READERS[name]
    body = spoil(target.samples[0])
    if body == target.samples[0]:
        pytest.skip("has no text to spoil")
    source: Any = target.owner
    with pytest.raises(Unmappable, match="unreadable order"):
        source.to_order(body)


def test_the_samples_are_orders() -> None:
    """Otherwise the tests above would prove nothing."""
    for target in READERS.values():
        source: Any = target.owner
        assert revision(source.to_order(target.samples[0]))
