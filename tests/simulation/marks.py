"""Faulty answers to marks at sources in some schedules: lists that lag behind, and successes that change nothing."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any, Protocol

import msgspec

from connector.settings import Duration, Settings
from tests.simulation.faults import T_APPLY

__all__ = ["LAGS", "UNMOVED", "drawn", "with_settle"]

LAGS = (1.0, 4.0, 8.0, 20.0)
"""Seconds by which a list may be behind: the source's `settle` is set above the sum of that and the delay (A1, A2)."""
UNMOVED = "unmoved"
"""The name of a mark that is answered with a success, and changes nothing."""


class Lists(Protocol):
    """The part of a stand-in that sets its behaviour here."""

    list_lag: float
    unmoved: Any
    unmoved_answer: Any


def drawn(sources: Mapping[str, Lists], ids: Mapping[str, int], chance: Random) -> None:
    """Let some sources' lists be behind, and some orders' next marks change nothing."""
    for name, source in sources.items():
        if chance.random() < 0.25:
            source.list_lag = chance.choice(LAGS)
        share = chance.choice((0.0, 0.0, 0.0, 0.3))
        source.unmoved_answer = chance.choice(({}, {}, {"success": False}))
        for number in range(1, ids[name] + 1):
            if chance.random() < share:
                source.unmoved[str(number)] = chance.choice((1, 1, 2, 3))


def with_settle(own: Settings, sources: Mapping[str, Lists]) -> Settings:
    """Return settings with the lag that each list may have."""
    changed = {
        name: msgspec.structs.replace(own.sources[name], settle=Duration(T_APPLY + 1 + source.list_lag))
        for name, source in sources.items()
        if source.list_lag > own.sources[name].settle - T_APPLY
    }
    return msgspec.structs.replace(own, sources={**own.sources, **changed})
