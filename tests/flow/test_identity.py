"""The connector owns the identity of an order: no mapping and no plugin changes or omits it."""

from __future__ import annotations

import sys
from collections import Counter
from types import ModuleType
from typing import Any

import msgspec
import pytest

from connector.errors import InDoubtError
from connector.events import OrderHeld
from connector.order import Order
from tests.doubles import FailingSource, LoopClock, MemorySource
from tests.flow.bench import Bench

pytestmark = [pytest.mark.looptime, pytest.mark.fault(125)]


def with_mapping(bench: Bench, mapping: Any) -> None:
    """Let the route use a mapping of its own."""
    bench.settings.routes[0] = msgspec.structs.replace(bench.settings.routes[0], mapping=mapping)


def causes(bench: Bench) -> Counter[str]:
    """Return the number of held orders by cause."""
    return Counter(event.cause for event in bench.events if isinstance(event, OrderHeld))


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """An importable module of mappings."""
    module = ModuleType("own_mappings")
    monkeypatch.setitem(sys.modules, "own_mappings", module)
    return module


@pytest.mark.parametrize("mapping", [{"defaults": False, "notes": "x"}, "own_mappings:silent"])
async def test_a_mapping_that_leaves_the_identity_out_is_given_it(mapping: Any, own: ModuleType) -> None:
    """A request carries the identity that look-ups use, so that an order with a lost response is found."""
    own.silent = lambda order: {"notes": "x"}  # type: ignore[attr-defined]
    bench = Bench()
    with_mapping(bench, mapping)
    bench.shop.put("1", "2", "3")
    bench.wms.lost.extend([InDoubtError("lost")] * 3)
    await bench.drained()

    sent = [msgspec.json.decode(body)["external_id"] for _, body in bench.wms.orders]
    assert sorted(sent) == ["shop-1", "shop-2", "shop-3"]
    assert set(bench.wms.finds_of) == set(sent)
    assert bench.shop.feed == {}


async def test_a_function_that_gives_another_identity_holds_its_orders(own: ModuleType) -> None:
    """No request is sent; the cause names the mapping, and one retry releases all orders once it is corrected."""
    own.other = lambda order: {"external_id": order.reference or "R-1", "notes": "x"}  # type: ignore[attr-defined]
    bench = Bench()
    with_mapping(bench, "own_mappings:other")
    bench.shop.put("1", "2")
    await bench.drained()

    assert causes(bench) == Counter({"mapping own_mappings:other sets external_id": 2})
    assert bench.wms.creates == []


class Misnaming(MemorySource):
    """A plugin that reads some orders as those of another source, or as other orders."""

    def to_order(self, raw: bytes) -> Order:
        """Read an order; get the identity of the first two wrong."""
        order = super().to_order(raw)
        if order.order_id == "1":
            return msgspec.structs.replace(order, source="elsewhere")
        return msgspec.structs.replace(order, order_id="3") if order.order_id == "2" else order


class FailingMisnaming(Misnaming, FailingSource):
    """The same for a source that accepts failures."""


@pytest.mark.parametrize("kind", [Misnaming, FailingMisnaming])
async def test_an_order_that_its_source_takes_for_another_is_held(kind: type[MemorySource]) -> None:
    """The identity is the configured name and the id in the feed; a mismatch is our error and reports no failure."""
    bench = Bench()
    clock = LoopClock()
    bench.sources["shop"] = source = kind("shop", clock)
    source.put("1", "2", "3")
    await bench.drained()

    assert causes(bench) == Counter({"wrong identity": 2})
    assert bench.wms.count() == Counter(["shop-3"])
    assert [order_id for order_id, *_ in source.outcomes] == ["3"]


@pytest.mark.parametrize("order_id", [" 1", "1 ", "1\u200b", "1\n"])
async def test_an_id_that_a_receiver_may_store_differently_is_held(order_id: str) -> None:
    """White space at the ends and invisible characters are dropped by some systems; such an order is held."""
    bench = Bench()
    bench.shop.put(order_id, "2")
    await bench.drained()

    assert causes(bench) == Counter({"unusable order id": 1})
    assert bench.wms.count() == Counter(["shop-2"])
