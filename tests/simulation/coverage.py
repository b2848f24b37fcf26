"""What a run of schedules came to, and whether it saw enough: every crash point, fault and way between states."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, get_args

import msgspec

from connector.journal.states import ACK_EDGES, DELIVERY_EDGES
from tests.simulation.crashes import POINTS
from tests.simulation.faults import CLOCK_STEPS, FAULTS
from tests.simulation.schedule import Result
from tests.simulation.vendors.erp import Manners

__all__ = ["ENOUGH", "UNREACHED", "Summary", "lacking", "summed"]

ENOUGH = 20
"""How often a run of 10,000 schedules has to see each of them."""

BY_HAND = "a person does that"
BY_WAY_OF_NEW = "it goes by way of new"
STAYS_AWAY = "what has left a feed stays away here"
UNREACHED = {
    "ack in_doubt>parked": "all three sources can be asked",
    "ack pending>confirmed": BY_HAND,
    "ack pending>parked": BY_HAND,
    "delivery cancelled>new": STAYS_AWAY,
    "delivery held>cancelled": BY_WAY_OF_NEW,
    "delivery held>in_doubt": "an order that was tried, then held, and is changed then: seen, but seldom",
    "delivery held>skipped": BY_HAND,
    "delivery held>vanished": "what is held stays in its feed here",
    "delivery in_doubt>rejected": "a look-up comes first, and then it is an intent again",
    "delivery intent>held": "the receiver never answers a create with another order",
    "delivery new>delivered": "an order that nobody tried is there only for a journal that was lost",
    "delivery new>rejected": "what cannot be mapped is refused when it is listed",
    "delivery new>vanished": "it is tried long before it is missed",
    "delivery new>in_doubt": "what was tried is ready, or in doubt already",
    "delivery ready>cancelled": BY_WAY_OF_NEW,
    "delivery ready>delivered": "what was provably not sent is not there",
    "delivery ready>held": "what was provably not sent is not there",
    "delivery ready>in_doubt": "a look-up comes first, and then it is an intent again",
    "delivery ready>rejected": "a look-up comes first, and then it is an intent again",
    "delivery ready>skipped": BY_HAND,
    "delivery ready>vanished": "a paused receiver at the wrong moment: seen, but seldom",
    "delivery rejected>cancelled": BY_WAY_OF_NEW,
    "delivery rejected>skipped": BY_HAND,
    "delivery rejected>vanished": "what is rejected stays in its feed here",
    "delivery vanished>new": STAYS_AWAY,
    "report in_doubt>parked": "the timeline here can nearly always be read: seen, but seldom",
}
"""The ways between states that a schedule does not come to, and why."""

WORLDS = (
    "the journal is lost",
    "a backup is restored",
    "an older journal is accepted",
    *(f"second receiver, {part} {each}" for part in ("required", "optional") for each in get_args(Manners)),
)
"""What is so, or happens, in some schedules only."""

WORST = {
    "lost": ("L1", "L4"),
    "doubled": ("S1",),
    "unsent acks": ("L2",),
    "failed and delivered": ("S3", "S4"),
    "stock moved twice": ("S11",),
}


class Summary(msgspec.Struct):
    """What a run came to."""

    schedules: int
    orders: int
    deliveries: int
    calls: int
    crashes: dict[str, int]
    faults: dict[str, int]
    edges: dict[str, int]
    worlds: dict[str, int]
    worst: dict[str, int]
    violating: list[int]


def summed(results: Iterable[Result]) -> Summary:
    """Add the results of schedules up."""
    counts: Counter[str] = Counter()
    worst: Counter[str] = Counter(dict.fromkeys(WORST, 0))
    violating: list[int] = []
    schedules = 0
    for result in results:
        schedules += 1
        counts.update(result.counts)
        if result.violations:
            violating.append(result.seed)
        for name, invariants in WORST.items():
            worst[name] += len({each.order for each in result.violations if each.invariant in invariants})
    return Summary(
        schedules=schedules,
        orders=counts["orders"],
        deliveries=counts["deliveries"],
        calls=counts["calls"],
        crashes=_under(counts, "crash ", (*POINTS, "anywhere", "stop", "cancel")),
        faults=_under(counts, "fault ", (*FAULTS, *CLOCK_STEPS)),
        edges=_under(counts, "edge ", edges()),
        worlds=_under(counts, "world ", WORLDS),
        worst=dict(worst),
        violating=sorted(violating),
    )


def edges() -> list[str]:
    """Return every way that the journal allows, as `delivery new>intent` or `ack none>pending`."""
    kinds: Sequence[tuple[str, Any]] = (("delivery", DELIVERY_EDGES), ("ack", ACK_EDGES))
    return [
        f"{kind} {before}>{after}" for kind, table in kinds for before, ways in table.items() for after in sorted(ways)
    ]


def lacking(summary: Summary, enough: int = ENOUGH) -> list[str]:
    """Return what the run saw too seldom."""
    seen = {
        **{f"crash at {name}": times for name, times in summary.crashes.items()},
        **{f"fault {name}": times for name, times in summary.faults.items()},
        **{f"world with {name}": times for name, times in summary.worlds.items()},
        **{f"edge {name}": times for name, times in summary.edges.items() if name not in UNREACHED},
    }
    return [f"{name}: {times}" for name, times in seen.items() if times < enough]


def _under(counts: Counter[str], prefix: str, known: Iterable[str]) -> dict[str, int]:
    found = {name.removeprefix(prefix): times for name, times in counts.items() if name.startswith(prefix)}
    return {**dict.fromkeys(known, 0), **found}
