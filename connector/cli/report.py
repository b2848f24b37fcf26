"""`connector report`: sends a source a progress report about a delivered order."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, get_args

import click

from connector.cli import exit_codes, settings_of
from connector.cli.output import escaped
from connector.cli.param_types import ZonedTimeParam
from connector.progress import Location, Progress, Status

if TYPE_CHECKING:
    from connector.settings import Settings
    from connector.sources.base import Source

__all__ = ["build_source", "command"]


class AmountParam(click.ParamType[Decimal]):
    """A command-line amount of money, exact to the last digit."""

    name = "amount"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        """Return the amount as a `Decimal` with the same digits."""
        try:
            amount = Decimal(str(value))
        except InvalidOperation:
            amount = Decimal("NaN")
        if not amount.is_finite() or not str(value).isascii() or "_" in str(value):
            self.fail(f"{escaped(str(value))} is not an amount such as 49.50", param, ctx)
        return amount


@click.command("report")
@click.argument("source", metavar="SOURCE")
@click.argument("order_id", metavar="ID")
@click.option("--status", type=click.Choice(get_args(Status)), required=True, help="The status to report.")
@click.option("--location", type=click.Choice(get_args(Location)), required=True, help="The stop it happened at.")
@click.option("--at", type=ZonedTimeParam(), help="Time of the event, like 2026-06-11T14:30:00Z. [default: now]")
@click.option("--comment", metavar="TEXT", default="", help="A comment.")
@click.option("--latitude", type=float, help="Latitude of the event, in degrees.")
@click.option("--longitude", type=float, help="Longitude of the event, in degrees.")
@click.option("--signee", metavar="NAME", default="", help="Name of the recipient who signed (with COMPLETE).")
@click.option("--signed-at", type=ZonedTimeParam(), help="Time of the signature, if not --at (with COMPLETE).")
@click.option("--contactless", is_flag=True, help="Delivered without a signature (with COMPLETE).")
@click.option("--picture", "pictures", metavar="TEXT", multiple=True, help="A picture, sent as given; may be repeated.")
@click.option("--price", type=AmountParam(), help="Price of the transport, for example 49.50 (with --currency).")
@click.option("--currency", metavar="CODE", default="", help="Currency of the price, for example NOK.")
@click.option("--anyway", is_flag=True, help="Accept an order that is not in the journal.")
@click.pass_context
def command(ctx: click.Context, /, *, source: str, order_id: str, anyway: bool, **fields: Any) -> None:
    """
    Send SOURCE a progress report about order ID after its delivery.

    The report is stored in the journal, and sent by the running connector or else by the next `connector run`. Reports
    about one order are sent in the order in which they were stored. Identical reports are sent once, so a script that
    may run twice should give the time with --at.

    Exit codes: 0 the report is stored; 1 the journal does not know the order.
    """
    from connector.clock import SystemClock
    from connector.errors import Unmappable
    from connector.journal.decisions import deciding, request_report
    from connector.journal.views.orders import find
    from connector.sources.base import SupportsReports

    settings = settings_of(ctx)
    now = SystemClock().now()
    built = build_source(ctx, settings, source)
    if not isinstance(built, SupportsReports):
        raise click.UsageError(escaped(f"the source {source!r} does not accept reports"), ctx=ctx)
    try:
        body = built.encode_report(order_id, Progress(**{**fields, "at": fields["at"] or now}))
    except (ValueError, Unmappable) as exc:
        raise click.UsageError(escaped(str(exc)), ctx=ctx) from None
    with deciding(settings.journal) as db:
        known = find(db, source, order_id) is not None
        added = (known or anyway) and request_report(source, order_id, body, now, db)
    if not known and not anyway:
        click.echo(
            escaped(f"there is no order {order_id!r} of source {source!r} in the journal; see --anyway"), err=True
        )
        ctx.exit(exit_codes.TROUBLE)
    where = f"; see `connector show {source} {order_id}`" if known else ""
    if added:
        text = "stored, to be sent by the running connector or else by the next `connector run`"
    else:
        text = "an identical report was stored before, and is not stored again"
    click.echo(escaped(text + where))


def build_source(ctx: click.Context, settings: Settings, name: str) -> Source:
    """Build one source from the settings; raises `click.UsageError` for an unknown name."""
    from msgspec.structs import replace

    from connector.clock import SystemClock
    from connector.registry import make_sources

    if name not in settings.sources:
        raise click.UsageError(
            escaped(f"there is no source {name!r}; the sources are {', '.join(settings.sources)}"), ctx=ctx
        )
    only = replace(settings, sources={name: settings.sources[name]})
    return make_sources(only, SystemClock(), {})[name]
