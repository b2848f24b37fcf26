"""
Parses an order's external-updates timeline: the exports that Zendera has recorded (seed 003; faults.md #95).

The seed names the route, the event type `EVENT_TYPE_ORDER_EXPORTED` and its `success`; the rest of the form is not
published, so any list of objects counts as the timeline [INF].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from connector.sources.zendera.wire import moment

__all__ = ["EXPORTED", "Export", "events", "export_recorded", "exports", "failure_recorded"]

EXPORTED = "EVENT_TYPE_ORDER_EXPORTED"
TIMES = ("date", "timestamp", "time", "createdAt", "eventDate", "eventTime", "occurredAt", "receivedAt")
SKEW = timedelta(seconds=60)
"""
Seconds that the vendor's clock may be behind ours. An earlier failure of the same order is older than that, because a
dispatcher has corrected the order since.
"""


class Export(msgspec.Struct, frozen=True):
    """One attempt at exporting an order, as the timeline shows it; `texts` are all its texts."""

    success: bool
    at: datetime | None
    texts: frozenset[str]


def events(body: Any) -> list[dict[str, Any]]:
    """
    Return the events of a decoded response, oldest first if all have a time, else in their own order.

    The response is a list of objects, or an object with one; an empty object is an empty timeline. Raises `ValueError`
    for anything else.
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
    """Return the attempts at exporting the order. One without `success` failed, as protobuf leaves out false."""
    return [
        Export(any(layer.get("success") is True for layer in _layers(event)), _at(event), frozenset(_texts(event)))
        for event in timeline
        if EXPORTED in _texts(event)
    ]


def export_recorded(attempts: Sequence[Export], *, listed: bool | None) -> bool | None:
    """
    Return whether Zendera has recorded the export of an order; None if that is not certain.

    - An order in the feed (`listed`) is not exported, whatever the timeline shows of an earlier export.
    - Otherwise it is exported if the timeline shows an export.
    - An order that left the feed was acknowledged, unless the timeline shows failures only: five of them remove an
      order from the feed, too.
    """
    if listed:
        return False
    if any(attempt.success for attempt in attempts):
        return True
    return None if listed is None else not attempts


def failure_recorded(
    attempts: Sequence[Export], *, since: datetime, reason: str, before: int | None = None
) -> bool | None:
    """
    Return whether Zendera has recorded a failure at or after `since`; None if that is not certain.

    - If the number of confirmed failures `before` is known, one more than these is the failure, whatever the clocks
      show.
    - Otherwise its time decides. A failure without a time counts if it has our `reason`, and makes the result uncertain
      if it has another.
    - An export since then counts as well, as nothing is left to acknowledge.
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
    """Return the event and the objects directly in it: values of its type may be in an object of their own."""
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
