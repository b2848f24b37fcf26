"""`connector replay`: walk what a source has exported since a time again."""

from __future__ import annotations

from contextlib import AsyncExitStack, aclosing
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

import click

from connector.cli import exit_codes, settings_of
from connector.cli.output import escaped
from connector.cli.param_types import Moment, Span

if TYPE_CHECKING:
    from connector.settings import Settings

__all__ = ["command"]


@click.command("replay")
@click.argument("source")
@click.option(
    "--since", type=Moment(), required=True, help="From when on, with its zone: for example 2026-11-01T12:00:00Z."
)
@click.option("--dry-run", is_flag=True, help="Print the plan and change nothing.")
@click.option("--wait", type=Span(), default="10m", show_default=True, help="Longest wait for a running connector.")
@click.pass_context
def command(ctx: click.Context, *, source: str, since: datetime, dry_run: bool, wait: float) -> None:
    """
    Walk what SOURCE has exported since a time again.

    Orders that the journal knows are left alone, or changed at their receivers if they are different now; none is
    delivered twice. A running connector is asked to do it, and waited for; Ctrl-C leaves the request to it (exit 75
    when the wait is over). Without one this command does it.
    """
    import anyio

    from connector.cli import logs
    from connector.cli.report import one_source
    from connector.errors import JournalBusy
    from connector.sources.base import LimitedReplay, SupportsReplay

    settings = settings_of(ctx)
    kind = one_source(ctx, settings, source)
    if not isinstance(kind, SupportsReplay):
        raise click.UsageError(escaped(f"the source {source!r} cannot list again what it has exported"), ctx=ctx)
    if isinstance(kind, LimitedReplay):
        click.echo(f"not seen by a replay: {kind.replay_omits}", err=True)
    logs.configure(ctx.find_root().params["log_format"], logs.Hide(logs.secrets_of(settings)))
    try:
        code = anyio.run(partial(_plan if dry_run else _replay, settings, source, since))
    except JournalBusy:
        from connector.cli.replay_requests import ask_replay

        code = ask_replay(settings, source, since, wait)
    raise SystemExit(code)


async def _plan(settings: Settings, name: str, since: datetime) -> int:
    from connector.cli.status import reading
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
        assert isinstance(source, SupportsReplay), "the command has looked"  # noqa: S101
        with reading(settings) as db:
            async with aclosing(source.refetch(since)) as pages:
                async for page in pages:
                    for item in page.items:
                        arrival, _ = arrival_of(source, item, (), cancelled=cancelled)
                        known = find(db, name, item.order_id)
                        if known is None:
                            plan = {"new": "deliver"}.get(arrival.state, arrival.state)
                        elif known.revision == arrival.revision:
                            plan = f"leave alone ({known.state})"
                        else:
                            plan = "cancel" if arrival.state == "cancelled" or arrival.cancelled else "change"
                        counts[plan] = counts.get(plan, 0) + 1
                        click.echo(
                            escaped(f"{name} {item.order_id}: {plan}" + (f": {arrival.cause}" if arrival.cause else ""))
                        )
    click.echo(", ".join(f"{count} to {plan}" for plan, count in sorted(counts.items())) or "nothing is listed")
    return exit_codes.OK


async def _replay(settings: Settings, name: str, since: datetime) -> int:
    import anyio

    from connector.app import Connector
    from connector.cli.end_state import standing
    from connector.cli.replay_requests import changes_of
    from connector.cli.summary import outcome
    from connector.journal.sqlite import SqliteJournal

    async with Connector(settings) as connector:
        async with anyio.create_task_group() as tg:
            tg.start_soon(connector.run, name="run the connector")
            walk = await connector.replay(name, since)
            drained = await connector.drain()
            connector.stop()
        journal = connector.journal
        assert isinstance(journal, SqliteJournal), "settings always lead to a file"  # noqa: S101
        now = await journal.read(standing)
        amended = await journal.read(partial(changes_of, name))
    click.echo(escaped(f"{walk.seen} orders listed, {walk.new} of them new; {amended}"))
    if walk.error:
        click.echo(escaped(f"{name}: {walk.error}"), err=True)
        return exit_codes.TROUBLE
    return outcome(drained, now)
