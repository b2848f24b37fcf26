"""What `connector retry` and `skip` have in common: which orders are meant, and one transaction about them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from connector.cli import exit_codes, settings_of
from connector.cli.orders import check_source, say_causes
from connector.cli.output import escaped

if TYPE_CHECKING:
    from connector.settings import Settings

__all__ = ["decide", "which"]

TURN = 0.1
"""Seconds between two transactions: what waits for the file looks at least so often whether it is free."""

Decision = Callable[[Sequence[int], int, sqlite3.Connection, str | None], list[int]]


def which(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the arguments that say which orders are meant."""
    command = click.option("--cause", metavar="TEXT", help="All orders that wait for exactly this.")(command)
    command = click.argument("order_ids", nargs=-1, metavar="ID...")(command)
    return click.argument("source", required=False)(command)


def decide(
    ctx: click.Context, decision: Decision, what: str, source: str | None, order_ids: Sequence[str], cause: str | None
) -> None:
    """Make `decision` about the orders that are meant, and say of how many; exit 1 if it was not about all of them."""
    if cause is not None and source is not None:
        raise click.UsageError("name the orders (SOURCE ID ...), or what they wait for (--cause), not both", ctx=ctx)
    if cause is None and source is None:
        raise click.UsageError("name the orders (SOURCE ID ...), or what they wait for (--cause TEXT)", ctx=ctx)
    if source is not None and not order_ids:
        raise click.UsageError("name at least one order (SOURCE ID ...)", ctx=ctx)
    settings = settings_of(ctx)
    if cause is not None:
        count, late = _about_cause(settings.journal, decision, cause)
    else:
        count, late = _about_orders(ctx, settings, decision, source or "", order_ids)
    if count:
        click.echo(f"{count} {'order is' if count == 1 else 'orders are'} {what}")
    elif not late:
        click.echo("no such order waits for a person", err=True)
    if late:
        left = "1 order is" if late == 1 else f"{late} orders are"
        said = "the source is being told that it failed. Try again in a minute, or after the next start if none runs"
        click.echo(f"{left} left alone: {said}", err=True)
    missing = len(set(order_ids)) - count - late
    if source is not None and missing > 0:
        click.echo(escaped(f"{missing} of those named are unknown or do not wait; see `connector orders`"), err=True)
    if not count or late or (source is not None and missing > 0):
        raise SystemExit(exit_codes.TROUBLE)


def _about_orders(
    ctx: click.Context, settings: Settings, decision: Decision, source: str, order_ids: Sequence[str]
) -> tuple[int, int]:
    """Make a decision about orders that are named, in one transaction; see `_decided` for what is returned."""
    from connector.clock import SystemClock
    from connector.journal.decisions import deciding, keys_of
    from connector.journal.engine.codec import millis

    with deciding(settings.journal) as db:
        check_source(ctx, db, source, settings.sources, hint="SOURCE")
        return _decided(decision, keys_of(source, order_ids, None, db), millis(SystemClock().now()), db, None)


def _decided(
    decision: Decision, keys: Sequence[int], now: int, db: sqlite3.Connection, cause: str | None
) -> tuple[int, int]:
    """Make a decision; return the number of orders it changed, and of those whose failure is being told meanwhile."""
    from connector.journal.decisions import telling_failure

    late = telling_failure(keys, db)
    made = decision(keys, now, db, cause)
    return len(made), len(set(late) - set(made))


def _about_cause(journal: str, decision: Decision, cause: str) -> tuple[int, int]:
    """
    Make a decision about all that waits for `cause`; see `_decided` for what is returned.

    One transaction decides about a portion, and between two of them a running connector has its turn: there may be a
    million. An interrupted command has decided about some, and may be repeated.
    """
    import anyio

    from connector.clock import SystemClock
    from connector.journal.decisions import PORTION, deciding, keys_of, still
    from connector.journal.engine.codec import millis
    from connector.journal.views.orders import chunks
    from connector.journal.views.status import open_reader

    with open_reader(journal) as db:
        keys = keys_of(None, (), cause, db)
        if not keys:
            say_causes(db, cause)
    clock = SystemClock()

    async def in_portions() -> tuple[int, int]:
        count = late = 0
        for number, part in enumerate(chunks(keys, PORTION)):
            if number:
                await clock.sleep(TURN)
            with deciding(journal) as db:
                made, left = _decided(decision, still(part, cause, db), millis(clock.now()), db, cause)
                count, late = count + made, late + left
        return count, late

    return anyio.run(in_portions)
