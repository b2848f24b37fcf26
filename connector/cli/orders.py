"""`connector orders`: the list, for people and for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, get_args

import click

from connector.cli import settings_of
from connector.cli.output import escaped, iso, table
from connector.cli.status import reading
from connector.journal.states import PublicState

if TYPE_CHECKING:
    import sqlite3

    from connector.journal.views.orders import OrderRow

__all__ = ["check_source", "command", "data_of", "say_causes"]

SCREENFUL = 1000
"""Orders that are listed for people when they do not say how many."""


@click.command("orders")
@click.option("--source", metavar="NAME", help="Only orders of this source.")
@click.option("--state", type=click.Choice(get_args(PublicState)), help="Only orders in this state.")
@click.option("--cause", metavar="TEXT", help="Only orders held, rejected or skipped for exactly this cause.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    metavar="N",
    help=f"At most so many, the oldest first. [default: {SCREENFUL}; all with --json]",
)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_context
def command(
    ctx: click.Context, *, source: str | None, state: str | None, cause: str | None, limit: int | None, as_json: bool
) -> None:
    """
    List orders, in the order in which they were found.

    Works while the connector runs and while it does not; asks no endpoint.
    """
    from connector.journal.views import orders as listing

    settings = settings_of(ctx)
    with reading(settings) as db:
        if source is not None:
            check_source(ctx, db, source, settings.sources)
        most = limit if limit is not None or as_json else SCREENFUL + 1
        keys = listing.matching(db, source=source, state=state, cause=cause, limit=most)
        more = not as_json and limit is None and len(keys) > SCREENFUL
        parts = listing.chunks(keys[:SCREENFUL] if more else keys)
        # One may have moved on since its key was read.
        rows = (row for part in parts for row in listing.orders(db, part) if state is None or row.state == state)
        if as_json:
            _write_json(rows)
        else:
            _write_text(rows)
        if more:
            click.echo(f"only the first {SCREENFUL} are shown; see --limit, and the filters in --help", err=True)
        if cause is not None and not keys:
            say_causes(db, cause)


def check_source(
    ctx: click.Context, db: sqlite3.Connection, source: str, configured: Iterable[str], hint: str = "'--source'"
) -> None:
    """Refuse a name that neither the settings nor the journal know: an empty list would look like good news."""
    from connector.journal.views.orders import sources

    known = list(dict.fromkeys([*configured, *sources(db)]))
    if source not in known:
        close = get_close_matches(source, known, n=1)
        meant = f"did you mean {close[0]!r}?" if close else f"there is {', '.join(known)}"
        raise click.BadParameter(escaped(f"there is no source {source!r}; {meant}"), ctx=ctx, param_hint=hint)


def _write_json(rows: Iterable[OrderRow]) -> None:
    """Write a list, row by row: it may be long."""
    out = sys.stdout
    before = "[\n"
    for row in rows:
        out.write(before + json.dumps(data_of(row)))
        before = ",\n"
    out.write("[]\n" if before == "[\n" else "\n]\n")


def data_of(row: OrderRow) -> dict[str, Any]:
    """Return one order as `--json` prints it (design.md, section 8)."""
    return {
        "source": row.source,
        "order_id": row.order_id,
        "external_id": row.external_id,
        "state": row.state,
        "cause": row.cause,
        "attempts": row.attempts,
        "receivers": {name: {"state": each.state, "receipt": each.receipt} for name, each in row.deliveries.items()},
        "updated_at": iso(row.updated_at),
    }


def _write_text(rows: Iterable[OrderRow]) -> None:
    cells = list(_cells(rows))
    if not cells:
        click.echo("no orders", err=True)
        return
    click.echo(table(["SOURCE", "ORDER", "STATE", "TRIES", "UPDATED", "RECEIVERS", "CAUSE"], cells, right=[3]))


def _cells(rows: Iterable[OrderRow]) -> Iterator[list[object]]:
    for row in rows:
        where = ", ".join(
            f"{name}: {each.reference or each.receipt or each.state}" for name, each in row.deliveries.items()
        )
        yield [
            row.source,
            row.order_id,
            row.state,
            row.attempts,
            f"{row.updated_at:%Y-%m-%d %H:%M:%SZ}",
            where,
            row.cause or "",
        ]


def say_causes(db: sqlite3.Connection, cause: str) -> None:
    """Nothing waits for `cause`: name what there is, in case of a slip."""
    from connector.journal.views.status import causes

    known = list(dict.fromkeys(each.cause for each in causes(db)))
    close = get_close_matches(cause, known, n=3) or [each for each in known if cause.casefold() in each.casefold()][:3]
    if close:
        click.echo(escaped(f"no order has this cause; did you mean {' or '.join(map(repr, close))}?"), err=True)
