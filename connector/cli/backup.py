"""`connector backup`: copies the journal, also while the connector runs."""

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

    Works whether or not the connector is running. To restore a copy: stop the connector, delete the journal's -wal
    and -shm files, and replace the journal with FILE. The next start looks orders up at the receivers before it
    creates any that the copy does not contain.
    """
    from connector.clock import SystemClock
    from connector.journal.backup import backup

    size = backup(Path(settings_of(ctx).journal), file, SystemClock().now())
    click.echo(escaped(f"{file}: copy of the journal, checked, {size:,} bytes"))
