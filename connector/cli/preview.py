"""`connector preview`: shows the requests that would be sent to receivers, and changes nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing
from functools import partial
from typing import TYPE_CHECKING

import click

from connector.cli import exit_codes, settings_of
from connector.cli.output import escaped

if TYPE_CHECKING:
    from connector.settings import Settings
    from connector.sources.base import FeedItem, Source

__all__ = ["command"]

MOST = 10
"""Orders shown when no id is given: enough to check a mapping."""


@click.command("preview")
@click.argument("source")
@click.argument("order_id", required=False, metavar="[ID]")
@click.option("--receiver", metavar="NAME", help="Only requests to this receiver.")
@click.pass_context
def command(ctx: click.Context, *, source: str, order_id: str | None, receiver: str | None) -> None:
    """
    Show the requests that would be sent to receivers. Changes nothing, neither here nor at a vendor.

    Reads the feed of SOURCE and maps order ID, or the first ten orders. The journal is not read, so an order that is
    already delivered but still listed is shown too. Exit codes: 0 success; 1 an order would be held, or the source does
    not list it.
    """
    import anyio

    settings = settings_of(ctx)
    if source not in settings.sources:
        raise click.UsageError(
            escaped(f"there is no source {source!r}; the sources are {', '.join(settings.sources)}"), ctx=ctx
        )
    targets = [
        name for route in settings.routes if route.source == source for name in (*route.receivers, *route.optional)
    ]
    if receiver is not None and receiver not in targets:
        known = f"; its orders go to {', '.join(targets)}"
        raise click.UsageError(escaped(f"no route leads from {source} to {receiver!r}{known}"), ctx=ctx)
    wanted = [receiver] if receiver is not None else targets
    raise SystemExit(anyio.run(partial(_show, settings, source, order_id, wanted)))


async def _show(settings: Settings, name: str, order_id: str | None, wanted: list[str]) -> int:
    from connector.clock import SystemClock
    from connector.errors import Unmappable
    from connector.pipeline.routes import build, request_of
    from connector.registry import make_receivers, make_sources
    from connector.sources.reading import order_of

    clock = SystemClock()
    sources, receivers = make_sources(settings, clock, {}), make_receivers(settings, clock, {})
    async with AsyncExitStack() as stack:
        for each in sources.values():
            stack.push_async_callback(each.aclose)
        for built in receivers.values():
            stack.push_async_callback(built.aclose)
        routes = build(settings, sources, receivers)
        shown, held = 0, False
        async for item in _items(sources[name], order_id):
            shown += 1
            for receiver in wanted:
                head = f"{name} {item.order_id} -> {receiver}"
                if item.skip:
                    click.echo(escaped(f"{head}: would be skipped: {item.skip}"))
                    continue
                try:
                    order = order_of(sources[name], item.order_id, item.raw)
                    if order.cancelled:
                        click.echo(escaped(f"{head}: would not be delivered: it is cancelled at {name}"))
                        continue
                    body = request_of(routes[receiver][name], item.order_id, item.raw)
                except Unmappable as exc:
                    held = True
                    click.echo(escaped(f"{head}: would be held: {exc}"))
                    continue
                click.echo(escaped(f"{head}:"))
                click.echo(_pretty(body))
    if not shown:
        subject = "any order" if order_id is None else f"order {order_id!r}"
        click.echo(escaped(f"{name} does not list {subject} for export"), err=True)
        return exit_codes.TROUBLE
    return exit_codes.TROUBLE if held else exit_codes.OK


async def _items(source: Source, order_id: str | None) -> AsyncIterator[FeedItem]:
    """Yield the order `order_id`, or without one the first orders of the feed."""
    count = 0
    async with aclosing(source.fetch(lambda: 0)) as pages:
        async for page in pages:
            for item in page.items:
                if order_id is None or item.order_id == order_id:
                    yield item
                    count += 1
                if count >= (MOST if order_id is None else 1):
                    return


def _pretty(body: bytes) -> str:
    """Return a request as indented JSON, in which control characters are escaped."""
    import msgspec

    return msgspec.json.format(body, indent=2).decode()
