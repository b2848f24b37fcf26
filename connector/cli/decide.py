"""What `connector retry` and `skip` have in common: which orders are meant, and one transaction about them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

import click

from connector.cli import exits, settings_of
from connector.cli.orders import check_source, say_causes
from connector.cli.tables import escaped

__all__ = ["decide", "which"]

Decision = Callable[[Sequence[int], int, sqlite3.Connection], list[int]]


def which(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the arguments that say which orders are meant."""
    command = click.option("--cause", metavar="TEXT", help="All orders that wait for exactly this.")(command)
    command = click.argument("order_ids", nargs=-1, metavar="ID...")(command)
    return click.argument("source", required=False)(command)


def decide(
    ctx: click.Context, decision: Decision, what: str, source: str | None, order_ids: Sequence[str], cause: str | None
) -> None:
    """Make `decision` about the orders that are meant, and say of how many; exit 1 if it was not about all of them."""
    from connector.clock import SystemClock
    from connector.journal.base import millis
    from connector.journal.decisions import deciding
    from connector.journal.holds import keys_of

    if cause is not None and source is not None:
        raise click.UsageError("name the orders (SOURCE ID ...), or what they wait for (--cause), not both", ctx=ctx)
    if cause is None and source is None:
        raise click.UsageError("name the orders (SOURCE ID ...), or what they wait for (--cause TEXT)", ctx=ctx)
    if source is not None and not order_ids:
        raise click.UsageError("name at least one order (SOURCE ID ...)", ctx=ctx)
    settings = settings_of(ctx)
    with deciding(settings.journal) as db:
        if source is not None:
            check_source(ctx, db, source, settings.sources, hint="SOURCE")
        keys = keys_of(source, order_ids, cause, db)
        moved = decision(keys, millis(SystemClock().now()), db)
        if cause is not None and not keys:
            say_causes(db, cause)
    count = len(moved)
    if count:
        click.echo(f"{count} {'order is' if count == 1 else 'orders are'} {what}")
    else:
        click.echo("no such order waits for a person", err=True)
    if source is not None and count < len(set(order_ids)):
        missing = len(set(order_ids)) - count
        click.echo(escaped(f"{missing} of those named are unknown or do not wait; see `connector orders`"), err=True)
    if not count or (source is not None and count < len(set(order_ids))):
        raise SystemExit(exits.TROUBLE)
