"""`connector test`: example orders through the mappings of settings.yaml, against what should become of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import click

from connector.cli import exit_codes, settings_of
from connector.cli.output import escaped

if TYPE_CHECKING:
    from connector.mapping.examples import Result
    from connector.receivers.base import Receiver
    from connector.settings import Settings
    from connector.sources.base import Source

__all__ = ["command"]


@click.command("test")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.pass_context
def command(ctx: click.Context, files: tuple[Path, ...]) -> None:
    """
    Run the examples in FILES through the mappings, and tell every difference from what they expect.

    Nothing is sent or asked anywhere. An example is an order, as the source lists it (`order:`) or in the
    connector's own words (`canonical:`), and either what is to be sent (`request:`, or `contains:` for some of it) or
    the cause for which it is to be held (`held:`). Exit 1 if one does not come out as it should.
    """
    results = anyio.run(_results, settings_of(ctx), files)
    for result in results:
        if not result.differences:
            click.echo(f"ok      {escaped(result.name)}")
            continue
        click.echo(f"FAILED  {escaped(result.name)} ({escaped(result.place)})")
        for line in result.differences:
            click.echo(f"          {escaped(line)}")
    failed = sum(bool(result.differences) for result in results)
    click.echo(f"{len(results)} example(s), {failed} failed")
    if failed:
        ctx.exit(exit_codes.TROUBLE)


async def _results(settings: Settings, files: tuple[Path, ...]) -> list[Result]:
    from connector.clock import SystemClock
    from connector.mapping.examples import run
    from connector.registry import make_receivers, make_sources

    clock = SystemClock()
    sources, receivers = make_sources(settings, clock, {}), make_receivers(settings, clock, {})
    ends: list[Source | Receiver] = [*sources.values(), *receivers.values()]
    try:
        return [result for file in files for result in run(settings, file, sources, receivers)]
    finally:
        with anyio.CancelScope(shield=True):
            for end in ends:
                await end.aclose()
