"""`connector report`: tell a source what happened to an order after its delivery."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, get_args

import click

from connector.cli import exit_codes, settings_of
from connector.cli.output import escaped
from connector.cli.param_types import Moment
from connector.progress import Location, Progress, Status

if TYPE_CHECKING:
    from connector.settings import Settings
    from connector.sources.base import Source

__all__ = ["command", "one_source"]


class Amount(click.ParamType[Decimal]):
    """A sum of money."""

    name = "amount"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        """Return it as a number of exactly these digits."""
        try:
            amount = Decimal(str(value))
        except InvalidOperation:
            amount = Decimal("NaN")
        if not amount.is_finite() or not str(value).isascii() or "_" in str(value):
            self.fail(f"{escaped(str(value))} is no amount such as 49.50", param, ctx)
        return amount


@click.command("report")
@click.argument("source", metavar="SOURCE")
@click.argument("order_id", metavar="ID")
@click.option("--status", type=click.Choice(get_args(Status)), required=True, help="What happened.")
@click.option("--location", type=click.Choice(get_args(Location)), required=True, help="The stop at which it did.")
@click.option("--at", type=Moment(), help="When, for example 2026-06-11T14:30:00Z. [default: now]")
@click.option("--comment", metavar="TEXT", default="", help="In words.")
@click.option("--latitude", type=float, help="Where, in degrees.")
@click.option("--longitude", type=float, help="Where, in degrees.")
@click.option("--signee", metavar="NAME", default="", help="Who took the goods (with COMPLETE).")
@click.option("--signed-at", type=Moment(), help="When they did, if not at that time (with COMPLETE).")
@click.option("--contactless", is_flag=True, help="Nobody took them in person (with COMPLETE).")
@click.option(
    "--picture", "pictures", metavar="TEXT", multiple=True, help="A picture, handed on as it is; may be repeated."
)
@click.option("--price", type=Amount(), help="What the transport cost, for example 49.50 (with --currency).")
@click.option("--currency", metavar="CODE", default="", help="Its currency, for example NOK.")
@click.option("--anyway", is_flag=True, help="Even about an order that the journal does not know.")
@click.pass_context
def command(ctx: click.Context, /, *, source: str, order_id: str, anyway: bool, **about: Any) -> None:
    """
    Tell SOURCE what happened to order ID after its delivery.

    The report is put into the journal; a running connector sends it, or the next `connector run`. Reports about one
    order are sent in the order in which they were made. The very same report is sent once: where a script may repeat
    this, name the time with --at.
    """
    from connector.clock import SystemClock
    from connector.errors import Unmappable
    from connector.journal.decisions import deciding
    from connector.journal.engine.codec import millis
    from connector.journal.tables.reports import add
    from connector.journal.views.orders import find
    from connector.sources.base import SupportsReports

    settings = settings_of(ctx)
    now = SystemClock().now()
    told = one_source(ctx, settings, source)
    if not isinstance(told, SupportsReports):
        raise click.UsageError(escaped(f"the source {source!r} takes no reports"), ctx=ctx)
    try:
        body = told.encode_report(order_id, Progress(**{**about, "at": about["at"] or now}))
    except (ValueError, Unmappable) as exc:
        raise click.UsageError(escaped(str(exc)), ctx=ctx) from None
    with deciding(settings.journal) as db:
        known = find(db, source, order_id) is not None
        added = (known or anyway) and add(source, order_id, body, millis(now), 0, db)
    if not known and not anyway:
        click.echo(
            escaped(f"there is no order {order_id!r} of source {source!r} in the journal; see --anyway"), err=True
        )
        ctx.exit(exit_codes.TROUBLE)
    where = f"; see `connector show {source} {order_id}`" if known else ""
    if added:
        click.echo(escaped(f"kept: a running connector sends it, otherwise the next `connector run`{where}"))
    else:
        click.echo(escaped(f"this very report was made before, and is not made again{where}"))


def one_source(ctx: click.Context, settings: Settings, name: str) -> Source:
    """Build one source of the settings; a name that is not there is a mistake of usage."""
    from msgspec.structs import replace

    from connector.clock import SystemClock
    from connector.registry import make_sources

    if name not in settings.sources:
        raise click.UsageError(escaped(f"there is no source {name!r}; there is {', '.join(settings.sources)}"), ctx=ctx)
    only = replace(settings, sources={name: settings.sources[name]})
    return make_sources(only, SystemClock(), {})[name]
