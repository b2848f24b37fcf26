"""`connector skip`: gives up held or rejected orders."""

from __future__ import annotations

import click

from connector.cli.decisions import decide, order_selection

__all__ = ["command"]


@click.command("skip")
@order_selection
@click.pass_context
def command(ctx: click.Context, *, source: str | None, order_ids: tuple[str, ...], cause: str | None) -> None:
    """
    Give up held or rejected orders: they are not delivered. `connector retry SOURCE ID` takes this back.

    Held changes and parked reports of these orders are dropped. A parked acknowledgement counts as confirmed from then
    on, but without --cause only if nothing else of the order is held.

    Select orders by id (SOURCE ID ...), or by the cause that they share (--cause, exactly as `connector orders` shows
    it). With --cause, parts of these orders that are held for another cause stay held.

    Works whether or not the connector is running. Exit codes: 0 all selected orders are skipped; 1 some are not.
    """
    from connector.journal.decisions import skip

    decide(ctx, skip, "skipped", source, order_ids, cause)
