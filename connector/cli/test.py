"""`connector test`: runs example orders through the mappings of settings.yaml, and compares the results."""

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
    Run the examples in FILES through the mappings, and print every difference from the expected results.

    Calls no endpoint. An example has an order, either in the source's form (`order:`) or in the canonical form
    (`canonical:`), and the expected result: the whole request (`request:`), a part of it (`contains:`), or the cause
    for which the order is held (`held:`). Exit codes: 0 all examples passed; 1 an example failed.
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
    endpoints: list[Source | Receiver] = [*sources.values(), *receivers.values()]
    try:
        return [result for file in files for result in run(settings, file, sources, receivers)]
    finally:
        with anyio.CancelScope(shield=True):
            for endpoint in endpoints:
                await endpoint.aclose()
