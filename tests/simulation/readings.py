"""
Readings of the warehouse that lag behind its orders, in some schedules, and the evidence of a connector that believes
them.

In such a schedule orders of the shop may have documents, and its process is killed now and then when one was added, and
some orders are changed, listed, and soon changed back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import deepcopy
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

import msgspec

from connector.order import Document, Order
from connector.settings import Settings
from tests.simulation.vendors.base import Truth

if TYPE_CHECKING:
    from tests.simulation.world import Call, World

__all__ = ["READINGS", "Readings"]

BEHIND = (2.0, 10.0, 30.0)
"""Seconds by which a reading may be behind: added to the delay, less than the receiver's `settle` (A1, A2)."""
DOCUMENTS, CHANGED_BACK, CUT_OFF = (
    "an order with documents",
    "an order that is changed and changed back",
    "killed when a document was added",
)
READINGS = (*(f"a reading is {lag:g} s behind" for lag in BEHIND), DOCUMENTS, CHANGED_BACK, CUT_OFF)
ROWS = {"shop": "items", "wholesale": "lines"}
"""The sources that can list exported orders again, and the place of the rows in their orders."""
TITLES = ("label.pdf", "slip.pdf")
GLANCE = 2.0


class _Swing(msgspec.Struct):
    """
    An order that is changed and changed back: its `revision` and lines at the warehouse before, and its changes then.

    `back` says that it was changed back.
    """

    truth: Truth
    revision: str
    lines: list[tuple[str, int]]
    changes: int
    back: bool = False


class Readings:
    """The lags in one schedule. `replay` lets a source be replayed, `kill` ends the process."""

    def __init__(self, chance: Random, world: World, replay: Callable[[str], None], kill: Callable[[], None]) -> None:
        self._chance = chance
        self._world = world
        self._replay = replay
        self._kill = kill
        self._swings: list[_Swing] = []
        self._with_documents: set[str] = set()
        self._kills = 0
        self._behind = chance.random() < 0.3
        self._plain = chance.random() < 0.6
        if self._behind:
            lag = chance.choice(BEHIND)
            world.warehouse.read_lag = lag
            world.counts[f"world a reading is {lag:g} s behind"] += 1
        world.readings = self

    def with_settings(self, own: Settings) -> Settings:
        """Return settings by which the warehouse shows all that it is sent, in some of the schedules."""
        if not (self._behind and self._plain):
            return own
        self._world.whole = False
        warehouse: Any = msgspec.structs.replace(own.receivers["warehouse"], line_price="none")
        return msgspec.structs.replace(own, receivers={**own.receivers, "warehouse": warehouse})

    def begin(self) -> None:
        """Let things happen over the time of the schedule."""
        if not self._behind:
            return
        chance, world = self._chance, self._world
        well = [each for each in world.orders.values() if not (each.broken or each.refused or each.skipped)]
        if world.erp is None and chance.random() < 0.7:
            self._with_documents = {
                each.external_id for each in well if each.source == "shop" and chance.random() < 0.5
            }
            self._kills = chance.choice((0, 1, 2))
        able = [each for each in well if each.source in ROWS]
        for truth in chance.sample(able, min(len(able), chance.choice((1, 3, 6)))):
            world.time.at(chance.uniform(1, world.profile.chaos * 0.8), partial(self._change, truth))

    def documented(self, sources: Iterable[Any]) -> None:
        """Let sources read documents with some of their orders."""
        for source in sources:
            if source.name == "shop" and self._with_documents:
                source.to_order = self._documented(source.to_order)

    def _documented(self, read: Callable[[bytes], Order]) -> Callable[[bytes], Order]:
        def to_order(raw: bytes) -> Order:
            order = read(raw)
            if order.external_id not in self._with_documents:
                return order
            return msgspec.structs.replace(
                order, documents=tuple(Document(title=title, content=b"%PDF") for title in TITLES)
            )

        return to_order

    def saw(self, what: str, call: Call) -> None:
        """Look at a call: no document is there twice; the process may be killed now."""
        if call.act.kind != "attach" or what != "applied" or call.applied is None:
            return
        world = self._world
        order = world.warehouse.orders[call.act.ids[0]]
        titles = [each["title"] for each in order["documents"]]
        if len(set(titles)) < len(titles):
            world.violated("S20", order["external_id"], f"DOCUMENT_TWICE: {titles}")
        if len(titles) == 1:
            world.counts[f"world {DOCUMENTS}"] += 1
        if self._kills and world.time.now < world.profile.chaos and self._chance.random() < 0.5:
            self._kills -= 1
            world.counts[f"world {CUT_OFF}"] += 1
            world.time.after(self._chance.choice((0.0, 0.05, 0.5)), self._kill)

    def _rows(self, truth: Truth) -> Any:
        vendor: Any = self._world.sources[truth.source]
        return vendor.orders[int(truth.order_id)]

    def _change(self, truth: Truth) -> None:
        """Change an order that was delivered, and let it be listed."""
        world = self._world
        if world.time.now > world.profile.chaos or truth.cancelled is not None or truth.withdrawn is not None:
            return
        found = self._journal(truth)
        if found is None or not found[1]:
            world.time.after(GLANCE, partial(self._change, truth))
            return
        name = ROWS[truth.source]
        before = deepcopy(self._rows(truth)[name])
        world.edit(truth)
        swing = _Swing(truth, found[0], self._shown(truth), len(truth.changed))
        self._swings.append(swing)
        self._replay(truth.source)
        world.time.after(self._chance.choice((3.0, 8.0, 20.0, 45.0)), partial(self._change_back, swing, before))

    def _change_back(self, swing: _Swing, before: Any) -> None:
        truth, world = swing.truth, self._world
        if truth.cancelled is not None or len(truth.changed) != swing.changes:
            return
        self._rows(truth)[ROWS[truth.source]] = before
        swing.back = True
        world.note(f"{truth.external_id} is changed back")
        world.counts[f"world {CHANGED_BACK}"] += 1
        self._replay(truth.source)

    def judge(self) -> None:
        """An order changed back in the journal is changed back at the warehouse (S21); nothing shows otherwise."""
        world = self._world
        for external_id, what, reason in world.journal.execute(
            "SELECT o.external_id, c.what, c.reason FROM changes c JOIN orders o USING (key)"
            " WHERE c.receiver = 'warehouse' AND c.state = 'held'"
            " AND (c.reason LIKE '%not those that were sent' OR c.reason LIKE '%: 404%'"
            " OR c.reason LIKE '%but is shown as%')"
        ):
            if world.firewall.refused_alone("warehouse", external_id, reason) or world.disk.restored:
                continue  # an older journal looks for what a newer one has changed since
            world.violated("HOLD", external_id, f"its {what} is held, and was applied or never sent: {reason}")
        for swing in self._swings:
            truth = swing.truth
            moved_on = truth.cancelled is not None or truth.withdrawn is not None or len(truth.changed) != swing.changes
            if not swing.back or moved_on or world.disk.losses or world.disk.restored:
                continue
            found = self._journal(truth)
            if found == (swing.revision, True) and self._shown(truth) != swing.lines:
                text = f"CHANGED_BACK: {self._shown(truth)} for {swing.lines}, and the journal has it as it was"
                world.violated("S21", truth.external_id, text)

    def _journal(self, truth: Truth) -> tuple[str, bool] | None:
        """Return the revision that the warehouse has by the journal, and whether nothing else is to be done there."""
        row = self._world.journal.execute(
            "SELECT o.revision, d.state = 'delivered' AND NOT EXISTS (SELECT 1 FROM changes c WHERE c.key = o.key"
            " AND (c.state <> 'done' OR c.reason IS NOT NULL) AND c.what <> 'attach')"
            " FROM orders o JOIN deliveries d ON d.key = o.key AND d.receiver = 'warehouse' WHERE o.external_id = ?",
            (truth.external_id,),
        ).fetchone()
        return None if row is None else (row[0], bool(row[1]))

    def _shown(self, truth: Truth) -> list[tuple[str, int]]:
        return [
            (line["variant"]["article_code"], line["quantity"])
            for order in self._world.warehouse.standing(truth.external_id)
            for line in order["order_lines"]
        ]
