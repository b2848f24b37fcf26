"""
The invariants at the second receiver, a webhook (vendors/erp.py): those of checks.py, for a receiver of its kind.

An order is looked up there where the receiver has a look-up. Where the receiver recognises a repeat, an order in doubt
is sent again; where it does neither, that order is held for a person, who looks there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from connector.pipeline.delivery.rejections import MANY
from tests.simulation.vendors.base import Truth

if TYPE_CHECKING:
    from tests.simulation.checks import Row
    from tests.simulation.world import Call, World

__all__ = ["NAME", "asked_before", "awaited", "explained", "held", "stuck", "suspected", "times", "wrong"]

NAME = "erp"
OPEN = frozenset({"new", "ready", "intent", "in_doubt"})
AGO = ("held", "rejected", "cancelled", "vanished")
"""States that a journal that was put back may have for an order that was acknowledged, or reinstated, since."""
DOUBTS = (f"in doubt at {NAME}", f"may already exist at {NAME}", f"duplicate at {NAME}")
"""The causes under which a person has to decide if the order may be there."""


def awaited(world: World, row: Row | None) -> bool:
    """Return True if the source has yet to wait for the second receiver, whose row this is."""
    return world.profile.second == "required" and (row is None or row.state != "delivered")


def times(world: World, external_id: str) -> Sequence[float]:
    """Return when the second receiver got an order, if the source has to wait for it."""
    return world.erp.times.get(external_id, []) if world.erp and world.profile.second == "required" else ()


def suspected(world: World, truth: Truth) -> bool:
    """See `checks.suspected`."""
    return truth.unwanted and sum(each.unwanted for each in world.orders.values()) >= MANY


def asked_before(world: World, call: Call, last: Call) -> str:
    """Return the violation of another attempt without a look-up before it; empty where that is in order."""
    truth = world.orders[call.act.ids[0]]
    if world.profile.manners in ("recognises", "refuses") or not last.doubtful or truth.released:
        return ""
    return f"sent again, after #{last.number} that may be there, to who does not recognise it"


def mended_unseen(truth: Truth, row: Row) -> bool:
    """Return True if an order waits for a row that its source has mended since, and that breaks every page it is on."""
    if truth.unreadable and row.state in ("cancelled", "vanished"):
        return truth.was_cancelled  # it was reinstated there
    return truth.unreadable and row.state in ("held", "rejected") and (len(truth.hints) > 1 or bool(truth.corrected))


def wrong(world: World, truth: Truth, row: Row | None) -> Iterator[tuple[str, str]]:
    """Yield the violations of one order there: the invariant, and a description."""
    erp = world.erp
    if erp is None or row is None:
        return
    records = len(erp.by_external_id(truth.external_id))
    if records > 1:
        yield "S1", f"DUPLICATE: {records} records at {NAME}"
    if row.state == "delivered" and not records:
        yield "L2", f"the journal has it as delivered to {NAME}, which has nothing"
    if row.state in OPEN and not suspected(world, truth):
        yield "L3", f"its delivery to {NAME} is still {row.state}"
    if truth.skipped and records:
        yield "L1", f"it is none of ours, and {NAME} has it"
    if row.state in ("delivered", *OPEN) or truth.skipped or truth.broken or truth.unwanted:
        return
    if truth.cancelled is not None or (row.state == "skipped" and (records or truth.given_up)):
        return
    if world.disk.losses and records and row.state in AGO:
        return  # an older journal knows it as it was, and nobody can ask what became of it since
    if world.disk.losses and row.state in AGO and _told_without(world, truth):
        return  # an older journal; its source, which did not wait for this one, was told, and does not list it any more
    if not stuck(world, truth, row) and not mended_unseen(truth, row):
        yield "L1", f"LOST at {NAME}: {records} records, {row.state} {row.cause}"


def _told_without(world: World, truth: Truth) -> bool:
    """Return True if its source, which did not wait for this receiver, has an order as exported."""
    return world.profile.second == "optional" and world.sources[truth.source].knows(truth.order_id)[0]


def stuck(world: World, truth: Truth, row: Row | None) -> bool:
    """Return True if a person has found an order there that is in doubt: a release would double it."""
    there = world.erp is not None and bool(world.erp.by_external_id(truth.external_id))
    return there and row is not None and row.state == "held" and row.cause in DOUBTS


def held(world: World, known: Mapping[str, Row]) -> Iterator[tuple[Row, Truth]]:
    """Yield the orders that wait there for a person who could help: row and truth."""
    for truth in world.orders.values():
        row = known.get(truth.external_id)
        if row is None or truth.broken or truth.unwanted or truth.skipped or mended_unseen(truth, row):
            continue
        if row.state in ("held", "rejected"):
            yield row, truth


def explained(world: World, row: Row, truth: Truth) -> bool:
    """Return True if it is right that it waits for a person."""
    if row.state == "held" and row.cause in DOUBTS:
        return world.profile.manners == "neither"
    if world.firewall.explains(truth, row, NAME) or world.told_by_another(truth):
        return True
    return truth.cancelled is not None or bool(truth.corrected)
