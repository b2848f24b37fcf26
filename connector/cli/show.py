"""`connector show`: shows the deliveries, the acknowledgement and the timeline of one order."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from connector.cli import exit_codes, settings_of
from connector.cli.orders import order_data
from connector.cli.output import escaped, iso, table
from connector.cli.status import open_for_reading

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

    from connector.journal.records import ReportRow
    from connector.journal.views.orders import OrderRow
    from connector.journal.views.timeline import Moment
    from connector.settings import Settings

    Events = Sequence[Mapping[str, Any]]

__all__ = ["command"]


@click.command("show")
@click.argument("source", metavar="SOURCE")
@click.argument("order_id", metavar="ID")
@click.option("--online", is_flag=True, help="Also read the progress of the order from the source.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
@click.pass_context
def command(ctx: click.Context, *, source: str, order_id: str, online: bool, as_json: bool) -> None:
    """
    Show order ID of SOURCE: its deliveries, its reports and its timeline.

    Works whether or not the connector is running, and calls no endpoint unless --online is given. Exit codes: 0
    success; 1 the journal does not know the order.
    """
    from connector.journal.views.orders import find, reports
    from connector.journal.views.timeline import timeline

    settings = settings_of(ctx)
    with open_for_reading(settings) as db:
        row, made = find(db, source, order_id), reports(db, source, order_id)
        if row is None:
            for each in _reports_table(made):  # stored with `connector report --anyway`
                click.echo(each)
            _print_unknown(db, source, order_id, list(settings.sources))
            ctx.exit(exit_codes.TROUBLE)
        moments = timeline(db, row)
    events = _read_progress(ctx, settings, source, order_id) if online else None
    if as_json:
        shown: dict[str, Any] = {**_data(row, moments), "reports": [_report(each) for each in made]}
        click.echo(json.dumps({**shown, "source_shows": events} if online else shown, indent=2))
    else:
        parts = [_text(row, moments), *_reports_table(made)]
        click.echo("\n\n".join([*parts, _progress_text(source, events)] if online else parts))


def _read_progress(ctx: click.Context, settings: Settings, source: str, order_id: str) -> Events | None:
    """Return the progress events that the source shows for the order; None if it cannot show them."""
    import anyio

    from connector.cli.report import build_source
    from connector.sources.base import SupportsReports

    async def read() -> Events | None:
        built = build_source(ctx, settings, source)
        try:
            if not isinstance(built, SupportsReports):
                raise click.UsageError(escaped(f"the source {source!r} does not support reports"), ctx=ctx)
            return await built.reported(order_id)
        finally:
            with anyio.CancelScope(shield=True):
                await built.aclose()

    return anyio.run(read)


def _report(row: ReportRow) -> dict[str, Any]:
    from connector.pipeline.reports.comparison import summary

    return {
        **summary(row.body),
        "state": row.state,
        "made_at": iso(row.made_at),
        "told_at": iso(row.done_at),
        "attempts": row.attempts,
        "reason": row.reason or None,
    }


def _reports_table(reports: Sequence[ReportRow]) -> list[str]:
    """Return a table of the reports about the order, or nothing if there are none."""
    if not reports:
        return []
    rows = [
        [each.get(key) or "" for key in ("status", "location", "date", "state", "attempts", "told_at", "reason")]
        for each in map(_report, reports)
    ]
    return [table(["REPORT", "STOP", "DATE", "STATE", "TRIES", "SENT", "REASON"], rows, right=[4])]


def _progress_text(source: str, events: Events | None) -> str:
    """Return the progress events that the source shows, one per line."""
    if events is None:
        return escaped(f"{source} cannot show the progress of this order")
    head = f"{source} shows:" if events else f"{source} shows no progress of this order"
    return "\n".join([escaped(head), *(json.dumps(event) for event in events)])


def _print_unknown(db: sqlite3.Connection, source: str, order_id: str, sources: list[str]) -> None:
    from connector.journal.views.orders import similar

    line = f"there is no order {order_id!r} of source {source!r} in the journal"
    if candidates := similar(db, source, order_id):
        line += "; did you mean " + " or ".join(f"`connector show {name} {found}`" for name, found in candidates) + "?"
    elif source not in sources:
        line += f"; the sources are {', '.join(sources)}"
    click.echo(escaped(line), err=True)


def _data(row: OrderRow, moments: list[Moment]) -> dict[str, Any]:
    receivers = {
        name: {
            "state": each.state,
            "receipt": each.receipt,
            "reference": each.reference,
            "cause": each.cause,
            "detail": each.detail,
            "attempts": each.attempts,
            "next_try_at": iso(each.next_try_at),
        }
        for name, each in row.deliveries.items()
    }
    return {
        **order_data(row),
        "revision": row.revision,
        "receivers": receivers,
        "acknowledgement": {
            "state": row.ack_state,
            "outcome": row.ack_outcome,
            "message": row.ack_message,
            "attempts": row.ack_attempts,
            "reason": row.ack_reason,
            "failures": row.failures,
        },
        "timeline": [{"at": iso(each.at), "what": each.what, "detail": each.detail} for each in moments],
    }


def _text(row: OrderRow, moments: list[Moment]) -> str:
    head = f"{row.source} {row.order_id}  {row.state}" + (f"  {row.cause}" if row.cause else "")
    lines = [head, f"external id {row.external_id}, revision {row.revision}"]
    if row.failures:
        lines.append(f"reported as failed to {row.source} {row.failures} {'time' if row.failures == 1 else 'times'}")
    lines.append("")
    lines = [escaped(line) for line in lines]
    lines.append(
        table(
            ["RECEIVER", "STATE", "TRIES", "RECEIPT", "REFERENCE", "REASON", "NEXT TRY"],
            [
                [
                    name,
                    each.state,
                    each.attempts,
                    each.receipt or "",
                    each.reference or "",
                    ": ".join(part for part in (each.cause, each.detail) if part),
                    iso(each.next_try_at) or "",
                ]
                for name, each in row.deliveries.items()
            ],
            right=[2],
        )
    )
    lines.append("")
    lines.append(table(["TIME", "EVENT", "DETAIL"], [[iso(each.at), each.what, each.detail] for each in moments]))
    return "\n".join(lines)
