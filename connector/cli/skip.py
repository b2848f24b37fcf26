"""`connector skip`: a decision about orders that wait for a person."""

from __future__ import annotations

import click

from connector.cli.decisions import decide, which

__all__ = ["command"]


@click.command("skip")
@which
@click.pass_context
def command(ctx: click.Context, *, source: str | None, order_ids: tuple[str, ...], cause: str | None) -> None:
    """
    Leave held or rejected orders alone for good.

    Name them (SOURCE ID ...), or all that wait for the same thing (--cause, as `connector orders` shows it; what else
    waits of these orders is left). Works while the connector runs and while it does not.
    """
    from connector.journal.decisions import skip

    decide(ctx, skip, "left alone for good", source, order_ids, cause)
