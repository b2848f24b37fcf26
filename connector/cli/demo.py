"""`connector demo`: runs a connector and stand-in vendors in one process, with nothing to set up or clean up."""

from __future__ import annotations

import signal
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
import click

from connector import early_signals

__all__ = ["command"]


@click.command("demo")
@click.option(
    "--orders",
    default=120,
    show_default=True,
    type=click.IntRange(1, 100_000),
    help="Number of orders in the shop; the other three sources have a quarter of it each.",
)
@click.option("--seed", default=1, show_default=True, help="Seed of the generated orders.")
@click.pass_context
def command(ctx: click.Context, *, orders: int, seed: int) -> None:
    """
    Run a connector between stand-in vendors in one process, and print the result.

    The orders of four sources are delivered and acknowledged. One order has no address, two are quotations, some need
    a code that is added later, and the response to one create is lost. Then the warehouse ships an order, and its
    carrier gets a progress report. At the end the vendors' own records are compared with the orders.

    Leaves no file behind. Exit codes: 0 the records are as expected; 1 they are not.
    """
    from connector.cli import logs

    logs.configure(ctx.find_root().params["log_format"])
    with TemporaryDirectory(prefix="connector-demo-") as folder:
        code = anyio.run(partial(_run_until_signal, Path(folder), orders, seed))
    raise SystemExit(code)


async def _run_until_signal(folder: Path, count: int, seed: int) -> int:
    """Run the demo to its end or until a signal; return the exit code."""
    code = 0

    async def wait(scope: anyio.CancelScope) -> None:
        nonlocal code
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
            early_signals.hand_over()
            async for number in signals:
                code = 128 + number
                scope.cancel()

    async with anyio.create_task_group() as tg:
        tg.start_soon(wait, tg.cancel_scope, name="wait for a signal")
        code = await _run(folder, count, seed)
        tg.cancel_scope.cancel()
    return code


async def _run(folder: Path, count: int, seed: int) -> int:
    from connector.cli.demo_scenes import LOST_CREATE, DemoRun
    from connector.sandbox.server import serving
    from connector.sandbox.vendors import build_vendors

    with_exceptions, quarter = count >= LOST_CREATE, max(1, count // 4)
    vendors = build_vendors(
        count,
        wholesale=quarter,
        production=quarter,
        transport=quarter,
        seed=seed,
        without_address=1 if with_exceptions else 0,
        quotations=2 if with_exceptions else 0,
        accept_duplicates=True,
    )
    async with AsyncExitStack() as stack:
        environ = {
            vendor.variable: await stack.enter_async_context(serving(vendor.standin)) + vendor.path
            for vendor in vendors.vendors
        }
        return await DemoRun(vendors, folder, environ).run()
