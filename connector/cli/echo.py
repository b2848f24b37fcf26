"""`connector echo`: prints the settings in full."""

from __future__ import annotations

import click

from connector.cli import settings_of

__all__ = ["command"]


@click.command("echo")
@click.pass_context
def command(ctx: click.Context) -> None:
    """Print the settings in full: defaults included, `${...}` references filled in, secrets masked."""
    from connector.settings import echo

    click.echo(echo(settings_of(ctx)), nl=False)
