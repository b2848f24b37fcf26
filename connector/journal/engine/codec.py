"""Values as the journal stores them: times in milliseconds since 1970, text that is valid UTF-8."""

from __future__ import annotations

from datetime import UTC, datetime

from connector.errors import JournalError

__all__ = ["millis", "moment", "moment_or_none", "storable"]


def millis(at: datetime) -> int:
    """Return a time as the journal stores it."""
    return round(at.timestamp() * 1000)


def moment(ms: int) -> datetime:
    """Return a stored time as a `datetime` in UTC. Raises `JournalError` for a number that is no time."""
    try:
        return datetime.fromtimestamp(ms / 1000, UTC)
    except (ValueError, OverflowError, OSError):  # which of them depends on the system
        raise JournalError(
            f"the journal is damaged: it has {ms} for a time; restore a backup, or move it away"
        ) from None


def moment_or_none(ms: int | None) -> datetime | None:
    """Return a stored time as a `datetime` in UTC, or None for none."""
    return None if ms is None else moment(ms)


def storable(value: str) -> str:
    """Return a text that is comparable with one of the journal: an argument may hold bytes that are no UTF-8."""
    return value.encode("utf-8", "replace").decode("utf-8")
