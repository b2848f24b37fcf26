"""
Feeds of which a poll cannot see everything, in some schedules.

A row that makes every page fail that it is on; a total that exceeds the number of listed orders; a source of which no
order can be mapped, as if our reading of it were wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

from connector.sandbox.server import decode, reply
from tests.simulation.vendors.base import Request, Truth

if TYPE_CHECKING:
    from tests.simulation.world import Call, World

__all__ = ["FEEDS", "Feeds"]

ROW, TOTAL, ALIKE = FEEDS = (
    "a row that breaks its page",
    "a total that exceeds what is listed",
    "a source of which no order can be mapped",
)
IDS = {"shop": ("items", "id"), "wholesale": ("orders", "order_id"), "transport": ("shipments", "orderId")}
SOON = 5.0
"""Seconds within which the first page is read again for the same poll."""
IDLE_POLLS = 5
"""Polls that begin in the idle time at the end of a schedule, which is a little more than two intervals, at most."""


class Feeds:
    """The faults of the feeds of one schedule."""

    def __init__(self, chance: Random, world: World) -> None:
        self._chance = chance
        self._world = world
        self._broken: dict[str, set[str]] = {}
        self._ever: set[str] = set()
        """The orders whose row broke its page at any time, by external id."""
        self._more = 0
        self._polls: list[float] = []
        world.feeds = self

    def begin(self) -> None:
        """Let things happen to the feeds over the time of the schedule."""
        chance, world = self._chance, self._world
        rows, totals, alike, seldom = (chance.random() for _ in range(4))
        if rows < 0.25:
            self._plan_rows()
        if totals < 0.2 and "shop" in world.sources:
            self._more = chance.choice((1, 2, 40))
            world.counts[f"world {TOTAL}"] += 1
        if alike < 0.15 and "transport" in world.sources:
            self._break_all(corrected=seldom < 0.5)

    def _plan_rows(self) -> None:
        chance, world = self._chance, self._world
        name = chance.choice(sorted(world.sources))
        if name == "wholesale" and not getattr(world.sources[name], "_pages", True):
            return  # a list that comes in one piece cannot be read around anything
        found = [truth for truth in world.orders.values() if truth.source == name]
        chosen = chance.sample(found, min(len(found), chance.choice((1, 1, 2))))
        start = chance.uniform(0, world.profile.chaos * 0.6)
        lasting = name == "shop" and chance.random() < 0.6
        for truth in chosen:
            world.time.at(start, partial(self._break, truth, lasting))
            if not lasting:
                world.time.at(chance.uniform(start, world.profile.chaos), partial(self._mend, truth))

    def _break(self, truth: Truth, lasting: bool) -> None:
        truth.unreadable = lasting
        self._broken.setdefault(truth.source, set()).add(truth.order_id)
        self._ever.add(truth.external_id)
        self._world.note(f"the row of {truth.external_id} breaks its page")

    def _mend(self, truth: Truth) -> None:
        self._broken[truth.source].discard(truth.order_id)
        self._world.note(f"the row of {truth.external_id} can be read again")

    def _break_all(self, *, corrected: bool) -> None:
        """Let every order of a source lack something: it is not they."""
        world, chance = self._world, self._chance
        world.counts[f"world {ALIKE}"] += 1
        for truth in world.orders.values():
            if truth.source != "transport":
                continue
            world.mend(truth)
            truth.corrected.clear()
            truth.broken = True
            if corrected:
                world.time.at(chance.uniform(1, world.profile.chaos), partial(self._correct, truth))

    def _correct(self, truth: Truth) -> None:
        if truth.placed < 0:
            self._world.time.after(1.0, partial(self._correct, truth))
        else:
            self._world.correct(self._world.sources[truth.source], truth)

    def answered(self, call: Call, request: Request, response: web.Response) -> web.Response:
        """Return the feed's answer instead of `response`."""
        if call.act.kind != "feed" or response.status != 200:
            return response
        if call.vendor == "shop" and self._more:
            said: Any = decode(bytes(response.body))  # type: ignore[arg-type]
            said["itemsFound"] += self._more
            response = reply(200, said)
            first = msgspec.json.decode(request.body)["page"] == 1
            if first and (not self._polls or self._world.time.now > self._polls[-1] + SOON):
                self._polls.append(self._world.time.now)
        broken = self._broken.get(call.vendor)
        if broken and broken & set(_listed(call.vendor, response)):
            self._world.counts[f"world {ROW}"] += 1
            return reply(500, {"error": "Internal Server Error"})
        return response

    def hides(self, source: str) -> bool:
        """Return True if there were rows of a source's feed, in this schedule, that nobody could read."""
        return source in self._broken

    def hid(self, truth: Truth) -> bool:
        """Return True if an order could not be read at some time: for its own row, or for one beside it at Zendera."""
        return truth.external_id in self._ever or (truth.source == "transport" and self.hides(truth.source))

    def judge(self, since: float) -> None:
        """Check that a feed whose total exceeds its list is not polled more often than the interval allows."""
        polls = sum(at >= since for at in self._polls)
        if polls > IDLE_POLLS and not self._broken:
            self._world.violated("POLLS", "", f"the shop was polled {polls} times in a little more than two intervals")


def _listed(vendor: str, response: web.Response) -> Iterator[str]:
    rows, key = IDS[vendor]
    for row in decode(bytes(response.body)).get(rows) or ():  # type: ignore[arg-type]
        yield str(row.get(key))
