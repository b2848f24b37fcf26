"""Times and lengths of time as arguments of commands."""

from __future__ import annotations

from datetime import UTC, datetime

import click

__all__ = ["Moment", "Since", "Span"]


class Span(click.ParamType[float]):
    """A length of time as in the settings."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read it, in seconds."""
        from connector.settings.values import Duration

        try:
            return float(Duration.parse(value))
        except ValueError as exc:
            self.fail(str(exc), param, ctx)


class _Time(click.ParamType[datetime]):
    """A time in ISO 8601, such as `example`."""

    name = "time"
    example = ""

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Read it."""
        if isinstance(value, datetime):
            return value
        try:
            at = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is not a time such as {self.example}", param, ctx)
        return at if at.tzinfo is not None else self.zoned(at, param, ctx)

    def zoned(self, at: datetime, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return what a time without a zone means."""
        raise NotImplementedError


class Since(_Time):
    """A time from which on something counts; one without a zone is taken for UTC."""

    example = "2026-11-01 or 2026-11-01T12:00:00Z"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Read it, in UTC."""
        try:
            return super().convert(value, param, ctx).astimezone(UTC)
        except OverflowError:  # at the ends of time, in another zone
            self.fail(f"{value!r} is not a time such as {self.example}", param, ctx)

    def zoned(self, at: datetime, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Take it for UTC."""
        return at.replace(tzinfo=UTC)


class Moment(_Time):
    """A time at which something happened, with its zone: that is not to be guessed."""

    example = "2026-06-11T14:30:00Z"

    def zoned(self, at: datetime, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Refuse it."""
        self.fail(f"'{at.isoformat()}' has no zone; write {self.example}, or +02:00 at its end", param, ctx)
