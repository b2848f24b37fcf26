"""`connector backup`: a copy of the journal, made while the connector runs or while it does not."""

from __future__ import annotations

from pathlib import Path

import click

from connector.cli import settings_of
from connector.cli.output import escaped

__all__ = ["command"]


@click.command("backup")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False))
@click.pass_context
def command(ctx: click.Context, *, file: Path) -> None:
    """
    Copy the journal to the new FILE, readable by its owner only, and check the copy.

    Works while the connector runs and while it does not. To restore: stop the connector, remove what is beside the
    journal (-wal, -shm), and put FILE in its place; the next start looks up what it may not know.
    """
    from connector.clock import SystemClock
    from connector.journal.backup import backup

    size = backup(Path(settings_of(ctx).journal), file, SystemClock().now())
    click.echo(escaped(f"{file}: a checked copy of the journal, {size:,} bytes"))
