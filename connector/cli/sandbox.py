"""`connector sandbox`: only the stand-in vendors, on fixed local ports, with a settings.yaml to match."""

from __future__ import annotations

import errno
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import click

from connector.sandbox import EWAREHOUSING_PORT, PROPELLER_PORT

if TYPE_CHECKING:
    from connector.sandbox.ewarehousing import EwarehousingStandIn
    from connector.sandbox.propeller import PropellerStandIn
    from connector.sandbox.standin import StandIn

__all__ = ["command"]

JOURNAL = "connector.db"
"""What the settings call the journal."""
LOOK, REMIND = 1.0, 60.0
"""Seconds between two looks at what has changed, and between two lines when nothing has."""


@click.command("sandbox")
@click.option("--orders", default=120, show_default=True, type=click.IntRange(0, 1_000_000), help="Orders in the shop.")
@click.option("--without-address", default=1, show_default=True, type=click.IntRange(0), help="Of these, unaddressed.")
@click.option("--quotations", default=2, show_default=True, type=click.IntRange(0), help="Of these, quotations.")
@click.option("--seed", default=1, show_default=True, help="Which orders: the same number gives the same.")
@click.option("--port-propeller", default=PROPELLER_PORT, show_default=True, type=click.IntRange(0, 65535))
@click.option("--port-ewarehousing", default=EWAREHOUSING_PORT, show_default=True, type=click.IntRange(0, 65535))
@click.pass_context
def command(
    ctx: click.Context,
    *,
    orders: int,
    without_address: int,
    quotations: int,
    seed: int,
    port_propeller: int,
    port_ewarehousing: int,
) -> None:
    """
    Serve only the stand-in vendors, until SIGTERM or Ctrl-C.

    Writes a settings.yaml to match where there is none. What the vendors hold is gone when they end. Port 0 takes any
    free one.
    """
    from connector.cli import logs
    from connector.sandbox.ewarehousing import EwarehousingStandIn
    from connector.sandbox.orders import propeller_orders
    from connector.sandbox.propeller import PropellerStandIn

    root = ctx.find_root().params
    logs.configure(root["log_format"])
    try:
        listed = propeller_orders(orders, seed=seed, without_address=without_address, quotations=quotations)
    except ValueError:
        raise click.UsageError("--without-address and --quotations are more than --orders") from None
    stand = Stand(Path(root["settings"]), PropellerStandIn(listed), EwarehousingStandIn())
    anyio.run(partial(stand.serve, port_propeller, port_ewarehousing))


class Stand:
    """The two vendors, side by side, and the settings file beside them."""

    def __init__(self, settings: Path, shop: PropellerStandIn, warehouse: EwarehousingStandIn) -> None:
        self._settings = settings
        self._shop = shop
        self._warehouse = warehouse

    async def serve(self, port_shop: int, port_warehouse: int) -> None:
        """Serve until a signal comes, and tell what the vendors see."""
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async with AsyncExitStack() as stack:
                here = await stack.enter_async_context(_serving(self._shop, port_shop, "--port-propeller"))
                there = await stack.enter_async_context(
                    _serving(self._warehouse, port_warehouse, "--port-ewarehousing")
                )
                self._introduce(here, there, fixed=(port_shop, port_warehouse) == (PROPELLER_PORT, EWAREHOUSING_PORT))
                async with anyio.create_task_group() as tg:
                    tg.start_soon(self._watch, name="watch the vendors")
                    async for _ in signals:
                        tg.cancel_scope.cancel()
                        break

    def _introduce(self, here: str, there: str, *, fixed: bool) -> None:
        """Say where the vendors are, what opens them, and what to do next."""
        click.echo(f"Propeller stand-in      {here}   client_id sandbox, client_secret sandbox-secret")
        click.echo(
            f"eWarehousing stand-in   {there}   username sandbox, password sandbox-secret, wms_code DEV, "
            "customer_code SANDBOX"
        )
        if self._written():
            click.echo(f"Wrote {self._settings}, which leads to them.")
        else:
            click.echo(f"{self._settings} is there already, and was left as it is.")
        if not fixed:
            click.echo("These are not the usual ports. Where the connector runs:")
            click.echo(f"  export PROPELLER_URL={here} EWH_URL={there}")
        if Path(JOURNAL).exists():
            click.echo(f"{JOURNAL} remembers orders of another time; remove it to see these delivered anew.")
        click.echo("Next, in another terminal: connector run --once. Ctrl-C ends this.\n")

    def _written(self) -> bool:
        """Write the settings file where there is none; tell whether that was so."""
        from importlib import resources

        text = (resources.files("connector.settings") / "template.yaml").read_text("utf-8")
        try:
            with self._settings.open("x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError:
            return False
        except OSError as exc:
            raise click.ClickException(f"{self._settings}: cannot write it: {exc.strerror}") from None
        return True

    async def _watch(self) -> None:
        """Print what the vendors hold when it has changed, and once a minute."""
        said, quiet = "", REMIND
        while True:
            if (line := self._state()) != said or quiet >= REMIND:
                click.echo(f"{line} ({len(self._shop.history) + len(self._warehouse.history):,} calls)")
                said, quiet = line, 0.0
            await anyio.sleep(LOOK)
            quiet += LOOK

    def _state(self) -> str:
        left = sum(not order["exportStatus"] for order in self._shop.orders.values())
        return f"{left:,} orders left in the shop, {len(self._warehouse.orders):,} in the warehouse"


@asynccontextmanager
async def _serving(standin: StandIn, port: int, option: str) -> AsyncIterator[str]:
    from connector.sandbox.standin import serving

    async with AsyncExitStack() as stack:
        try:
            url = await stack.enter_async_context(serving(standin, port=port))
        except OSError as exc:
            if exc.errno != errno.EADDRINUSE:
                raise click.ClickException(f"cannot listen on port {port}: {exc.strerror}") from None
            raise click.ClickException(f"port {port} is in use; choose another one with {option}") from None
        yield url
