"""
`connector replay`: reads again the orders that a source has exported since a given time.

Without a running connector the command does it itself. A running connector holds the journal, so the command then
leaves a request in the journal and waits for the answer.
"""

from __future__ import annotations

import sqlite3
from contextlib import AsyncExitStack, aclosing
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

import click

from connector.cli import exit_codes, settings_of
from connector.cli.output import escaped
from connector.cli.param_types import DurationParam, ZonedTimeParam

if TYPE_CHECKING:
    from connector.journal.records import ReplayAnswer
    from connector.settings import Settings

__all__ = ["command"]

POLL_INTERVAL = 0.2
"""Seconds between two look-ups of the answer in the journal; each reads one row."""
PENDING = "the request is in the journal, for the running connector or else for its next start"


@click.command("replay")
@click.argument("source")
@click.option(
    "--since",
    type=ZonedTimeParam(),
    required=True,
    help="Start of the period, with a time zone: for example 2026-11-01T12:00:00Z.",
)
@click.option("--dry-run", is_flag=True, help="Print the action for each order, and change nothing.")
@click.option(
    "--wait", type=DurationParam(), default="10m", show_default=True, help="Time to wait for a running connector."
)
@click.pass_context
def command(ctx: click.Context, *, source: str, since: datetime, dry_run: bool, wait: float) -> None:
    """
    Read again the orders that SOURCE has exported since a given time.

    Orders that the journal does not know are delivered. Known orders are updated at their receivers if they have
    changed, and otherwise left as they are; no order is delivered twice.

    If a connector is running, it does the work, and this command waits for the result; Ctrl-C ends only the waiting.
    Exit codes: 0 success; 1 the replay failed, or an order is held or rejected; 75 no result yet, or a later attempt
    may succeed.
    """
    import anyio

    from connector.cli import logs
    from connector.cli.report import build_source
    from connector.errors import JournalBusy
    from connector.sources.base import LimitedReplay, SupportsReplay

    settings = settings_of(ctx)
    built = build_source(ctx, settings, source)
    if not isinstance(built, SupportsReplay):
        raise click.UsageError(escaped(f"the source {source!r} cannot list orders that it has exported"), ctx=ctx)
    if isinstance(built, LimitedReplay):
        click.echo(f"not covered by a replay: {built.replay_omits}", err=True)
    logs.configure(ctx.find_root().params["log_format"], logs.SecretFilter(logs.secrets_in(settings)))
    try:
        code = anyio.run(partial(_plan if dry_run else _replay, settings, source, since))
    except JournalBusy:
        code = _request_replay(settings, source, since, wait)
    raise SystemExit(code)


async def _plan(settings: Settings, name: str, since: datetime) -> int:
    """Print the action that a replay would take for each order; return the exit code."""
    from connector.cli.status import open_for_reading
    from connector.clock import SystemClock
    from connector.journal.views.orders import find
    from connector.pipeline.ingest.intake import arrival_of, takes_cancelled
    from connector.registry import make_sources
    from connector.sources.base import SupportsReplay

    sources = make_sources(settings, SystemClock(), {})
    source = sources[name]
    counts: dict[str, int] = {}
    cancelled = any(takes_cancelled(source, route) for route in settings.routes if route.source == name)
    async with AsyncExitStack() as stack:
        for each in sources.values():
            stack.push_async_callback(each.aclose)
        assert isinstance(source, SupportsReplay), "the command has checked this"  # noqa: S101
        with open_for_reading(settings) as db:
            async with aclosing(source.refetch(since)) as pages:
                async for page in pages:
                    for item in page.items:
                        arrival, _ = arrival_of(source, item, (), cancelled=cancelled)
                        known = find(db, name, item.order_id)
                        if known is None:
                            plan = {"new": "deliver"}.get(arrival.state, arrival.state)
                        elif known.revision == arrival.revision:
                            plan = f"leave as is ({known.state})"
                        else:
                            plan = "cancel" if arrival.state == "cancelled" or arrival.cancelled else "change"
                        counts[plan] = counts.get(plan, 0) + 1
                        click.echo(
                            escaped(f"{name} {item.order_id}: {plan}" + (f": {arrival.cause}" if arrival.cause else ""))
                        )
    click.echo(", ".join(f"{count} to {plan}" for plan, count in sorted(counts.items())) or "no orders listed")
    return exit_codes.OK


async def _replay(settings: Settings, name: str, since: datetime) -> int:
    """Run a connector for the replay of one source; return the exit code."""
    import anyio

    from connector.app import Connector
    from connector.cli.end_state import read_end_state
    from connector.cli.summary import outcome
    from connector.journal.sqlite import SqliteJournal

    async with Connector(settings) as connector:
        async with anyio.create_task_group() as tg:
            tg.start_soon(connector.run, name="run the connector")
            poll = await connector.replay(name, since)
            drained = await connector.drain()
            connector.stop()
        journal = connector.journal
        assert isinstance(journal, SqliteJournal), "settings always lead to a file"  # noqa: S101
        end = await journal.read(read_end_state)
        changes = await journal.read(partial(_changes_summary, name))
    click.echo(escaped(f"{poll.seen} orders listed, {poll.new} of them new; {changes}"))
    if poll.error:
        click.echo(escaped(f"{name}: {poll.error}"), err=True)
        return exit_codes.TROUBLE
    return outcome(drained, end)


def _request_replay(settings: Settings, source: str, since: datetime, wait: float) -> int:
    """
    Request the replay from the running connector, and wait up to `wait` seconds for its answer; return the exit code.

    The request stays in the journal after Ctrl-C and after the wait, which ends with exit code 75.
    """
    import anyio

    from connector.clock import SystemClock
    from connector.journal.decisions import deciding, request_replay

    with deciding(settings.journal) as db:
        request = request_replay(source, since, SystemClock().now(), db)
    try:
        answer = anyio.run(_wait_for_answer, settings, request, wait)
    except KeyboardInterrupt:
        click.echo(PENDING, err=True)
        raise
    if answer is None:
        click.echo(f"there is no answer yet; {PENDING}", err=True)
        return exit_codes.LATER
    return _print_answer(settings, source, answer)


async def _wait_for_answer(settings: Settings, request: int, wait: float) -> ReplayAnswer | None:
    """Return the answer; None if it does not come in time, or if the connector that holds the journal has ended."""
    from connector.clock import SystemClock
    from connector.journal.decisions import replay_answer
    from connector.journal.views.status import ended, open_reader

    clock = SystemClock()
    until = clock.monotonic() + wait
    if wait:  # printed inside the event loop: before it, an import could swallow a Ctrl-C that follows this line
        click.echo("a connector is running; waiting for it to do the replay", err=True)
    with open_reader(settings.journal) as db:
        while True:
            gone = ended(settings.journal)  # before the row is read: the answer may be the connector's last write
            answer = replay_answer(request, db)
            if answer is not None or gone or clock.monotonic() >= until:
                return answer
            await clock.sleep(POLL_INTERVAL)


def _print_answer(settings: Settings, source: str, answer: ReplayAnswer) -> int:
    """Print the answer and the state of the changes; return the exit code."""
    from connector.journal.views.status import open_reader, snapshot, status

    if answer.error:
        click.echo(escaped(f"{source}: {answer.error}"), err=True)
        return exit_codes.TROUBLE
    with open_reader(settings.journal) as db, snapshot(db):
        changes = _changes_summary(source, db)
        counts = status(db).sources
    click.echo(
        escaped(
            f"{answer.listed} orders listed, {answer.fresh} of them new; {changes}; "
            "the running connector did the replay and delivers the orders that are due"
        )
    )
    stuck = sum(counts[source].orders.get(state, 0) for state in ("held", "rejected")) if source in counts else 0
    return exit_codes.TROUBLE if stuck else exit_codes.OK


def _changes_summary(source: str, db: sqlite3.Connection) -> str:
    """Return the number of changes to delivered orders of `source`, by kind and state, as a text."""
    rows = db.execute(
        "SELECT c.what, c.state, count(*) FROM changes c JOIN orders o USING (key) WHERE o.source = ?"
        " GROUP BY c.what, c.state ORDER BY 1, 2",
        (source,),
    ).fetchall()
    return "; ".join(f"{what}: {count} {state}" for what, state, count in rows) or "no changes to delivered orders"
