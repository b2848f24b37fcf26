"""`connector orders`: lists orders, as a table or as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, get_args

import click

from connector.cli import settings_of
from connector.cli.output import escaped, iso, table
from connector.cli.status import open_for_reading
from connector.journal.states import PublicState

if TYPE_CHECKING:
    import sqlite3

    from connector.journal.views.orders import OrderRow

__all__ = ["check_source", "command", "order_data", "suggest_causes"]

DEFAULT_LIMIT = 1000
"""Orders in a table without `--limit`."""


@click.command("orders")
@click.option("--source", metavar="NAME", help="Only orders of this source.")
@click.option("--state", type=click.Choice(get_args(PublicState)), help="Only orders in this state.")
@click.option("--cause", metavar="TEXT", help="Only orders held, rejected or skipped for exactly this cause.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    metavar="N",
    help=f"Largest number of orders, the oldest first. [default: {DEFAULT_LIMIT}; all with --json]",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
@click.pass_context
def command(
    ctx: click.Context, *, source: str | None, state: str | None, cause: str | None, limit: int | None, as_json: bool
) -> None:
    """
    List orders, the oldest first.

    Works whether or not the connector is running, and calls no endpoint.
    """
    from connector.journal.views import orders as listing

    settings = settings_of(ctx)
    with open_for_reading(settings) as db:
        if source is not None:
            check_source(ctx, db, source, settings.sources)
        most = limit if limit is not None or as_json else DEFAULT_LIMIT + 1
        keys = listing.matching(db, source=source, state=state, cause=cause, limit=most)
        more = not as_json and limit is None and len(keys) > DEFAULT_LIMIT
        parts = listing.chunks(keys[:DEFAULT_LIMIT] if more else keys)
        # The state of an order may have changed since its key was read.
        rows = (row for part in parts for row in listing.orders(db, part) if state is None or row.state == state)
        if as_json:
            _write_json(rows)
        else:
            _write_text(rows)
        if more:
            click.echo(f"only the first {DEFAULT_LIMIT} are shown; see --limit, and the filters in --help", err=True)
        if cause is not None and not keys:
            suggest_causes(db, cause)


def check_source(
    ctx: click.Context, db: sqlite3.Connection, source: str, configured: Iterable[str], hint: str = "'--source'"
) -> None:
    """Raise `click.BadParameter` for an unknown source, for which an empty list would look like good news."""
    from connector.journal.views.orders import sources

    known = list(dict.fromkeys([*configured, *sources(db)]))
    if source not in known:
        close = get_close_matches(source, known, n=1)
        advice = f"did you mean {close[0]!r}?" if close else f"the sources are {', '.join(known)}"
        raise click.BadParameter(escaped(f"there is no source {source!r}; {advice}"), ctx=ctx, param_hint=hint)


def _write_json(rows: Iterable[OrderRow]) -> None:
    """Write a JSON list row by row, because it may be too long for the memory."""
    out = sys.stdout
    before = "[\n"
    for row in rows:
        out.write(before + json.dumps(order_data(row)))
        before = ",\n"
    out.write("[]\n" if before == "[\n" else "\n]\n")


def order_data(row: OrderRow) -> dict[str, Any]:
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
        deliveries = ", ".join(
            f"{name}: {each.reference or each.receipt or each.state}" for name, each in row.deliveries.items()
        )
        yield [
            row.source,
            row.order_id,
            row.state,
            row.attempts,
            f"{row.updated_at:%Y-%m-%d %H:%M:%SZ}",
            deliveries,
            row.cause or "",
        ]


def suggest_causes(db: sqlite3.Connection, cause: str) -> None:
    """Print the causes that are most similar to `cause`, which no order has."""
    from connector.journal.views.status import causes

    known = list(dict.fromkeys(each.cause for each in causes(db)))
    close = get_close_matches(cause, known, n=3) or [each for each in known if cause.casefold() in each.casefold()][:3]
    if close:
        click.echo(escaped(f"no order has this cause; did you mean {' or '.join(map(repr, close))}?"), err=True)
