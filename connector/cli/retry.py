"""`connector retry`: a decision about orders that wait for a person."""

from __future__ import annotations

import click

from connector.cli.decisions import decide, which

__all__ = ["command"]


@click.command("retry")
@which
@click.pass_context
def command(ctx: click.Context, *, source: str | None, order_ids: tuple[str, ...], cause: str | None) -> None:
    """
    Make held or rejected orders due again.

    Name them (SOURCE ID ...), or all that wait for the same thing (--cause, as `connector orders` shows it; what else
    waits of these orders is left). What was skipped of an order is taken up by its name, once nothing else of it waits.
    Works while the connector runs and while it does not.
    """
    from connector.journal.decisions import retry

    decide(
        ctx,
        retry,
        "due again; a running connector takes them up, otherwise the next `connector run`",
        source,
        order_ids,
        cause,
    )
