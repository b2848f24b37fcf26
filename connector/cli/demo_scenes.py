"""The scenes of the demo: a lost response, a missing code, a shipment, and the final count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import anyio
import click
import msgspec
from aiohttp import web

from connector.app import Connector
from connector.cli.demo_narrator import DemoNarrator, print_records
from connector.registry import load_settings
from connector.sandbox.ewarehousing.orders import SHIPPING_METHOD
from connector.sandbox.records import feeds
from connector.sandbox.server import Fault
from connector.sandbox.vendors import Vendors
from connector.settings import Duration, Settings

__all__ = ["LOST_CREATE", "DemoRun"]

LOST_CREATE = 10
"""Number of the create request at the warehouse whose response is lost."""
TABLE = "shipping_methods"
OPENING = """\
Five stand-in vendors run in this process, over real HTTP. Four feeds list orders that are not exported yet:
  shop        {shop:7,}  orders of a web shop, in Propeller      go to the warehouse (eWarehousing)
  wholesale   {wholesale:7,}  orders of a fashion brand, in Traede    go to the warehouse
  production  {production:7,}  production orders of that brand         go to the erp (a signed webhook) and a file
  transport   {transport:7,}  orders of a carrier, in Zendera         go to the warehouse
An order is named by its source and its number there: shop-20126 is order 20126 of the shop. The main events:
"""
NEXT = """\
Next:
  connector sandbox        serves the same vendors on fixed ports, and writes a matching settings.yaml
  connector run --once     delivers their orders (run it in another terminal)
  connector init           writes a settings.yaml for your own systems
"""


class DemoRun:
    """One run of the demo between `vendors`; its files are in `folder`."""

    def __init__(self, vendors: Vendors, folder: Path, environ: Mapping[str, str]) -> None:
        self._vendors = vendors
        self._archive = folder / "orders.jsonl"
        self._code, codes = _rarest(vendors)
        self._table = dict.fromkeys(codes, SHIPPING_METHOD)
        files = {"CONNECTOR_JOURNAL": str(folder / "connector.db"), "ARCHIVE_PATH": str(self._archive)}
        self._settings = _settings({**environ, **files})
        _lose_one_response(vendors)

    async def run(self) -> int:
        """Run a connector through all scenes, then compare the records; return the exit code."""
        click.echo(OPENING.format(**self._vendors.left()))
        incomplete = {code: row for code, row in self._table.items() if code != self._code}
        async with Connector(self._with(incomplete)) as connector:
            narrator = DemoNarrator(connector.clock)
            events = connector.events()
            async with anyio.create_task_group() as flow:
                flow.start_soon(connector.run, name="run the connector")
                flow.start_soon(narrator.narrate, events, name="print the events")
                good = await self._deliver(connector)
                good = await self._add_code(connector) and good
                good = await self._ship(connector) and good
                connector.stop()
        good = print_records(feeds(self._vendors, self._archive), self._vendors) and good
        narrator.print_example()
        click.echo(f"\n{NEXT if good else 'This is not the expected result.'}", nl=False)
        return 0 if good else 1

    async def _deliver(self, connector: Connector) -> bool:
        """Deliver all orders, then poll again; return whether the second poll wrote nothing at any vendor."""
        drained = await connector.drain()
        writes = self._vendors.writes
        await connector.drain()
        again = self._vendors.writes - writes
        await self._catch_up(connector)
        count = again or "nothing"
        click.echo("\nEvery order is delivered, or held for a reason. ", nl=False)
        click.echo(f"A second poll of the four feeds created and marked {count}.\n")
        return not drained.failed and not again

    async def _add_code(self, connector: Connector) -> bool:
        """Add the missing code, which releases the orders that are held for it."""
        released = (await connector.reload(self._with(self._table))).released
        orders = "1 order is" if released == 1 else f"{released:,} orders are"
        click.echo(f"The code {self._code} is added to the table {TABLE}, and the settings are reloaded: ", nl=False)
        click.echo(f"{orders} released.")
        drained = await connector.drain()
        await self._catch_up(connector)
        return released > 0 and not drained.failed

    async def _ship(self, connector: Connector) -> bool:
        """Let the warehouse ship an order of the carrier; return whether the carrier received one report about it."""
        orders = self._vendors.warehouse.orders.values()
        order = next((each for each in orders if each["external_id"].startswith("transport-")), None)
        if order is None:
            return False
        click.echo(f"\nThe warehouse ships {order['reference']}, which is the order {order['external_id']}.")
        self._vendors.warehouse.ship(order["id"])
        drained = await connector.drain()
        return not drained.failed and len(self._vendors.transport.updates) == 1

    @staticmethod
    async def _catch_up(connector: Connector) -> None:
        """Wait until the narrator has printed all events of a scene."""
        await connector.clock.sleep(0.05)

    def _with(self, table: Mapping[str, str]) -> Settings:
        """Return the settings with `table` as the code list for the shipping methods of wholesale orders."""
        mapping: dict[str, Any] = {"shipping_method": f"=lookup('{TABLE}', delivery_address.country)"}
        routes = [
            msgspec.structs.replace(route, mapping=mapping) if route.source == "wholesale" else route
            for route in self._settings.routes
        ]
        return msgspec.structs.replace(self._settings, routes=routes, tables={TABLE: dict(table)})


def _settings(environ: Mapping[str, str]) -> Settings:
    """Return the settings that `connector sandbox` writes, with `environ` in place of the process environment."""
    with resources.as_file(resources.files("connector.settings") / "template.yaml") as path:
        settings = load_settings(path, environ)
    quick = {name: msgspec.structs.replace(own, settle=Duration(1)) for name, own in settings.receivers.items()}
    return msgspec.structs.replace(settings, receivers=quick)


def _rarest(vendors: Vendors) -> tuple[str, list[str]]:
    """Return the country with the fewest wholesale orders, and all countries."""
    countries = Counter(order["delivery_address"]["country"] for order in vendors.wholesale.orders.values())
    return min(countries, key=lambda code: (countries[code], code)), sorted(countries)


def _lose_one_response(vendors: Vendors) -> None:
    """Let the warehouse apply one create and then drop the connection without a response."""
    seen = 0

    def chosen(request: web.Request) -> bool:
        nonlocal seen
        create = request.method == "POST" and request.path == "/wms/orders/"
        seen += create
        return create and seen == LOST_CREATE

    vendors.warehouse.fault(Fault.LOSE_ANSWER, on=chosen)
