"""`connector retry`: makes held, rejected and skipped orders due again."""

from __future__ import annotations

import click

from connector.cli.decisions import decide, order_selection

__all__ = ["command"]


@click.command("retry")
@order_selection
@click.pass_context
def command(ctx: click.Context, *, source: str | None, order_ids: tuple[str, ...], cause: str | None) -> None:
    """
    Make held or rejected orders due again, together with their parked acknowledgements, changes and reports.

    Select orders by id (SOURCE ID ...), or by the cause that they share (--cause, exactly as `connector orders` shows
    it). With --cause, parts of these orders that are held for another cause stay held. Skipped parts are retried only
    by id, and only when nothing else of the order is held or rejected.

    Works whether or not the connector is running. Exit codes: 0 all selected orders are due again; 1 some are not.
    """
    from connector.journal.decisions import retry

    decide(
        ctx,
        retry,
        "due again, for the running connector or else the next `connector run`",
        source,
        order_ids,
        cause,
    )
