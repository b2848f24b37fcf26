"""
Mappings of every kind, and content of orders that only a mapping reads.

A hint is a field of the vendor's own that no revision covers. Some orders begin with one that is in no table, so that
they are held, and are corrected later; some get another one while they wait.
"""

from __future__ import annotations

from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any, Literal, get_args

import msgspec

from connector.errors import Unmappable
from connector.mapping.plain import plain_order
from connector.order import Order
from connector.receivers.ewarehousing.mapping import create_order
from connector.settings import Settings
from tests.simulation.vendors.base import Truth

if TYPE_CHECKING:
    from tests.simulation.world import World

__all__ = ["CODES", "UNKNOWN", "Kind", "drawn", "hinted", "to_erp", "to_warehouse", "with_mappings"]

Kind = Literal["none", "tree", "raw", "nothing", "function"]
"""
Mappings of a route: the default, a tree over it, one that reads the vendor's own fields, one from nothing, or Python.
"""

CODES = {"A1": "first", "A2": "second", "A3": "third"}
UNKNOWN = "A0"
LABEL = "=concat('for ', reference)"
DATE = "=default(requested_delivery_date, date(created_at, '%Y-%m-%d', 'Europe/Amsterdam'))"
READS_HINTS: tuple[Kind, ...] = ("raw", "function")


def drawn(chance: Random) -> Kind:
    """Return how a schedule maps: by the default in every other one."""
    return "none" if chance.random() < 0.5 else chance.choice((*get_args(Kind)[1:], "raw", "raw"))


def with_mappings(own: Settings, kind: Kind) -> Settings:
    """Return settings whose routes map in this way."""
    if kind == "none":
        return own
    routes = []
    for route in own.routes:
        named = (*route.receivers, *route.optional)
        trees = {name: _mapping(kind, route.source, name) for name in named}
        routes.append(msgspec.structs.replace(route, mapping=trees if len(named) > 1 else trees[named[0]]))
    return msgspec.structs.replace(own, routes=routes, tables={"codes": CODES})


def _mapping(kind: Kind, source: str, receiver: str) -> Any:
    at_erp = receiver == "erp"
    if kind == "function":
        return f"tests.simulation.mappings:to_{'erp' if at_erp else 'warehouse'}"
    if kind == "tree":
        return {"label": LABEL} if at_erp else {"meta_data": {"label": LABEL}}
    if kind == "raw":
        hint = "raw.shipments[0].hint" if source == "transport" else "raw.hint"
        found = f"=lookup('codes', {hint})"
        return {"hint": found} if at_erp else {"meta_data": {"hint": found}}
    if at_erp:
        return {"defaults": False, "number": "=reference", "lines": "=lines"}
    return {
        "defaults": False,
        "external_reference": "=external_id",
        "order_lines": {
            "each": "=lines",
            "do": {
                "article_code": "=item.sku",
                "quantity": "=item.quantity",
                "description": "=default(item.name, item.sku)",
            },
        },
        "shipping_address": {
            "addressed_to": "=default(delivery_address.company, delivery_address.person)",
            "street": "=delivery_address.street",
            "street_number": "=delivery_address.number",
            "zipcode": "=delivery_address.postal_code",
            "city": "=delivery_address.city",
            "country": "=upper(delivery_address.country)",
        },
        "shipping_contactperson": "=default(contact.name, delivery_address.person, delivery_address.company)",
        "requested_delivery_date": DATE,
    }


def _hint(order: Order) -> str:
    raw = msgspec.json.decode(order.raw)
    code = raw.get("shipments", [raw])[0].get("hint")
    if code not in CODES:
        raise Unmappable(f"missing code: codes/{code}", ours=True)
    return CODES[code]


def to_warehouse(order: Order) -> dict[str, Any]:
    """Map as a person's own function would, without a thought for the identity."""
    made: dict[str, Any] = msgspec.to_builtins(create_order(order))
    del made["external_id"]
    return {**made, "meta_data": {**made["meta_data"], "hint": _hint(order)}}


def to_erp(order: Order) -> dict[str, Any]:
    """Map to the second receiver, likewise."""
    made: dict[str, Any] = msgspec.to_builtins(plain_order(order))
    del made["external_id"]
    return {**made, "hint": _hint(order)}


def hinted(world: World, kind: Kind, chance: Random) -> None:
    """Give every order a hint, and let some be corrected or changed at their source."""
    if kind not in READS_HINTS:
        return
    for truth in world.orders.values():
        wrong = not (truth.broken or truth.skipped) and chance.random() < 0.3
        truth.hints.append((0.0, UNKNOWN if wrong else "A1"))
        changes = ["A2"] if wrong or chance.random() < 0.3 else []
        changes += ["A3"] if chance.random() < 0.3 else []
        for code in changes:
            world.time.at(chance.uniform(0.2, world.profile.chaos), partial(_change, world, truth, code))


def _change(world: World, truth: Truth, code: str) -> None:
    """Change the hint of an order; one that is not placed yet gets it from the start."""
    wrong = truth.hints[-1][1] == UNKNOWN
    truth.hints.append((world.time.now, code))
    if truth.placed >= 0:
        world.sources[truth.source].hint(truth)
        world.note(f"{truth.external_id} hints {code}")
        world.counts[f"world {'a correction' if wrong else 'a change'} that only the mapping reads"] += 1
