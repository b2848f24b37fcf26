"""`connector sandbox`: only the stand-in vendors, on fixed local ports, with a settings.yaml to match."""

from __future__ import annotations

import errno
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import click

from connector import early_signals
from connector.sandbox import EWAREHOUSING_PORT, PROPELLER_PORT, TRAEDE_PORT, WEBHOOK_PORT, ZENDERA_PORT

if TYPE_CHECKING:
    from connector.sandbox.stage import Stage, Vendor

__all__ = ["command"]

JOURNAL = "connector.db"
"""What the settings call the journal."""
LOOK, REMIND = 1.0, 60.0
"""Seconds between two looks at what has changed, and between two lines when nothing has."""

Many = click.IntRange(0, 1_000_000)
Port = click.IntRange(0, 65535)


@click.command("sandbox")
@click.option("--orders", default=120, show_default=True, type=Many, help="Orders in the shop (Propeller).")
@click.option("--without-address", default=1, show_default=True, type=click.IntRange(0), help="Of these, unaddressed.")
@click.option("--quotations", default=2, show_default=True, type=click.IntRange(0), help="Of these, quotations.")
@click.option("--wholesale", default=30, show_default=True, type=Many, help="Orders of the brand (Traede).")
@click.option("--production", default=30, show_default=True, type=Many, help="Production orders of the brand (Traede).")
@click.option("--transport", default=30, show_default=True, type=Many, help="Orders of the carrier (Zendera).")
@click.option("--seed", default=1, show_default=True, help="Which orders: the same number gives the same.")
@click.option("--port-propeller", default=PROPELLER_PORT, show_default=True, type=Port)
@click.option("--port-ewarehousing", default=EWAREHOUSING_PORT, show_default=True, type=Port)
@click.option("--port-traede", default=TRAEDE_PORT, show_default=True, type=Port)
@click.option("--port-zendera", default=ZENDERA_PORT, show_default=True, type=Port)
@click.option("--port-webhook", default=WEBHOOK_PORT, show_default=True, type=Port)
@click.pass_context
def command(
    ctx: click.Context,
    *,
    orders: int,
    without_address: int,
    quotations: int,
    wholesale: int,
    production: int,
    transport: int,
    seed: int,
    port_propeller: int,
    port_ewarehousing: int,
    port_traede: int,
    port_zendera: int,
    port_webhook: int,
) -> None:
    """
    Serve only the stand-in vendors, until SIGTERM or Ctrl-C.

    Writes a settings.yaml to match where there is none. What the vendors hold is gone when they end. Port 0 takes any
    free one.
    """
    from connector.cli import logs
    from connector.sandbox.stage import stage

    root = ctx.find_root().params
    logs.configure(root["log_format"])
    try:
        vendors = stage(
            orders,
            wholesale=wholesale,
            production=production,
            transport=transport,
            seed=seed,
            without_address=without_address,
            quotations=quotations,
        )
    except ValueError:
        raise click.UsageError("--without-address and --quotations are more than --orders") from None
    ports = {
        "Propeller": port_propeller,
        "eWarehousing": port_ewarehousing,
        "Traede": port_traede,
        "Zendera": port_zendera,
        "Webhook": port_webhook,
    }
    anyio.run(partial(Stand(Path(root["settings"]), vendors).serve, ports))


class Stand:
    """The vendors, side by side, and the settings file beside them."""

    def __init__(self, settings: Path, stage: Stage) -> None:
        self._settings = settings
        self._stage = stage

    async def serve(self, ports: Mapping[str, int]) -> None:
        """Serve until a signal comes, and tell what the vendors see; `ports` are by vendor."""
        vendors = self._stage.vendors
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
            early_signals.hand_over()
            async with AsyncExitStack() as stack:
                urls = {
                    vendor.variable: await stack.enter_async_context(_serving(vendor, ports[vendor.name])) + vendor.path
                    for vendor in vendors
                }
                self._introduce(urls, fixed=all(ports[vendor.name] == vendor.port for vendor in vendors))
                async with anyio.create_task_group() as tg:
                    tg.start_soon(self._watch, name="watch the vendors")
                    async for _ in signals:
                        tg.cancel_scope.cancel()
                        break

    def _introduce(self, urls: Mapping[str, str], *, fixed: bool) -> None:
        """Say where the vendors are, what opens them, and what to do next."""
        for vendor in self._stage.vendors:
            click.echo(f"{vendor.name:<12} stand-in   {urls[vendor.variable]:<29}   {vendor.opens}")
        if self._written():
            click.echo(f"Wrote {self._settings}, which leads to them.")
        else:
            click.echo(f"{self._settings} is there already, and was left as it is.")
        if not fixed:
            click.echo("These are not the usual ports. Where the connector runs:")
            click.echo(f"  export {' '.join(f'{name}={url}' for name, url in urls.items())}")
        if (self._settings.parent / JOURNAL).exists():
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
                click.echo(f"{line} ({self._stage.calls:,} calls)")
                said, quiet = line, 0.0
            await anyio.sleep(LOOK)
            quiet += LOOK

    def _state(self) -> str:
        left = ", ".join(f"{count:,} in {source}" for source, count in self._stage.left().items())
        warehouse, erp = self._stage.warehouse.orders, self._stage.erp.records
        return f"left to export: {left}; there are {len(warehouse):,} in the warehouse, {len(erp):,} in the erp"


@asynccontextmanager
async def _serving(vendor: Vendor, port: int) -> AsyncIterator[str]:
    from connector.sandbox.server import serving

    async with AsyncExitStack() as stack:
        try:
            url = await stack.enter_async_context(serving(vendor.standin, port=port))
        except OSError as exc:
            if exc.errno != errno.EADDRINUSE:
                raise click.ClickException(f"cannot listen on port {port}: {exc.strerror}") from None
            raise click.ClickException(f"port {port} is in use; choose another one with {vendor.option}") from None
        yield url
