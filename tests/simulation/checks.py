"""
The invariants of faults.md 4.4, checked by machine.

Safety is checked at each request and each answer, on the state of the journal and of the vendors at that moment;
liveness when everything has healed. `S` and `L` numbers are those of faults.md.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from connector.pipeline.delivery.rejections import MANY
from connector.pipeline.reports.comparison import summary
from connector.receivers.ewarehousing.receiver import PAGE_SIZE
from tests.doubles import EPOCH
from tests.simulation import content, second
from tests.simulation.vendors.base import EVERY, Truth
from tests.simulation.vendors.content import worded
from tests.simulation.world import Call, Violation, World

__all__ = ["Row", "Watch", "rows", "unsettled"]

LIMITS = {"shop": 1, "wholesale": 10, "transport": 50}
OPEN = frozenset({"new", "ready", "intent", "in_doubt"})
OPEN_ACK = frozenset({"pending", "sending", "in_doubt"})
WRITES = frozenset({"create", "ack", "update", "cancel", "attach"})


LATEST = 25.0
"""Seconds that a look-up may take, answer and journal included."""
START = EPOCH.timestamp()
ALL = (
    "SELECT o.external_id, o.key, d.state, o.ack_state, coalesce(o.ack_outcome, ''), coalesce(d.cause, ''),"
    " d.payload_hash, coalesce(o.ack_reason, ''),"
    " coalesce((SELECT max(h.at) FROM history h WHERE h.key = o.key AND h.what = 'found'"
    " AND h.detail LIKE d.receiver || ': %'), 0) / 1000.0"
    " FROM orders o JOIN deliveries d ON d.key = o.key AND d.receiver = ?"
)
ONE = ALL + " WHERE o.source = ? AND o.order_id = ?"


class Row(msgspec.Struct, frozen=True):
    """The journal's record of one order."""

    key: int
    state: str
    ack_state: str
    ack_outcome: str
    cause: str
    payload_hash: bytes | None
    ack_reason: str
    adopted_at: float


def rows(world: World, source: str = "", order_id: str = "", *, at: str = "warehouse") -> Mapping[str, Row]:
    """Return the journal's records of deliveries to `at`, of all orders or of one, by external id."""
    found = world.journal.execute(ONE if order_id else ALL, (at, source, order_id) if order_id else (at,))
    return {external_id: Row(*rest) for external_id, *rest in found}


class Watch:
    """Looks at every request as it leaves, and at every one that a vendor has carried out."""

    def __init__(self, world: World, settle: float) -> None:
        self._world = world
        self._settle = settle
        self._creates: dict[tuple[str, str], list[Call]] = {}
        self._lookups: dict[tuple[str, str], list[Call]] = {}
        self._open: list[Call] = []
        self._told: dict[str, list[tuple[float, str]]] = {}
        self._acks: dict[str, list[Call]] = {}
        self.quiet = False
        """Set when everything is settled: from then on nothing may be written."""
        self.written = 0.0
        """When anything was written last."""

    def __call__(self, what: str, call: Call) -> None:
        """Look at `call`, which has just `begun` or been `applied`."""
        kind = call.act.kind
        if what == "applied":
            if kind == "create":
                self._created(call)
                self._arrived(call, self._world.warehouse.by_external_id(call.act.ids[0])[-1:])
            elif kind == "update" and call.applied is not None:
                self._arrived(call, [self._world.warehouse.orders[call.act.ids[0]]])
            elif kind == "ack":
                self._acknowledged(call)
            elif kind == "report":
                self._reported(call)
            elif kind == "feed":
                self._listed(call)
            return
        if kind in WRITES:
            self.written = self._world.time.now
        if self.quiet and kind in WRITES and not self._trying(call):
            self._world.violated("L6", " ".join(call.act.ids), f"{kind} although everything is settled")
        self._open = [each for each in self._open if each.closed is None and each.incarnation == call.incarnation]
        if kind == "create":
            self._creating(call)
        elif kind == "ack":
            self._acknowledging(call)
        elif kind == "lookup":
            self._lookups.setdefault((call.vendor, call.act.ids[0]), []).append(call)
        self._open.append(call)

    def _listed(self, call: Call) -> None:
        """An order that the journal has as acknowledged is acknowledged at the source (L2, at every step)."""
        source = self._world.sources[call.vendor]
        confirmed = self._world.journal.execute(
            "SELECT order_id FROM orders WHERE source = ? AND ack_state = 'confirmed' AND ack_outcome = 'exported'",
            (call.vendor,),
        )
        for (order_id,) in confirmed:
            if f"{call.vendor}-{order_id}" in self._world.unmoved:
                continue  # its answer was a success: it is known to be none when the order is listed again
            if not source.knows(order_id)[0]:
                self._world.violated("L2", f"{call.vendor}-{order_id}", "the journal has it as told, and it was not")

    def _reported(self, call: Call) -> None:
        """A report has no key to repeat it under: sent twice, people see it twice."""
        told = [summary(body) for body in self._world.sources[call.vendor].reports(call.act.ids[0])]
        what = [(each.get("status"), each.get("location")) for each in told]
        # A backup does not know what was told since it was made, a new journal in the place of a lost one knows of
        # nothing, and a report has no key: once more for each. And who lets an order go lets go all that waits of it, a
        # report that is parked and may be there as well.
        released = self._world.orders[f"{call.vendor}-{call.act.ids[0]}"].released
        if any(what.count(each) > 1 + self._world.disk.losses + self._world.disk.restored + released for each in what):
            self._world.violated(
                "S15", f"{call.vendor}-{call.act.ids[0]}", "REPORTED_TWICE: the same report is there twice"
            )

    def _trying(self, call: Call) -> bool:
        """Return True if a call is about orders that are tried until it is clear whose fault their refusal is."""
        if call.act.kind == "ack":
            told = [self._world.orders[f"{call.vendor}-{order_id}"] for order_id in call.act.ids]
            return all(suspected(self._world, truth) or second.suspected(self._world, truth) for truth in told)
        truth = self._world.orders.get(call.act.ids[0])
        there = second.suspected if call.vendor == second.NAME else suspected
        return call.act.kind == "create" and truth is not None and there(self._world, truth)

    def _creating(self, call: Call) -> None:
        (external_id,) = call.act.ids
        source, _, order_id = external_id.partition("-")
        row = rows(self._world, source, order_id, at=call.vendor).get(external_id)
        if row is None or row.state != "intent":
            self._world.violated("S5", external_id, f"created while the journal says {row and row.state}")
        elif row.payload_hash != call.digest:
            self._world.violated("S10", external_id, "what is sent is not what the journal has the hash of")
        under_way = sum((each.vendor, each.act.kind) == (call.vendor, "create") for each in self._open)
        if under_way >= self._world.profile.concurrency:
            self._world.violated("S8", external_id, f"{under_way + 1} creates at once")
        before = self._creates.setdefault((call.vendor, external_id), [])
        if before:
            self._asked_before(call, before[-1])
        before.append(call)

    def _asked_before(self, call: Call, last: Call) -> None:
        """Before another attempt comes a look-up, and late enough if the last one was doubtful (S6)."""
        (external_id,) = call.act.ids
        if call.vendor == second.NAME and self._world.profile.manners != "finds":
            if trouble := second.asked_before(self._world, call, last):
                self._world.violated("S6", external_id, trouble)
            return
        if last.said.endswith(" 401") and last.incarnation == call.incarnation:
            return  # an expired token: the call is repeated with a new one
        ended = last.begun if last.closed is None else last.closed
        since = ended + (self._settle - 0.01 if last.doubtful else 0.0)
        asked = [each for each in self._lookups.get((call.vendor, external_id), []) if each.begun >= since]
        # A page of the whole list that is not full is a look-up of all that are not on it.
        lists = [
            each
            for each in self._lookups.get((call.vendor, EVERY), [])
            if each.begun >= since and 0 <= each.found < PAGE_SIZE
        ]
        asked += [each for each in lists if external_id not in each.listed]
        if not any((each.found == 0 or each in lists) and each.closed is not None for each in asked):
            when = "late enough " if last.doubtful else ""
            self._world.violated("S6", external_id, f"created again, and not looked up {when}after #{last.number}")

    def _created(self, call: Call) -> None:
        (external_id,) = call.act.ids
        erp = self._world.erp
        at_erp = erp is not None and call.vendor == second.NAME
        there = erp.by_external_id(external_id) if erp is not None and at_erp else None
        standing = len(self._world.warehouse.standing(external_id) if there is None else there)
        if standing > 1:
            self._world.violated("S1", external_id, f"DUPLICATE: {standing} records")

    def _arrived(self, call: Call, records: Sequence[dict[str, Any]]) -> None:
        """The form of an order that a receiver has now is one that its source lists, or listed once (S16)."""
        world = self._world
        if call.applied is None:
            return
        if call.vendor == second.NAME and world.erp is not None:
            if not world.whole:
                return
            (external_id,) = call.act.ids
            trouble = content.wrong_plain(world.orders[external_id], world.erp.by_external_id(external_id)[-1].body)
            if trouble:
                world.violated("S16", external_id, f"CONTENT at {call.vendor}: {trouble}")
            return
        for record in records:
            truth = world.orders.get(record["external_id"])
            if truth is None:
                continue
            if truth.source == "shop":
                world.counts[f"world an order, {worded(int(truth.order_id))}"] += 1
            if trouble := content.wrong(truth, record, whole=world.whole):
                world.violated("S16", truth.external_id, f"CONTENT: {trouble}")

    def _acknowledging(self, call: Call) -> None:
        world, ids = self._world, call.act.ids
        if not 1 <= len(ids) <= LIMITS[call.vendor] or len(set(ids)) < len(ids):
            world.violated("S7", "", f"{len(ids)} items in one call to {call.vendor}: {' '.join(ids)}")
        if LIMITS[call.vendor] > 1 and any((each.vendor, each.act.kind) == (call.vendor, "ack") for each in self._open):
            world.violated("S8", "", f"two calls to {call.vendor} at once")
        known = rows(world) if "failed" in call.act.outcomes else {}
        for order_id, outcome in zip(ids, call.act.outcomes, strict=True):
            external_id = f"{call.vendor}-{order_id}"
            records = world.warehouse.by_external_id(external_id)
            others = world.erp.by_external_id(external_id) if world.erp is not None else []
            told = self._told.setdefault(external_id, [])
            if outcome == "exported" and (not records or (world.profile.second == "required" and not others)):
                world.violated("S2", external_id, "ACK_WITHOUT_DELIVERY: told as exported, and nobody has it")
            if outcome == "failed":
                self._failing(
                    external_id,
                    known.get(external_id),
                    bool(records or (others and world.profile.second == "required")),
                )
                if any(before == "exported" for _, before in told):
                    world.violated("S4", external_id, "told as failed after it was told as exported")
            elif any(before == "failed" for _, before in told) and not world.orders[external_id].corrected:
                world.violated("S4", external_id, "told as exported, and as failed before, unchanged")
            if any(self._heard(before) for before in self._acks.get(external_id, [])) and outcome == "exported":
                world.violated("S4", external_id, "told again as exported, and the source had said that it knows")
            if outcome == "exported":
                self._acks.setdefault(external_id, []).append(call)
            told.append((world.time.now, outcome))

    def _heard(self, call: Call) -> bool:
        """Return True if a call certainly acknowledged an order to a source that must be notified only once."""
        sure = call.closed is not None and not call.doubtful and call.applied is not None and not call.spared
        return sure and (call.vendor == "transport" or (call.vendor == "wholesale" and self._world.profile.regulate))

    def _failing(self, external_id: str, row: Row | None, there: bool) -> None:
        if there:
            self._world.violated("S3", external_id, "FAILED_AND_DELIVERED: told as failed, and the receiver has it")
        elif row is not None and row.state == "skipped" and self._world.orders[external_id].given_up:
            pass  # it was due before a person gave the order up
        elif row is None or row.state != "rejected":
            self._world.violated("S3", external_id, f"told as failed while the journal says {row and row.state}")

    def _acknowledged(self, call: Call) -> None:
        world = self._world
        if call.applied is None:
            return
        source = world.sources[call.vendor]
        for order_id, outcome in zip(call.act.ids, call.act.outcomes, strict=True):
            if order_id in source.spared:
                continue
            truth = world.orders[f"{call.vendor}-{order_id}"]
            truth.marks.append((world.time.now, outcome))
            if outcome == "failed" and truth.broken and not borne_out(world, truth):
                world.violated("S14", truth.external_id, "FAILED_ALONE: told as failed, and no other one could be read")
            if (times := source.moved(order_id)) > 1:
                world.violated("S11", truth.external_id, f"DOUBLE_REGULATE: its stock was moved {times} times")
            strikes = sum(each == "failed" for _, each in truth.marks)
            # Not after a loss either: its source, which can be asked, is. Who tries again may hear something else.
            again = len(truth.changed) + len(truth.corrected) + truth.released + len(truth.hints[1:])
            if strikes > 1 + again:
                world.violated("S12", truth.external_id, f"STRIKE_WASTED: told {strikes} times as failed")


def borne_out(world: World, truth: Truth) -> bool:
    """Return True if another order of the same source could be read and mapped, so that it is this one that lacks."""
    return any(
        other.source == truth.source and other.placed >= 0 and not other.broken
        for other in world.orders.values()
        if other is not truth
    )


def unsettled(world: World) -> list[Violation]:
    """Return the violations of the final state (L1 to L5); empty when there are none."""
    known, others = rows(world), rows(world, at=second.NAME)
    listed = {f"{name}-{order_id}" for name, source in world.sources.items() for order_id in source.listed()}
    found = [
        Violation(invariant, truth.external_id, text)
        for truth in world.orders.values()
        for invariant, text in (
            *_wrong(world, truth, known.get(truth.external_id), others.get(truth.external_id), listed),
            *second.wrong(world, truth, others.get(truth.external_id)),
        )
    ]
    for external_id, what in world.journal.execute(
        "SELECT o.external_id, c.what FROM changes c JOIN orders o ON o.key = c.key WHERE c.state = 'due'"
    ):
        found.append(Violation("L3", external_id, f"{what} is still due"))
    for order_id, state in world.journal.execute(
        "SELECT order_id, state FROM reports WHERE state IN ('pending', 'sending', 'in_doubt')"
    ):
        found.append(Violation("L3", f"transport-{order_id}", f"a report is still {state}"))
    there = {**world.warehouse.records, **(world.erp.times if world.erp is not None else {})}
    strange = [external_id for external_id in there if external_id not in world.orders]
    found += [Violation("L1", external_id, "the receiver has it, and no source ever had") for external_id in strange]
    return found


def suspected(world: World, truth: Truth) -> bool:
    """
    Return True if an order is refused along with so many others that it is not believed to be their fault.

    Then no order is given up, and one at a time is tried again (connector/pipeline/delivery/rejections.py).
    """
    return truth.refused and sum(each.refused for each in world.orders.values()) >= MANY


def _wrong(
    world: World, truth: Truth, row: Row | None, other: Row | None, listed: Container[str]
) -> Iterator[tuple[str, str]]:
    """Yield the violations of one order: the invariant, and a description. `other`: at the second receiver."""
    external_id = truth.external_id
    if truth.unreadable and row is None:
        return  # nobody can read it
    awaited = second.awaited(world, other)
    records, standing = world.warehouse.records.get(external_id, []), world.warehouse.standing(external_id)
    exported, _ = world.sources[truth.source].knows(truth.order_id)
    if len(standing) > 1:
        yield "S1", f"DUPLICATE: {len(standing)} records"
    if exported and not records:
        yield "L2", "ACK_WITHOUT_DELIVERY: its source has it as exported, and the receiver has nothing"
    for at, outcome in truth.marks:
        if outcome == "failed":
            times = [*(made for made, _ in records), *second.times(world, external_id)]
            later = [made for made in times if not any(each <= made for each in truth.corrected)]
            if later:
                yield "S3", f"FAILED_AND_DELIVERED: told as failed at {at:.1f}, made at {later}"
    if row is None and world.disk.losses and exported and external_id not in listed:
        if len(standing) != 1 and truth.withdrawn is None and truth.cancelled is None:
            yield "L1", f"LOST: {len(standing)} records, and its source has it as exported"
        return  # it came to its end before the journal was lost, and its source does not list it any more
    if row is None:
        if external_id in listed or truth.cancelled is None:
            yield "L4", "LOST: it is in the feed, and the journal does not know it"
        return
    if row.state in OPEN and not suspected(world, truth):
        yield "L3", f"its delivery is still {row.state}"
    if row.ack_state in OPEN_ACK:
        yield "L3", f"its acknowledgement is still {row.ack_state}: {row.ack_reason}"
    if row.state == "delivered" and not records:
        yield "L2", "the journal has it as delivered, and the receiver has nothing"
    if truth.withdrawn is not None and not world.stepped and row.adopted_at - START > truth.withdrawn + LATEST:
        yield "S1", f"it was cancelled there at {truth.withdrawn:.1f}, and was taken for delivered later"
    if truth.given_up and row.state == "skipped":
        return
    if truth.skipped:
        if records or row.state != "skipped":
            yield "L1", f"it is none of ours, and is {row.state}, {len(records)} records"
    elif truth.broken or truth.refused:
        if records:
            return  # it was delivered before it could not be any more
        if row.state not in ("held", "rejected", "cancelled", "vanished") and not suspected(world, truth):
            yield "L1", f"nobody can have it, and it is {row.state}"
    elif second.mended_unseen(truth, row):
        pass  # nobody can read what was mended
    elif truth.withdrawn is not None and row.state == "held":
        pass  # what a cancelled record means is for a person to say
    elif truth.withdrawn is not None and (exported or awaited):
        pass  # it was delivered, and somebody there changed their mind
    elif truth.cancelled is not None:
        if row.state == "delivered" and not exported and not awaited:
            yield "L2", "UNSENT_ACK: it was delivered, then cancelled, and its source does not know"
    elif world.disk.losses and exported and len(standing) == 1 and row.state in second.AGO:
        pass  # an older journal knows it as it was before it was mended, or reinstated
    elif row.state in ("held", "rejected") and second.stuck(world, truth, other):
        pass  # who let it go would let it go there as well
    elif len(standing) != 1 or row.state != "delivered":
        yield "L1", f"LOST: {len(standing)} records, {row.state} {row.cause} {row.ack_reason}"
    elif awaited:
        pass  # the source waits for the second receiver; see there
    elif not exported:
        yield "L2", f"UNSENT_ACK: the receiver has it, and its source does not know: {row.ack_state} {row.ack_reason}"
    elif (row.ack_state, row.ack_outcome) != ("confirmed", "exported"):
        yield "L2", f"its source knows, and the journal says {row.ack_state}: {row.ack_reason}"


def held(world: World) -> Iterator[tuple[Any, Row, Truth]]:
    """Yield the orders that wait for a person although a person could release them: key, row and truth."""
    known, others = rows(world), rows(world, at=second.NAME)
    for truth in world.orders.values():
        row = known.get(truth.external_id)
        if row is None or truth.broken or truth.refused or truth.skipped or second.mended_unseen(truth, row):
            continue
        if (truth.withdrawn is not None and row.state == "held") or second.stuck(
            world, truth, others.get(truth.external_id)
        ):
            continue
        if row.state in ("held", "rejected") or row.ack_state == "parked":
            yield row.key, row, truth
