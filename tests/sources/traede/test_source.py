"""Traede's two exports as sources: the contract of all sources, their settings, and `check`."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar

import msgspec
import pytest

from connector.sandbox.server import encode
from connector.sandbox.traede.orders import production_orders, traede_orders
from connector.settings.values import Secret, Url
from connector.sources import SOURCES
from connector.sources.base import SupportsAckLookup, SupportsReplay
from connector.sources.traede.settings import TraedeOrdersSettings, TraedeProductionOrdersSettings
from connector.sources.traede.source import TraedeOrders, TraedeProductionOrders
from tests.contracts.source import SourceContract
from tests.contracts.source_harness import SourceHarness
from tests.sources.traede.bench import BASE, Export, order, production_order, settings, source, traede


class _Traede(SourceContract):
    """The common part of the two contract tests."""

    page_limit = 20
    export: ClassVar[Export]

    def make(self, ids: list[str], *, up: bool = True) -> AbstractAsyncContextManager[SourceHarness]:
        """Serve one order under these ids."""
        made = order if self.export == "orders" else production_order
        return traede([made(number) for number in ids], self.export, up=up, page_size=self.page_limit)

    def offline(self) -> Any:
        """Return a source that will make no call."""
        return source(self.export)


class TestTraedeOrders(_Traede):
    """Traede's orders keep the promises of every source."""

    source = TraedeOrders
    export = "orders"

    def sample(self) -> bytes:
        """Return an order of the stand-in, with the nested objects that a line may have."""
        made = traede_orders(3)[2]
        sizes = {"variant": {"sku": "FJ-1", "ean": "5700000200019", "name": "Oat"}, "product": {"name": "F"}}
        made["lines"][0] |= sizes
        return encode(made)


class TestTraedeProductionOrders(_Traede):
    """Traede's production orders keep the promises of every source."""

    source = TraedeProductionOrders
    export = "production-orders"

    def sample(self) -> bytes:
        """Return a production order of the stand-in, with everything that can be included."""
        return encode(production_orders(1)[0])


def test_they_are_registered() -> None:
    """The two values of `type:`, and the optional protocols that the classes implement."""
    assert SOURCES["traede_orders"] is TraedeOrders
    assert SOURCES["traede_production_orders"] is TraedeProductionOrders
    for export in ("orders", "production-orders"):
        made = source(export)
        assert isinstance(made, SupportsAckLookup)
        assert isinstance(made, SupportsReplay)


@pytest.mark.parametrize(("regulate", "idempotent"), [(True, False), (False, True)])
def test_a_mark_that_moves_stock_is_not_repeated(regulate: bool, idempotent: bool) -> None:
    """A second mark might move it again, so the flow looks up before it repeats one (vendors.md 6, 001/002, #9)."""
    assert source(regulate_inventory=regulate).traits.ack_idempotent is idempotent
    assert source("production-orders").traits.ack_idempotent is True


async def test_a_check_says_what_it_found() -> None:
    """One line for the operator, from one page."""
    async with traede(traede_orders(7)) as h:
        assert await h.source.check() == "export works for system erp, 7 orders on the first page"


async def test_a_check_warns_of_moving_stock() -> None:
    """With regulate_inventory every mark is irreversible: the operator reads it before the first order."""
    async with traede([order(1)], regulate_inventory=True) as h:
        line = await h.source.check()
        assert "regulate_inventory is true" in line
        assert "moves stock" in line
        assert "archives the order" in line
        assert "cannot be undone" in line
        assert not h.vendor.regulated


def test_the_settings_are_those_of_the_page() -> None:
    """The keys of design.md, section 5, with their defaults."""
    keys: dict[str, Any] = {"token": "t", "app_key": "k", "system_id": "erp"}
    found = _converted({"type": "traede_orders", **keys, "regulate_inventory": False}, TraedeOrdersSettings)
    assert found == settings(token=Secret("t"), app_key=Secret("k"))
    assert (found.base_url, found.page_size, found.filters) == (Url(BASE), 60, [])
    flags = (found.include_not_approved, found.include_cancelled, found.include_archived)
    assert flags == (False, False, False)
    made = _converted({"type": "traede_production_orders", **keys}, TraedeProductionOrdersSettings)
    assert (made.include_open, made.include_closed, made.include, made.filters) == (False, False, [], [])


@pytest.mark.parametrize(
    "wrong",
    [
        {"regulate_inventory": ...},
        {"regulate_inventory": "true"},
        {"system_id": ""},
        {"system_id": ...},
        {"token": ...},
        {"app_key": ...},
        {"page_size": 61},
        {"page_size": 0},
        {"include_archived": 1},
        {"include_open": True},
        {"include": ["lines"]},
        {"filters": [{"key": "id", "operator": "eq", "value": "2026-01-01"}]},
    ],
)
def test_settings_that_are_refused(wrong: dict[str, Any]) -> None:
    """`regulate_inventory` has no default. 60 is Traede's largest page (vendors.md 2)."""
    keys = {"type": "traede_orders", "token": "t", "app_key": "k", "system_id": "erp", "regulate_inventory": True}
    given = {key: value for key, value in {**keys, **wrong}.items() if value is not ...}
    _converted(keys, TraedeOrdersSettings)
    with pytest.raises(msgspec.ValidationError):
        _converted(given, TraedeOrdersSettings)


def _converted(value: dict[str, Any], struct: type[Any]) -> Any:
    return msgspec.convert(value, struct, dec_hook=lambda kind, inner: kind(inner))
