"""Where and how a process ends: the points at which it may be killed, and the plan of one incarnation's end."""

from __future__ import annotations

from random import Random

import msgspec

__all__ = ["CALLS", "POINTS", "WRITES", "Ending", "drawn", "seldom_of_all"]

CALLS = ("login", "feed", "lookup", "create", "ack", "timeline", "report", "update", "cancel", "read")
"""The kinds of call on the wire."""
WRITES = (
    "sentinel.identify",
    "sentinel.raise_epoch",
    "clock_steps.follow",
    "lookup_first.begin",
    "sqlite.recover",
    "reports.recover",
    "orders.ingest",
    "endpoints.polled",
    "deliveries.intend",
    "deliveries.settle",
    "acks.claim",
    "acks.settle",
    "changes.settle",
    "reports.progressed",
    "reports.claim",
    "reports.settle",
    "clock_steps.note",
)
"""The journal's transactions, by the module and the method of their first operation."""
READS = ("deliveries.due", "acks.due")

POINTS = (
    *(f"{call}:{where}" for call in CALLS for where in ("before", "applied", "after")),
    *(f"{write}:{where}" for write in WRITES for where in ("before", "in", "after")),
    *(f"{read}:after" for read in READS),
)
"""
Every place at which a process is killed: on the wire before a request is sent, when it was applied and not answered,
and when the answer has come and nobody has read it; in the journal before a transaction, in the middle of it, and when
it is committed and nobody has heard.
"""

OFTEN = ("create", "lookup:", "ack", "intend", "settle", "claim", "recover", "steps")

SELDOM = {
    "cancel": 20,
    "update": 11,
    "changes.settle": 5,
    "timeline": 11,
    "report": 9,
    "reports.progressed": 4,
    "reports.claim": 7,
    "reports.settle": 7,
    "read": 1,
    "login": 1,
}
"""Points that few orders reach, each with its share of choices; the process is killed there the first time."""


SELDOM_OF_ALL = ("cancel", "read", "report", "reports.claim", "reports.settle", "timeline")
"""The least reached of those points; some schedules in which much happens after a delivery wait for nothing else."""


class Ending(msgspec.Struct):
    """
    The end of an incarnation: killed at the `nth` time that it passes `point`, or killed, stopped or cancelled at `at`.

    `at` is seconds from the start of the process; a process that waits for a point in vain is killed then, if `at` is
    not 0.
    """

    kind: str
    point: str = ""
    nth: int = 1
    at: float = 0.0


ONCE = ("sentinel.", "lookup_first.begin", "clock_steps.", "sqlite.recover", "reports.recover")
"""The points that a process passes at its start, and mostly not again."""


def seldom_of_all(chance: Random) -> Ending:
    """Draw the end of one incarnation at the points that are reached least."""
    name = chance.choice(SELDOM_OF_ALL)
    where = chance.choice([point for point in POINTS if point.partition(":")[0] == name])
    return Ending("point", where, at=chance.uniform(60, 180))


def drawn(chance: Random, seldom: float) -> Ending:
    """Return the end of one incarnation; `seldom` is the share of ends at the points that few orders reach."""
    kind = chance.choices(("point", "kill", "stop", "cancel"), (0.72, 0.12, 0.08, 0.08))[0]
    if kind == "point":
        point = chance.choice(POINTS)
        share = chance.random()
        if share < seldom:
            points = [each for each in POINTS if each.partition(":")[0] in SELDOM]
            (point,) = chance.choices(points, [SELDOM[each.partition(":")[0]] for each in points])
            return Ending("point", point, nth=chance.choice((1, 1, 1, 2)), at=chance.uniform(60, 180))
        if share < seldom + 0.3:
            point = chance.choice([each for each in POINTS if any(word in each for word in OFTEN)])
        elif share > 0.92:
            point = chance.choice([each for each in POINTS if each.startswith(ONCE)])
        return Ending("point", point, nth=1 if point.startswith(ONCE) else chance.choice((1, 1, 2, 3, 5)))
    at = chance.uniform(0, 2) if chance.random() < 0.5 else chance.uniform(0, 90)
    return Ending(kind, at=at)
