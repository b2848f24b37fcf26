"""
Decides from the source's timeline whether a report whose response was lost has arrived.

The format of the timeline may not be documented (Zendera's is not, vendors.md section 3), so reports are compared by
the parts that any format must have: the status, the stop and the time. An entry that could be this report or another
one decides nothing, because people see a duplicate report as well as a missing one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, get_args

import msgspec

from connector.progress import Location, Status

__all__ = ["contains", "summary"]

WORDS: dict[str, tuple[str, ...]] = {"status": get_args(Status), "location": get_args(Location)}
ACKNOWLEDGED = "ORDER_EXPORTED"
"""The text in timeline entries about an acknowledgement, which are no reports (seed 003)."""
MAX_DEPTH = 8
"""Levels of nesting that are read in a timeline entry."""
TOLERANCE = 1.0
"""Seconds by which a time that is stored without its fraction may differ."""


def summary(body: bytes) -> dict[str, str]:
    """
    Return the `status`, `location` and `date` of a report's body, as far as it has them.

    Only these are kept of a report that has arrived: the rest holds people's names, and has no further use.
    """
    found = {key: values[0] for key in WORDS if (values := [v for v in _under(_read(body), key) if v in WORDS[key]])}
    dates = [text for text in _under(_read(body), "date") if _instant(text) is not None]
    return {**found, **({"date": dates[0]} if dates else {})}


def contains(body: bytes, events: Sequence[Mapping[str, Any]], others: Sequence[bytes] = ()) -> bool | None:
    """
    Return whether the timeline entries `events` contain the report; None if that is uncertain.

    `others` are the reports (or their summaries) that the source certainly has: each accounts for one entry.
    """
    left = list(events)
    for other in others:
        match = next((number for number, event in enumerate(left) if _is(summary(other), event)), None)
        if match is not None:
            del left[match]
    judged = [_is(summary(body), event) for event in left]
    return True if True in judged else None if None in judged else False


def _is(report: Mapping[str, str], event: Mapping[str, Any]) -> bool | None:
    """Return whether a timeline entry is the report; None if that is uncertain."""
    texts = [text for _, text in _leaves(event)]
    if any(ACKNOWLEDGED in text for text in texts):
        return False
    for key, words in WORDS.items():
        # Enum values often have a prefix: STATUS_DAMAGE, LOCATION_PICKUP.
        named = {word for text in texts for word in words if _names(text, word)}
        if named and report.get(key) not in named:
            return False
    date = _instant(report.get("date", ""))
    dates = [at for text in _under(event, "date") if (at := _instant(text)) is not None]
    if date is None or (dates and not any(_same(at, date) for at in dates)):
        return None if date is None else False
    complete = all(any(_names(text, report.get(key, "?")) for text in texts) for key in WORDS)
    times = [at for text in texts if (at := _instant(text)) is not None]
    return True if complete and any(_same(at, date) for at in times) else None


def _names(text: str, word: str) -> bool:
    return text == word or text.endswith(f"_{word}")


def _same(one: datetime, other: datetime) -> bool:
    return abs((one - other).total_seconds()) < TOLERANCE


def _under(content: Any, key: str) -> list[str]:
    return [text for name, text in _leaves(content) if name == key]


def _leaves(content: Any, name: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    """Yield the texts and numbers in `content`, each with its key."""
    if depth > MAX_DEPTH:
        return
    if isinstance(content, Mapping):
        for key, inner in content.items():
            yield from _leaves(inner, str(key), depth + 1)
    elif isinstance(content, list | tuple):
        for inner in content:
            yield from _leaves(inner, name, depth + 1)
    elif isinstance(content, str | int | float) and not isinstance(content, bool):
        yield name, str(content)


def _instant(text: str) -> datetime | None:
    """Parse a time: ISO 8601, or the milliseconds since 1970 of Zendera's sister feeds (vendors.md 3)."""
    if re.fullmatch(r"1\d{12}", text, re.ASCII):
        return datetime.fromtimestamp(int(text) / 1000, UTC)
    try:
        at = datetime.fromisoformat(text)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):  # the latter for the ends of time in another zone
        return None


def _read(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return None
