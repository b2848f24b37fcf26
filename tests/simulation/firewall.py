"""
The obstacles before the vendors in some schedules: a firewall that refuses single orders, or a limit on calls of a
kind.

It is drawn from a stream of its own, and gone when all heals. Some of these schedules are calm: nothing else goes
wrong, so that an order which does not flow is held up by a fault of another one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from random import Random
from typing import TYPE_CHECKING

import msgspec

from tests.simulation.faults import Fault
from tests.simulation.profile import Profile, drawn
from tests.simulation.vendors.base import Act, Truth

if TYPE_CHECKING:
    from tests.simulation.checks import Row
    from tests.simulation.world import World

__all__ = ["FIREWALL", "Firewall", "starved"]

STATUSES = (403, 413, 500, 404, 302, 500)
KINDS = ("create", "lookup", "update", "cancel", "ack", "report")
PAGE = b"<html><body>The request was blocked. Support ID: f00</body></html>"
TRIES = 3
"""Refusals of one order after which it may be left to a person."""
SOON = 150.0
"""Seconds within which an order flows in a calm schedule, whatever befalls others."""
REFUSALS = (400, 422)
"""Statuses by which a vendor refuses a record; the firewall answers some orders so, in a page of its own."""
PAGED = ("create", "lookup", "ack", "report")
"""Calls that may be answered so; the others are seldom enough."""
UNCERTAIN = frozenset((300, *range(301, 309), 401, 403, 404, 405, 413, 418, 451))

FIREWALL = (
    *(f"{kind} of one order {what}" for kind in KINDS for what in ("refused", "failing")),
    "rate limit",
    "one order refused by a page",
)
"""Faults of calls that no run of 10,000 schedules may miss."""


class Firewall:
    """Dislikes some orders, in some kind of call each; and answers 429 for a while to one kind of call."""

    def __init__(self, chance: Random | None, chaos: float = 0.0, pages: Random | None = None) -> None:
        self.on = chance is not None and chance.random() < 0.18
        self.calm = chance is not None and self.on and chance.random() < 0.6
        self._limited = chance is not None and self.on and chance.random() < 0.4
        self._chance = chance
        self._pages = pages
        self._chaos = chaos
        self._disliked: dict[tuple[str, str], int] = {}
        """The status for a kind of call about an order."""
        self._limit = ("", "")
        self.refusals: Counter[tuple[str, str]] = Counter()
        """How often a vendor refused calls about one order alone in words that name no culprit."""
        self.throttled: Counter[int] = Counter()
        """How many calls the limit refused, by the number of the process that made them."""

    @classmethod
    def before(cls, seed: object, make_up: Profile | None) -> tuple[Firewall, Profile]:
        """Return the firewall of a schedule, and its profile, calm for some; there is none with a `make_up`."""
        if make_up is not None:
            return cls(None), make_up
        profile = drawn(Random(f"{seed}/profile"))
        wall = cls(Random(f"{seed}/http"), profile.chaos, Random(f"{seed}/pages"))
        if wall.calm:
            profile = calmed(profile)
            wall.lasts(profile.chaos)
        return wall, profile

    def lasts(self, chaos: float) -> None:
        """Let it stand for so long."""
        self._chaos = chaos

    def place(self, world: World) -> None:
        """Choose the orders, and the kinds of call that are limited."""
        chance = self._chance
        if chance is None or not self.on:
            return
        share = chance.choice((0.1, 0.3, 0.5))
        for external_id in world.orders:
            if chance.random() < share:
                kind = chance.choice(("create", "ack", *KINDS))
                status = chance.choice(STATUSES)
                # Few orders are cancelled at all: so that a failing one is among them often enough.
                self._disliked[kind, external_id] = 500 if kind == "cancel" and status == 302 else status
        if self.calm and not self._limited and chance.random() < 0.6:  # the very first one that is sent
            for source in world.sources:
                first = min((each for each in world.orders.values() if each.source == source), key=by_number)
                self._disliked["create", first.external_id] = chance.choice(STATUSES)
        if self._pages is not None:
            for (kind, external_id), status in sorted(self._disliked.items()):
                if status != 500 and kind in PAGED and self._pages.random() < 0.3:
                    self._disliked[kind, external_id] = self._pages.choice(REFUSALS)
        for kind, external_id in sorted(self._disliked):
            truth = world.orders[external_id]
            if kind == "cancel":  # so that there is such a call
                at = chance.uniform(0.1, 0.7) * self._chaos
                world.time.at(at, partial(world.cancel, world.sources[truth.source], truth))
        if self._limited:
            self._limit = chance.choice((("warehouse", "create"), (chance.choice(sorted(world.sources)), "ack")))
        world.note(f"firewall {'calm ' * self.calm}{sorted(self._disliked.items())} {self._limit}")

    def draw(self, world: World, vendor: str, act: Act, incarnation: int) -> Fault | None:
        """Return the fault of a call, if it does not come through."""
        if not self.on or world.time.now >= self._chaos:
            return None
        if (vendor, act.kind) == self._limit:
            self.throttled[incarnation] += 1
            most = 16 + self._chaos / 15
            if self.throttled[incarnation] > most:
                world.violated("HAMMER", "", f"more than {most:.0f} calls in spite of 429 in {self._chaos:.0f} s")
            return Fault("rate limit", applied=False, status=429)
        for external_id in subjects(world, vendor, act):
            if status := self._disliked.get((act.kind, external_id)):
                what = "failing" if status == 500 else "refused"
                name = "one order refused by a page" if status in REFUSALS else f"{act.kind} of one order {what}"
                return Fault(name, applied=False, status=status, body=PAGE)
        return None

    def answered(self, world: World, vendor: str, act: Act, status: int) -> None:
        """Note an answer: who gets three that name no culprit may be left to a person."""
        if len(act.ids) != 1 or (status not in UNCERTAIN and status not in REFUSALS):
            return
        for external_id in subjects(world, vendor, act):
            if status in UNCERTAIN or self._disliked.get((act.kind, external_id)) == status:
                self.refusals[vendor, external_id] += 1

    def explains(self, truth: Truth, row: Row, at: str) -> bool:
        """Return True if it is right that an order waits for a person because it was refused alone."""
        if self.refused_alone(at, truth.external_id, row.cause):
            return True
        return row.ack_state == "parked" and self.refused_alone(truth.source, truth.external_id, row.ack_reason)

    def refused_alone(self, where: str, external_id: str, reason: str) -> bool:
        """Return True if `reason` says that an order is refused alone, and it was refused often enough for that."""
        return f"{where} refuses this order alone" in reason and self.refusals[where, external_id] >= TRIES

    def dislikes(self, external_id: str) -> bool:
        """Return True if it refuses an order in any kind of call."""
        return any((kind, external_id) in self._disliked for kind in KINDS)

    @property
    def limits(self) -> bool:
        """True if it limits a kind of call."""
        return bool(self._limit[0])


def by_number(truth: Truth) -> int:
    """Return the number by which feeds list orders."""
    return int(truth.order_id)


def subjects(world: World, vendor: str, act: Act) -> Iterator[str]:
    """Yield the external ids of the orders that a call is about."""
    if act.kind in ("ack", "report", "timeline"):
        yield from (f"{vendor}-{order_id}" for order_id in act.ids)
    elif act.kind in ("update", "cancel", "read"):
        orders = world.warehouse.orders
        yield from (orders[each]["external_id"] for each in act.ids if each in orders)
    elif act.kind in ("create", "lookup"):
        yield from act.ids


def starved(world: World, rows: Mapping[str, Row]) -> None:
    """Look whether the orders of a calm schedule have flowed that nothing is wrong with."""
    if not world.firewall.calm or world.firewall.limits:
        return
    for external_id, truth in world.orders.items():
        touched = truth.changed or truth.corrected or truth.cancelled or truth.withdrawn or truth.given_up
        untouched = not (truth.skipped or truth.broken or touched)
        if world.feeds is not None and world.feeds.hides(truth.source):
            continue  # what cannot be read proves nothing of the others either
        since = max(truth.placed, *(at for at, _ in truth.hints[-1:]), 0.0)
        if not untouched or world.firewall.dislikes(external_id) or since > world.time.now - SOON:
            continue
        row = rows.get(external_id)
        if world.told_by_another(truth):
            continue
        if row is not None and row.state == "held" and "refuses this order alone" not in row.cause:
            continue  # for what the order is
        if row is None or row.state != "delivered":
            text = f"it is {row and row.state}, and nothing is wrong with it: {row and row.cause}"
            world.violated("STARVED", external_id, text)
        elif external_id in world.unmoved:
            continue  # its source said that it was told, and lists it all the same
        elif world.profile.second != "required" and row.ack_state != "confirmed":
            text = f"its acknowledgement is {row.ack_state}, and nothing is wrong with it"
            world.violated("STARVED", external_id, text)


def calmed(profile: Profile) -> Profile:
    """Return a profile in which nothing goes wrong by itself."""
    return msgspec.structs.replace(
        profile,
        chaos=max(profile.chaos, 2 * SOON),
        endings=0,
        concurrency=1,
        rate_limit="",
        broken=0.0,
        refused=0.0,
        partly=0.0,
        picky=0.0,
        given_up=0.0,
        outage=False,
        loss="",
        clock_steps=0,
        look_up_first="always" if profile.look_up_first == "always" else "auto",
    )
