"""Where and how a process ends: the points at which it may be killed, and the plan of one incarnation's end."""

from __future__ import annotations

from random import Random

import msgspec

__all__ = ["CALLS", "POINTS", "WRITES", "Ending", "drawn"]

CALLS = ("login", "feed", "lookup", "create", "ack", "timeline", "report", "update", "cancel", "read")
"""The kinds of call on the wire."""
WRITES = (
    "sentinel.identify",
    "sentinel.raise_epoch",
    "steps.begin",
    "doubts.begin",
    "deliveries.recover",
    "reports.recover",
    "arrivals.ingest",
    "arrivals.polled",
    "deliveries.intend",
    "deliveries.settle",
    "acks.claim",
    "acks.settle",
    "changes.settle",
    "reports.progressed",
    "reports.claim",
    "reports.settle",
    "steps.note",
)
"""The journal's transactions, by their first operation."""
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

OFTEN = ("create", "lookup", "ack", "intend", "settle", "claim", "recover", "steps")

SELDOM = frozenset(
    {"timeline", "report", "update", "cancel", "read", "login", "changes.settle"}
    | {"reports.progressed", "reports.claim", "reports.settle"}
)
"""What few orders come to: who waits for it is killed there the first time."""
RARER = ("timeline", "update", "cancel", "report:", "reports.claim", "reports.progressed")
RAREST = ("update", "cancel", "timeline")
"""Of those, what many wait for in vain: most orders have ended before they are changed or cancelled."""


class Ending(msgspec.Struct):
    """
    How an incarnation ends: killed at the `nth` time that it passes `point`, or killed, stopped or cancelled at `at`.

    `at` is seconds from its start.
    """

    kind: str
    point: str = ""
    nth: int = 1
    at: float = 0.0


ONCE = ("sentinel.", "doubts.begin", "steps.", "deliveries.recover", "reports.recover")
"""What a process passes at its start, and mostly not again."""


def drawn(chance: Random, seldom: float) -> Ending:
    """Return the end of one incarnation; `seldom` is the share of them at what few orders come to."""
    kind = chance.choices(("point", "kill", "stop", "cancel"), (0.72, 0.12, 0.08, 0.08))[0]
    if kind == "point":
        point = chance.choice(POINTS)
        share = chance.random()
        if share < seldom:
            seldom_passed = [each for each in POINTS if each.partition(":")[0] in SELDOM]
            rare = ("update", "cancel", "timeline", "report:", "reports.claim", "reports.settle", "changes")
            rarest = [each for each in seldom_passed if each.startswith(rare)]
            rarest += [each for each in seldom_passed if each.startswith(RARER)]
            rarest += [each for each in rarest if each.startswith(RAREST)]
            point = chance.choice(seldom_passed + 3 * rarest)
            return Ending("point", point, nth=chance.choice((1, 1, 1, 2)))
        if share < seldom + 0.3:
            point = chance.choice([each for each in POINTS if any(word in each for word in OFTEN)])
        elif share > 0.92:
            point = chance.choice([each for each in POINTS if each.startswith(ONCE)])
        return Ending("point", point, nth=1 if point.startswith(ONCE) else chance.choice((1, 1, 2, 3, 5)))
    at = chance.uniform(0, 2) if chance.random() < 0.5 else chance.uniform(0, 90)
    return Ending(kind, at=at)
