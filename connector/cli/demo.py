"""`connector demo`: the whole thing in one process, between stand-in vendors, with nothing to set up or clean up."""

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
    help="Orders in the shop; the other three systems have a quarter as many each.",
)
@click.option("--seed", default=1, show_default=True, help="Which orders: the same number gives the same.")
@click.pass_context
def command(ctx: click.Context, *, orders: int, seed: int) -> None:
    """
    Show the whole thing with stand-in vendors in this process.

    Orders of four systems appear, are delivered and acknowledged; one lacks its address, two are quotations, some need
    a code that is added later, and the answer to one create is lost. The warehouse ships an order, and its carrier is
    told. Then the vendors' own records are compared. Exit 0 if they are as they should be. No file is left.
    """
    from connector.cli import logs

    logs.configure(ctx.find_root().params["log_format"])
    with TemporaryDirectory(prefix="connector-demo-") as folder:
        code = anyio.run(partial(_show, Path(folder), orders, seed))
    raise SystemExit(code)


async def _show(folder: Path, count: int, seed: int) -> int:
    """Show it, unless a signal comes in between; return the exit code."""
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
        code = await _play(folder, count, seed)
        tg.cancel_scope.cancel()
    return code


async def _play(folder: Path, count: int, seed: int) -> int:
    from connector.cli.demo_scenes import LOST, Play
    from connector.sandbox.server import serving
    from connector.sandbox.stage import stage

    some, quarter = count >= LOST, max(1, count // 4)
    vendors = stage(
        count,
        wholesale=quarter,
        production=quarter,
        transport=quarter,
        seed=seed,
        without_address=1 if some else 0,
        quotations=2 if some else 0,
        gullible=True,
    )
    async with AsyncExitStack() as stack:
        environ = {
            vendor.variable: await stack.enter_async_context(serving(vendor.standin)) + vendor.path
            for vendor in vendors.vendors
        }
        return await Play(vendors, folder, environ).perform()
