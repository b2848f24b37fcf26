"""`connector sandbox`: serves the stand-in vendors on fixed local ports, and writes a matching settings.yaml."""

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
    from connector.sandbox.vendors import Vendor, Vendors

__all__ = ["command"]

JOURNAL = "connector.db"
"""The path of the journal in the settings file."""
CHECK_INTERVAL, REPEAT_INTERVAL = 1.0, 60.0
"""Seconds between two checks for changed counts, and between two lines while the counts stay the same."""

Many = click.IntRange(0, 1_000_000)
Port = click.IntRange(0, 65535)


@click.command("sandbox")
@click.option("--orders", default=120, show_default=True, type=Many, help="Orders in the shop (Propeller).")
@click.option("--without-address", default=1, show_default=True, type=click.IntRange(0), help="Orders without address.")
@click.option("--quotations", default=2, show_default=True, type=click.IntRange(0), help="Orders of type quotation.")
@click.option("--wholesale", default=30, show_default=True, type=Many, help="Orders of the brand (Traede).")
@click.option("--production", default=30, show_default=True, type=Many, help="Production orders of the brand (Traede).")
@click.option("--transport", default=30, show_default=True, type=Many, help="Orders of the carrier (Zendera).")
@click.option("--seed", default=1, show_default=True, help="Seed of the generated orders.")
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
    Serve the stand-in vendors until SIGTERM or Ctrl-C.

    Writes a matching settings.yaml unless there is one already. The orders exist only in memory, until the command
    ends. Port 0 selects a free port.
    """
    from connector.cli import logs
    from connector.sandbox.vendors import build_vendors

    root = ctx.find_root().params
    logs.configure(root["log_format"])
    try:
        vendors = build_vendors(
            orders,
            wholesale=wholesale,
            production=production,
            transport=transport,
            seed=seed,
            without_address=without_address,
            quotations=quotations,
        )
    except ValueError:
        raise click.UsageError("--without-address plus --quotations is more than --orders") from None
    ports = {
        "Propeller": port_propeller,
        "eWarehousing": port_ewarehousing,
        "Traede": port_traede,
        "Zendera": port_zendera,
        "Webhook": port_webhook,
    }
    anyio.run(partial(SandboxServer(Path(root["settings"]), vendors).serve, ports))


class SandboxServer:
    """Serves the vendors, writes the settings file, and prints the counts of orders."""

    def __init__(self, settings: Path, stage: Vendors) -> None:
        self._settings = settings
        self._vendors = stage

    async def serve(self, ports: Mapping[str, int]) -> None:
        """Serve until a signal arrives, and print the counts of orders; `ports` maps vendor names to ports."""
        vendors = self._vendors.vendors
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
            early_signals.hand_over()
            async with AsyncExitStack() as stack:
                urls = {
                    vendor.variable: await stack.enter_async_context(_serving(vendor, ports[vendor.name])) + vendor.path
                    for vendor in vendors
                }
                self._print_intro(urls, usual_ports=all(ports[vendor.name] == vendor.port for vendor in vendors))
                async with anyio.create_task_group() as tg:
                    tg.start_soon(self._watch, name="watch the vendors")
                    async for _ in signals:
                        tg.cancel_scope.cancel()
                        break

    def _print_intro(self, urls: Mapping[str, str], *, usual_ports: bool) -> None:
        """Print the addresses and credentials of the vendors, and the next command to run."""
        for vendor in self._vendors.vendors:
            click.echo(f"{vendor.name:<12} stand-in   {urls[vendor.variable]:<29}   {vendor.opens}")
        if self._write_settings():
            click.echo(f"Wrote {self._settings} with these addresses.")
        else:
            click.echo(f"{self._settings} exists already, and is unchanged.")
        if not usual_ports:
            click.echo("These are not the usual ports, so set in the connector's environment:")
            click.echo(f"  export {' '.join(f'{name}={url}' for name, url in urls.items())}")
        if (self._settings.parent / JOURNAL).exists():
            click.echo(f"{JOURNAL} knows orders of an earlier sandbox; delete it to deliver the same orders again.")
        click.echo("Next, in another terminal: connector run --once. Ctrl-C stops the vendors.\n")

    def _write_settings(self) -> bool:
        """Write the settings file unless it exists; return whether it was written."""
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
        """Print the counts of orders when they have changed, and once a minute."""
        printed, silent = "", REPEAT_INTERVAL
        while True:
            if (line := self._state()) != printed or silent >= REPEAT_INTERVAL:
                click.echo(f"{line} ({self._vendors.calls:,} calls)")
                printed, silent = line, 0.0
            await anyio.sleep(CHECK_INTERVAL)
            silent += CHECK_INTERVAL

    def _state(self) -> str:
        left = ", ".join(f"{count:,} in {source}" for source, count in self._vendors.left().items())
        warehouse, erp = self._vendors.warehouse.orders, self._vendors.erp.records
        return f"left to export: {left}; received: {len(warehouse):,} by the warehouse, {len(erp):,} by the erp"


@asynccontextmanager
async def _serving(vendor: Vendor, port: int) -> AsyncIterator[str]:
    from connector.sandbox.server import serving

    async with AsyncExitStack() as stack:
        try:
            url = await stack.enter_async_context(serving(vendor.standin, port=port))
        except OSError as exc:
            if exc.errno != errno.EADDRINUSE:
                raise click.ClickException(f"cannot listen on port {port}: {exc.strerror}") from None
            raise click.ClickException(f"port {port} is in use; choose another port with {vendor.option}") from None
        yield url
