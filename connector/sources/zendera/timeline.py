"""
What an order's external-updates timeline says about its export (seed 003; faults.md #95).

The seed names the route, the event type `EVENT_TYPE_ORDER_EXPORTED` and its `success`; the rest of the shape is not
published, so any list of objects is taken for the timeline [INF].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from connector.sources.zendera.wire import moment

__all__ = ["EXPORTED", "Export", "events", "exports", "told_exported", "told_failed"]

EXPORTED = "EVENT_TYPE_ORDER_EXPORTED"
TIMES = ("date", "timestamp", "time", "createdAt", "eventDate", "eventTime", "occurredAt", "receivedAt")
SKEW = timedelta(seconds=60)
"""How far the vendor's clock may be behind ours. An earlier failure of the same order is older than that: a dispatcher
has corrected the order since."""


class Export(msgspec.Struct, frozen=True):
    """One attempt at exporting an order, as the timeline shows it; `texts` is all that it says."""

    success: bool
    at: datetime | None
    texts: frozenset[str]


def events(body: Any) -> list[dict[str, Any]]:
    """
    Return the events of a decoded answer, oldest first where all of them have a time, else as they came.

    The answer is a list of objects, or an object in which there is one; an empty object is an empty timeline. Raises
    `ValueError` for anything else.
    """
    if isinstance(body, dict):
        lists = [value for value in body.values() if isinstance(value, list)]
        if not lists and any(isinstance(value, dict | str) and value for value in body.values()):
            raise ValueError("there is no list of events in it")
        body = lists[0] if lists else []
    if not isinstance(body, list) or not all(isinstance(event, dict) for event in body):
        raise ValueError("it is no list of events")
    times = [_at(event) for event in body]
    known = [at for at in times if at is not None]
    if len(known) < len(body):
        return body
    return [body[number] for number in sorted(range(len(body)), key=lambda number: known[number])]


def exports(timeline: Sequence[Mapping[str, Any]]) -> list[Export]:
    """Return the attempts at exporting the order. One without `success` failed: protobuf leaves out what is false."""
    return [
        Export(any(layer.get("success") is True for layer in _layers(event)), _at(event), frozenset(_texts(event)))
        for event in timeline
        if EXPORTED in _texts(event)
    ]


def told_exported(attempts: Sequence[Export], *, listed: bool | None) -> bool | None:
    """
    Tell whether Zendera knows that an order was exported; None if that is not certain.

    While the order is in the feed (`listed`) it does not, whatever the timeline shows of an earlier export. Otherwise
    it does if the timeline shows so. An order that left the feed was acknowledged, unless the timeline knows of
    failures only: five of them take an order out of the feed, too.
    """
    if listed:
        return False
    if any(attempt.success for attempt in attempts):
        return True
    return None if listed is None else not attempts


def told_failed(attempts: Sequence[Export], *, since: datetime, reason: str, before: int | None = None) -> bool | None:
    """
    Tell whether Zendera knows of a failure at or after `since`; None if that is not certain.

    Where it is known how many failures it had confirmed `before`, one more than these is it, whatever the two clocks
    say. Otherwise its time decides; a failure without a time counts if it gives our `reason`, and makes the answer
    uncertain if it does not. An export since then counts as well: there is nothing to tell any more.
    """
    if before is not None and sum(not attempt.success for attempt in attempts) > before:
        return True
    counted = [attempt for attempt in attempts if attempt.success or before is None]
    undated = [attempt for attempt in counted if attempt.at is None]
    if any(attempt.at is not None and attempt.at >= since - SKEW for attempt in counted):
        return True
    if any(attempt.success or reason in attempt.texts for attempt in undated):
        return True
    return None if undated else False


def _layers(event: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the event and the objects right in it: what belongs to its type may be in one of its own."""
    return [event, *(value for value in event.values() if isinstance(value, dict))]


def _texts(event: Mapping[str, Any]) -> set[str]:
    return {value for layer in _layers(event) for value in layer.values() if isinstance(value, str)}


def _at(event: Mapping[str, Any]) -> datetime | None:
    for layer in _layers(event):
        for name in TIMES:
            try:
                if (at := moment(layer.get(name))) is not None:
                    return at
            except ValueError:
                continue
    return None
