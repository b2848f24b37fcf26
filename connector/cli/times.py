"""Times and lengths of time as arguments of commands."""

from __future__ import annotations

from datetime import UTC, datetime

import click

__all__ = ["Since", "Span"]


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


class Since(click.ParamType[datetime]):
    """A time in ISO 8601; one without a zone is taken for UTC."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Read it."""
        if isinstance(value, datetime):
            return value
        try:
            at = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is not a time such as 2026-11-01 or 2026-11-01T12:00:00Z", param, ctx)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
