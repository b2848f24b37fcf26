"""`connector demo`: the whole thing in one process, between stand-in vendors, with nothing to set up or clean up."""

from __future__ import annotations

import signal
from contextlib import AsyncExitStack
from functools import partial
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import anyio
import click

if TYPE_CHECKING:
    from aiohttp import web

    from connector.sandbox.ewarehousing import EwarehousingStandIn
    from connector.sandbox.propeller import PropellerStandIn
    from connector.settings import Settings

__all__ = ["command"]

LOST = 10
"""Which create loses its answer."""
NEXT = """\
Next:
  connector sandbox        the same two vendors, on fixed ports, with a settings.yaml to match
  connector run --once     carries their orders (in another terminal)
  connector init           writes a settings.yaml to fill in with your own
"""


@click.command("demo")
@click.option("--orders", default=120, show_default=True, type=click.IntRange(1, 100_000), help="Orders in the shop.")
@click.option("--seed", default=1, show_default=True, help="Which orders: the same number gives the same.")
@click.pass_context
def command(ctx: click.Context, *, orders: int, seed: int) -> None:
    """
    Show the whole thing with stand-in vendors in this process.

    Orders appear, are delivered and acknowledged; one lacks its address, two are quotations, and the answer to one
    create is lost. Then the vendors' own records are compared. Exit 0 if they are as they should be. No file is left.
    """
    from connector.cli import logs

    logs.configure(ctx.find_root().params["log_format"])
    with TemporaryDirectory(prefix="connector-demo-") as folder:
        code = anyio.run(partial(_show, folder, orders, seed))
    raise SystemExit(code)


async def _show(folder: str, count: int, seed: int) -> int:
    """Show it, unless a signal comes in between; return the exit code."""
    code = 0

    async def wait(scope: anyio.CancelScope) -> None:
        nonlocal code
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async for number in signals:
                code = 128 + number
                scope.cancel()

    async with anyio.create_task_group() as tg:
        tg.start_soon(wait, tg.cancel_scope, name="wait for a signal")
        code = await _play(folder, count, seed)
        tg.cancel_scope.cancel()
    return code


async def _play(folder: str, count: int, seed: int) -> int:
    from connector.sandbox.ewarehousing import EwarehousingStandIn
    from connector.sandbox.orders import propeller_orders
    from connector.sandbox.propeller import PropellerStandIn
    from connector.sandbox.standin import serving

    some = count >= LOST
    listed = propeller_orders(count, seed=seed, without_address=1 if some else 0, quotations=2 if some else 0)
    # A warehouse that would take an order twice: were one sent twice, it would show.
    shop, warehouse = PropellerStandIn(listed), EwarehousingStandIn(unique_reference=False)
    _lose_one(warehouse)
    async with AsyncExitStack() as stack:
        here = await stack.enter_async_context(serving(shop))
        there = await stack.enter_async_context(serving(warehouse))
        click.echo(f"Two stand-in vendors run in this process: Propeller at {here}, eWarehousing at {there}.")
        click.echo(f"Propeller lists {count:,} orders that nobody has exported yet.\n")
        return await _carry(_settings(folder, here, there), shop, warehouse)


def _lose_one(warehouse: EwarehousingStandIn) -> None:
    """Let one create lose its answer after it was applied."""
    from connector.sandbox.standin import Fault

    seen = 0

    def chosen(request: web.Request) -> bool:
        nonlocal seen
        create = request.method == "POST" and request.path == "/wms/orders/"
        seen += create
        return create and seen == LOST

    warehouse.fault(Fault.LOSE_ANSWER, on=chosen)


def _settings(folder: str, here: str, there: str) -> Settings:
    """Return what `connector sandbox` writes, at these addresses; nothing of the environment comes in."""
    from importlib import resources

    import msgspec

    from connector.registry import load_settings
    from connector.settings import Duration

    environ = {"PROPELLER_URL": here, "EWH_URL": there, "CONNECTOR_JOURNAL": f"{folder}/connector.db"}
    with resources.as_file(resources.files("connector.settings") / "template.yaml") as path:
        settings = load_settings(path, environ)
    quick = {name: msgspec.structs.replace(own, settle=Duration(1)) for name, own in settings.receivers.items()}
    return msgspec.structs.replace(settings, receivers=quick)


async def _carry(settings: Settings, shop: PropellerStandIn, warehouse: EwarehousingStandIn) -> int:
    """Run a connector until all is settled, tell what it does, then compare."""
    from connector.app import Connector
    from connector.cli.story import Story, compared

    async with Connector(settings) as connector:
        story = Story(connector.clock)
        events = connector.events()
        async with anyio.create_task_group() as flow:
            flow.start_soon(connector.run, name="run the connector")
            flow.start_soon(story.tell, events, name="tell what happens")
            drained = await connector.drain()
            writes = _writes(shop, warehouse)
            await connector.drain()
            connector.stop()
    again = _writes(shop, warehouse) - writes
    click.echo(f"\nAll is settled. Another pass over the shop wrote {again or 'nothing'}.\n")
    good = compared(shop, warehouse) and not drained.failed and not again
    story.example()
    click.echo(f"\n{NEXT if good else 'Something is not as it should be.'}", nl=False)
    return 0 if good else 1


def _writes(*standins: PropellerStandIn | EwarehousingStandIn) -> int:
    """Return how many requests the vendors have had that change an order."""
    return sum(
        call.method == "PATCH" or (call.method, call.path) == ("POST", "/wms/orders/")
        for standin in standins
        for call in standin.history
    )
