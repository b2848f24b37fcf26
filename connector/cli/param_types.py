"""Parameter types of commands for durations and points in time."""

from __future__ import annotations

from datetime import UTC, datetime

import click

__all__ = ["DurationParam", "SinceParam", "ZonedTimeParam"]


class DurationParam(click.ParamType[float]):
    """A duration, written as in the settings."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the duration in seconds."""
        from connector.settings.values import Duration

        try:
            return float(Duration.parse(value))
        except ValueError as exc:
            self.fail(str(exc), param, ctx)


class _Time(click.ParamType[datetime]):
    """A time in ISO 8601; `example` is shown after a mistake."""

    name = "time"
    example = ""

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return the time, with its time zone."""
        if isinstance(value, datetime):
            return value
        try:
            at = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is not a time such as {self.example}", param, ctx)
        return at if at.tzinfo is not None else self.zoned(at, param, ctx)

    def zoned(self, at: datetime, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return a time for one that was given without a time zone."""
        raise NotImplementedError


class SinceParam(_Time):
    """The start of a period; UTC unless a time zone is given."""

    example = "2026-11-01 or 2026-11-01T12:00:00Z"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return the time in UTC."""
        try:
            return super().convert(value, param, ctx).astimezone(UTC)
        except OverflowError:  # near year 1 or 9999, in another time zone
            self.fail(f"{value!r} is not a time such as {self.example}", param, ctx)

    def zoned(self, at: datetime, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return the time as UTC."""
        return at.replace(tzinfo=UTC)


class ZonedTimeParam(_Time):
    """The time of an event. Its time zone is required, because a guess could be wrong by hours."""

    example = "2026-06-11T14:30:00Z"

    def zoned(self, at: datetime, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Fail: the time zone is missing."""
        self.fail(f"'{at.isoformat()}' has no time zone; write {self.example}, or end it with +02:00", param, ctx)
