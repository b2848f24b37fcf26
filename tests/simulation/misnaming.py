"""Plugins that mistake an order for another: their sources read order 7 of the list as 8, or as another source's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from random import Random
from typing import TYPE_CHECKING, Any

import msgspec

from connector.clock import SystemClock
from connector.order import Order
from connector.pipeline.routes import Route, build
from connector.registry import make_receivers, make_sources
from connector.settings import Settings

if TYPE_CHECKING:
    from tests.simulation.world import World

__all__ = ["lanes_of", "misname", "misread"]


def lanes_of(own: Settings) -> Mapping[str, Mapping[str, Route]]:
    """Return the lanes of settings, so that their requests can be checked."""
    known = msgspec.structs.replace(
        own,
        sources={name: each for name, each in own.sources.items() if name != "plugged"},
        routes=[route for route in own.routes if route.source != "plugged"],
    )
    clock = SystemClock()
    return build(known, make_sources(known, clock, {}), make_receivers(known, clock, {}))


def misname(world: World, chance: Random) -> None:
    """Let the plugins of some schedules get some orders wrong."""
    if chance.random() >= 0.08:
        return
    for truth in world.orders.values():
        if not (truth.broken or truth.refused or truth.unwanted or truth.skipped) and chance.random() < 0.2:
            truth.misnamed = truth.broken = True
            world.counts["world a plugin that takes an order for another"] += 1


def misread(world: World, sources: Iterable[Any]) -> None:
    """Let sources read some orders as other orders."""
    for source in sources:
        wrong = {each.order_id for each in world.orders.values() if each.misnamed and each.source == source.name}
        if wrong:
            source.to_order = _wrongly(source.to_order, wrong)


def _wrongly(read: Callable[[bytes], Order], wrong: set[str]) -> Callable[[bytes], Order]:
    def to_order(raw: bytes) -> Order:
        order = read(raw)
        if order.order_id not in wrong:
            return order
        if int(order.order_id) % 2:
            return msgspec.structs.replace(order, source="elsewhere")
        return msgspec.structs.replace(order, order_id=f"{order.order_id}0")

    return to_order
