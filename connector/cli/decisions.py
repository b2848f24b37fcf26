"""The common part of `connector retry` and `connector skip`: selects the orders and records the decision."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from connector.cli import exit_codes, settings_of
from connector.cli.orders import check_source, suggest_causes
from connector.cli.output import escaped

if TYPE_CHECKING:
    from connector.settings import Settings

__all__ = ["decide", "order_selection"]

PAUSE = 0.1
"""Seconds between two transactions: long enough for a waiting writer to retry and get the lock of the journal."""

Decision = Callable[[Sequence[int], int, sqlite3.Connection, str | None], list[int]]


def order_selection(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the arguments that select orders: SOURCE ID ..., or --cause."""
    command = click.option("--cause", metavar="TEXT", help="All orders held or rejected for exactly this cause.")(
        command
    )
    command = click.argument("order_ids", nargs=-1, metavar="ID...")(command)
    return click.argument("source", required=False)(command)


def decide(
    ctx: click.Context, decision: Decision, done: str, source: str | None, order_ids: Sequence[str], cause: str | None
) -> None:
    """
    Apply `decision` to the selected orders and print their number, with `done` as the result.

    Exits with 1 if it could not be applied to all of them.
    """
    if cause is not None and source is not None:
        raise click.UsageError("give either the orders (SOURCE ID ...) or their cause (--cause), not both", ctx=ctx)
    if cause is None and source is None:
        raise click.UsageError("give the orders (SOURCE ID ...) or their cause (--cause TEXT)", ctx=ctx)
    if source is not None and not order_ids:
        raise click.UsageError("give at least one order (SOURCE ID ...)", ctx=ctx)
    settings = settings_of(ctx)
    if cause is not None:
        count, busy = _decide_by_cause(settings.journal, decision, cause)
    else:
        count, busy = _decide_by_id(ctx, settings, decision, source or "", order_ids)
    if count:
        click.echo(f"{count} {'order is' if count == 1 else 'orders are'} {done}")
    elif not busy:
        click.echo("no such order is held or rejected", err=True)
    if busy:
        unchanged = "1 order is" if busy == 1 else f"{busy} orders are"
        reason = "a failure report to the source is in progress"
        advice = "Try again in a minute; if no connector is running, after its next start"
        click.echo(f"{unchanged} unchanged: {reason}. {advice}", err=True)
    missing = len(set(order_ids)) - count - busy
    if source is not None and missing > 0:
        text = f"{missing} of the given orders are unknown, or neither held nor rejected; see `connector orders`"
        click.echo(escaped(text), err=True)
    if not count or busy or (source is not None and missing > 0):
        raise SystemExit(exit_codes.TROUBLE)


def _decide_by_id(
    ctx: click.Context, settings: Settings, decision: Decision, source: str, order_ids: Sequence[str]
) -> tuple[int, int]:
    """Apply a decision to the orders with these ids in one transaction; returns the counts of `_apply`."""
    from connector.clock import SystemClock
    from connector.journal.decisions import deciding, keys_of, millis

    with deciding(settings.journal) as db:
        check_source(ctx, db, source, settings.sources, hint="SOURCE")
        return _apply(decision, keys_of(source, order_ids, None, db), millis(SystemClock().now()), db, None)


def _apply(
    decision: Decision, keys: Sequence[int], now: int, db: sqlite3.Connection, cause: str | None
) -> tuple[int, int]:
    """Apply a decision; return the number of changed orders, and of those whose failure report is being sent."""
    from connector.journal.decisions import telling_failure

    reporting = telling_failure(keys, db)
    changed = decision(keys, now, db, cause)
    return len(changed), len(set(reporting) - set(changed))


def _decide_by_cause(journal: str, decision: Decision, cause: str) -> tuple[int, int]:
    """
    Apply a decision to all orders with this cause; returns the counts of `_apply`.

    There may be a million of them, so each transaction covers a portion, and a running connector can write between two
    portions. The command may be repeated after an interruption, which leaves a part of the orders decided.
    """
    import anyio

    from connector.clock import SystemClock
    from connector.journal.decisions import PORTION, deciding, keys_of, millis, still
    from connector.journal.views.orders import chunks
    from connector.journal.views.status import open_reader

    with open_reader(journal) as db:
        keys = keys_of(None, (), cause, db)
        if not keys:
            suggest_causes(db, cause)
    clock = SystemClock()

    async def in_portions() -> tuple[int, int]:
        count = busy = 0
        for number, part in enumerate(chunks(keys, PORTION)):
            if number:
                await clock.sleep(PAUSE)
            with deciding(journal) as db:
                changed, unchanged = _apply(decision, still(part, cause, db), millis(clock.now()), db, cause)
                count, busy = count + changed, busy + unchanged
        return count, busy

    return anyio.run(in_portions)
