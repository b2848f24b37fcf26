"""Counts of a run of schedules, and the check that it saw enough: every crash point, fault and way between states."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, get_args

import msgspec

from connector.journal.states import ACK_EDGES, DELIVERY_EDGES, REPORT_EDGES
from tests.simulation.content import EXTRAS
from tests.simulation.crashes import POINTS
from tests.simulation.disk import ASKED, DOWN, VOLUMES
from tests.simulation.faults import CLOCK_STEPS, FAULTS, FOREIGN, UNREAD
from tests.simulation.firewall import FIREWALL
from tests.simulation.mappings import Kind
from tests.simulation.marks import LAGS, UNMOVED
from tests.simulation.readings import READINGS
from tests.simulation.schedule import Result
from tests.simulation.vendors.content import ODDITIES
from tests.simulation.vendors.erp import Manners

__all__ = ["ENOUGH", "UNREACHED", "Summary", "lacking", "summed"]

ENOUGH = 20
"""The least number of times that a run of 10,000 schedules has to see each of them."""

NOBODY = "nothing in the connector does that"
BY_WAY_OF_NEW = "it goes by way of new"
TRIED_IN_VAIN = "what was provably not sent is not there"
UNREACHED = {
    "ack in_doubt>parked": "the source that takes a repeat is told again, and the others here can be asked",
    "ack parked>confirmed": "nobody says here that a mark was made; what is parked is listed until it is told again",
    "ack pending>confirmed": NOBODY,
    "ack pending>parked": NOBODY,
    "delivery held>cancelled": BY_WAY_OF_NEW,
    "delivery in_doubt>rejected": "it has its intent before it is refused, and is held if it cannot be mapped",
    "delivery new>rejected": "who is let go while another order bears a refusal out: seen, but seldom",
    "delivery new>delivered": "who releases what a newer journal had delivered: seen, but seldom",
    "delivery ready>cancelled": BY_WAY_OF_NEW,
    "delivery ready>delivered": TRIED_IN_VAIN,
    "delivery ready>held": f"{TRIED_IN_VAIN}, unless a person let it go: seen, but seldom",
    "delivery rejected>cancelled": BY_WAY_OF_NEW,
}
"""The ways between states that a schedule does not come to, and why."""

WORLDS = (
    *(f"mapping {each}" for each in get_args(Kind)),
    "a correction that only the mapping reads",
    "a change that only the mapping reads",
    "a plugin that takes an order for another",
    "the journal is lost",
    "a backup is restored",
    "an older journal is accepted",
    "an order refused alone is held",
    "a retry while its failure is told",
    "a plugin that breaks the protocol",
    *(f"a list is {lag:g} s behind" for lag in LAGS),
    *READINGS,
    *VOLUMES,
    ASKED,
    DOWN,
    *(f"an order with {extra}" for extra in EXTRAS),
    *(f"an order, {each}" for each in ODDITIES),
    *(f"second receiver, {part} {each}" for part in ("required", "optional") for each in get_args(Manners)),
)
"""Conditions and events that occur in some schedules only."""

WORST = {
    "lost": ("L1", "L4"),
    "doubled": ("S1",),
    "unsent acks": ("L2",),
    "failed and delivered": ("S3", "S4"),
    "stock moved twice": ("S11",),
}


class Summary(msgspec.Struct):
    """The result of a run."""

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
        faults=_under(counts, "fault ", (*FAULTS, *FOREIGN, *UNREAD, *FIREWALL, UNMOVED, *CLOCK_STEPS)),
        edges=_under(counts, "edge ", edges()),
        worlds=_under(counts, "world ", WORLDS),
        worst=dict(worst),
        violating=sorted(violating),
    )


def edges() -> list[str]:
    """Return every way that the journal allows, as `delivery new>intent` or `ack none>pending`."""
    kinds: Sequence[tuple[str, Any]] = (
        ("delivery", DELIVERY_EDGES),
        ("ack", ACK_EDGES),
        ("report", REPORT_EDGES),
    )
    return [
        f"{kind} {before}>{after}" for kind, table in kinds for before, ways in table.items() for after in sorted(ways)
    ]


def lacking(summary: Summary, enough: int = ENOUGH) -> list[str]:
    """Return the events that the run saw too seldom."""
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
