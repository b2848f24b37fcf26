"""Invariants of the requests: their identity (S17), that `preview` shows them (S18), that they are not stale (S19)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256

import msgspec

from connector.errors import Unmappable
from connector.pipeline.routes import Route, request_of
from tests.doubles import EPOCH
from tests.simulation.vendors.base import EVERY, Truth
from tests.simulation.world import Call, World

__all__ = ["Requests", "both"]

START = EPOCH.timestamp()
WAITED = 120.0
"""Seconds that an order may wait for its turn once the journal has its intent."""


def both(one: Callable[[str, Call], None], other: Callable[[str, Call], None]) -> Callable[[str, Call], None]:
    """Return the function that lets both look at a call."""

    def watch(what: str, call: Call) -> None:
        one(what, call)
        other(what, call)

    return watch


class _Walks(msgspec.Struct):
    """
    The walks of one process over a feed.

    `ended` has each that the journal has as gone through, by when it began and when that was seen; `began` is when the
    one under way did.
    """

    incarnation: int
    polled: int | None
    began: float
    ended: list[tuple[float, float]] = []


class Requests:
    """Looks at every request to a receiver as it leaves. `ways` are the lanes of the settings."""

    def __init__(self, world: World, ways: Mapping[str, Mapping[str, Route]]) -> None:
        self._world = world
        self._ways = ways
        self._walks: dict[str, _Walks] = {}
        self._sent: set[str] = set()

    def __call__(self, what: str, call: Call) -> None:
        """Look at `call`, which has just `begun` or been `applied`."""
        if what != "begun":
            return
        if call.act.kind == "feed":
            self._walking(call)
        elif call.act.kind == "lookup" and call.act.ids[0] not in (EVERY, *self._world.orders):
            self._world.violated("S17", call.act.ids[0], "IDENTITY: asked about an order that no source has")
        elif call.act.kind == "create":
            self._creating(call)

    def _creating(self, call: Call) -> None:
        (external_id,) = call.act.ids
        truth = self._world.orders.get(external_id)
        if truth is None or call.act.named != external_id:
            named = f"{external_id!r}, and {call.act.named!r} in its body"
            self._world.violated("S17", external_id, f"IDENTITY: sent as {named}")
            return
        row = self._world.journal.execute(
            "SELECT p.raw FROM orders o JOIN payloads p USING (key) WHERE o.external_id = ?", (external_id,)
        ).fetchone()
        if row is None:
            self._world.violated("S18", external_id, "sent, and the journal does not have what it was listed as")
            return
        try:
            shown = request_of(self._ways[call.vendor][truth.source], truth.order_id, row[0])
        except Unmappable as exc:
            self._world.violated("S18", external_id, f"PREVIEW: sent, and shown as held: {exc}")
            return
        if sha256(shown).digest() != call.digest:
            self._world.violated("S18", external_id, "PREVIEW: what is sent is not what is shown")
        tried = external_id in self._sent or self._tried(call)
        if truth.hints and not tried and not truth.was_cancelled:  # such a one leaves its feed
            self._is_fresh(call, truth, row[0])
        self._sent.add(external_id)

    def _tried(self, call: Call) -> bool:
        """Return True if the journal counts an attempt before this one: a process may have ended before it sent it."""
        (external_id,) = call.act.ids
        (attempts,) = self._world.journal.execute(
            "SELECT max(attempts) FROM orders JOIN deliveries USING (key) WHERE external_id = ? AND receiver = ?",
            (external_id, call.vendor),
        ).fetchone()
        return attempts is not None and attempts > 1

    def _intended(self, call: Call) -> float:
        """Return when the journal took an order for one that may be sent; it then waits for its turn among others."""
        (intended,) = self._world.journal.execute(
            "SELECT max(intent_at) FROM orders JOIN deliveries USING (key) WHERE external_id = ? AND receiver = ?",
            (call.act.ids[0], call.vendor),
        ).fetchone()
        if intended is None:
            return call.begun
        at = float(intended) / 1000 - START - self._world.skew
        # A clock that was set since the journal noted it leads anywhere.
        return at if not self._world.stepped or call.begun - WAITED < at <= call.begun else call.begun

    def _walking(self, call: Call) -> None:
        """Note the walks that have gone through: the journal has the time of the last one."""
        polled = self._polled(call.vendor)
        walks = self._walks.get(call.vendor)
        if walks is None or walks.incarnation != call.incarnation:
            self._walks[call.vendor] = _Walks(call.incarnation, polled, call.begun, [])
        elif polled != walks.polled:
            walks.ended.append((walks.began, self._world.time.now))
            walks.polled, walks.began = polled, call.begun

    def _polled(self, source: str) -> int | None:
        row = self._world.journal.execute("SELECT last_poll FROM sources WHERE name = ?", (source,)).fetchone()
        return row[0] if row is not None else None

    def _is_fresh(self, call: Call, truth: Truth, raw: bytes) -> None:
        """
        A change that was made before two walks began is in the request, unless the order may have been sent before.

        Two walks that had gone through when the journal marked the order as possibly sent: then the order keeps the
        form that it has.
        """
        walks = self._walks.get(truth.source)
        feeds = self._world.feeds
        if walks is None or walks.incarnation != call.incarnation or (feeds is not None and feeds.hid(truth)):
            return
        intended = self._intended(call)
        ended = [began for began, seen in walks.ended if seen <= intended]
        if len(ended) < 2:
            return
        listed = ended[-2]
        before = [code for at, code in truth.hints if at < listed][-1:]
        late = [code for at, code in truth.hints if at >= listed]
        if truth.placed < listed and not any(f'"hint":"{code}"'.encode() in raw for code in (*before, *late)):
            self._world.violated("S19", truth.external_id, f"STALE: not sent as it was listed from {listed:.1f} on")
