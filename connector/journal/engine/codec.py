"""Times as the journal keeps them: milliseconds since 1970."""

from __future__ import annotations

from datetime import UTC, datetime

from connector.errors import JournalError

__all__ = ["millis", "moment"]


def millis(at: datetime) -> int:
    """Return a time as the journal keeps it."""
    return round(at.timestamp() * 1000)


def moment(ms: int) -> datetime:
    """Return a kept time as a `datetime` in UTC. Raises `JournalError` for what can be no time."""
    try:
        return datetime.fromtimestamp(ms / 1000, UTC)
    except (ValueError, OverflowError, OSError):  # which of them depends on the system
        raise JournalError(
            f"the journal is damaged: it has {ms} for a time; restore a backup, or move it away"
        ) from None
