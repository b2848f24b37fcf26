"""What happens in the demonstration, act by act: a lost answer, a missing code, a shipment, and the final count."""

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
from connector.cli.demo_narrator import Story, tell_records
from connector.registry import load_settings
from connector.sandbox.ewarehousing.orders import SHIPPING_METHOD
from connector.sandbox.records import feeds
from connector.sandbox.server import Fault
from connector.sandbox.stage import Stage
from connector.settings import Duration, Settings

__all__ = ["LOST", "Play"]

LOST = 10
"""Which create in the warehouse loses its answer."""
TABLE = "shipping_methods"
OPENING = """\
Five stand-in vendors run in this process, over real HTTP. Four feeds list orders that nobody has exported yet:
  shop        {shop:7,}  orders of a web shop, in Propeller      go to the warehouse (eWarehousing)
  wholesale   {wholesale:7,}  orders of a fashion brand, in Traede    go to the warehouse
  production  {production:7,}  production orders of that brand         go to the erp (a signed webhook) and a file
  transport   {transport:7,}  orders of a carrier, in Zendera         go to the warehouse
An order is called by its source and its number there: shop-20126 is order 20126 of the shop. Some of what happens:
"""
NEXT = """\
Next:
  connector sandbox        the same vendors, on fixed ports, with a settings.yaml to match
  connector run --once     carries their orders (in another terminal)
  connector init           writes a settings.yaml to fill in with your own
"""


class Play:
    """One performance between the vendors of `stage`; what it writes is in `folder`."""

    def __init__(self, stage: Stage, folder: Path, environ: Mapping[str, str]) -> None:
        self._stage = stage
        self._archive = folder / "orders.jsonl"
        self._code, codes = _rarest(stage)
        self._table = dict.fromkeys(codes, SHIPPING_METHOD)
        files = {"CONNECTOR_JOURNAL": str(folder / "connector.db"), "ARCHIVE_PATH": str(self._archive)}
        self._settings = _settings({**environ, **files})
        _lose_one(stage)

    async def perform(self) -> int:
        """Run a connector, tell what it does, then compare; return the exit code."""
        click.echo(OPENING.format(**self._stage.left()))
        lacking = {code: row for code, row in self._table.items() if code != self._code}
        async with Connector(self._with(lacking)) as connector:
            story = Story(connector.clock)
            events = connector.events()
            async with anyio.create_task_group() as flow:
                flow.start_soon(connector.run, name="run the connector")
                flow.start_soon(story.tell, events, name="tell what happens")
                good = await self._carry(connector)
                good = await self._add_code(connector) and good
                good = await self._ship(connector) and good
                connector.stop()
        good = tell_records(feeds(self._stage, self._archive), self._stage) and good
        story.example()
        click.echo(f"\n{NEXT if good else 'Something is not as it should be.'}", nl=False)
        return 0 if good else 1

    async def _carry(self, connector: Connector) -> bool:
        """Carry what is there, and look whether a second pass would do anything again."""
        drained = await connector.drain()
        writes = self._stage.writes
        await connector.drain()
        again = self._stage.writes - writes
        await self._catch_up(connector)
        done = again or "nothing"
        click.echo("\nAll is delivered, or held for a reason. ", nl=False)
        click.echo(f"Another pass over the four feeds created and marked {done}.\n")
        return not drained.failed and not again

    async def _add_code(self, connector: Connector) -> bool:
        """Add the missing row, which releases what waits for it."""
        released = (await connector.reload(self._with(self._table))).released
        orders = "1 order is" if released == 1 else f"{released:,} orders are"
        click.echo(
            f"Somebody adds the row {self._code} to the table {TABLE}, and reloads the settings: {orders} released."
        )
        drained = await connector.drain()
        await self._catch_up(connector)
        return released > 0 and not drained.failed

    async def _ship(self, connector: Connector) -> bool:
        """Let the warehouse ship an order of the carrier's, and the connector notice."""
        orders = self._stage.warehouse.orders.values()
        order = next((each for each in orders if each["external_id"].startswith("transport-")), None)
        if order is None:
            return False
        click.echo(f"\nThe warehouse ships {order['reference']}, which is {order['external_id']}.")
        self._stage.warehouse.ship(order["id"])
        drained = await connector.drain()
        return not drained.failed and len(self._stage.transport.updates) == 1

    @staticmethod
    async def _catch_up(connector: Connector) -> None:
        """Let what has happened be told before the next act is announced."""
        await connector.clock.sleep(0.05)

    def _with(self, table: Mapping[str, str]) -> Settings:
        """Return the settings with a table by which wholesale orders are shipped."""
        mapping: dict[str, Any] = {"shipping_method": f"=lookup('{TABLE}', delivery_address.country)"}
        routes = [
            msgspec.structs.replace(route, mapping=mapping) if route.source == "wholesale" else route
            for route in self._settings.routes
        ]
        return msgspec.structs.replace(self._settings, routes=routes, tables={TABLE: dict(table)})


def _settings(environ: Mapping[str, str]) -> Settings:
    """Return what `connector sandbox` writes, at these addresses; nothing of the environment comes in."""
    with resources.as_file(resources.files("connector.settings") / "template.yaml") as path:
        settings = load_settings(path, environ)
    quick = {name: msgspec.structs.replace(own, settle=Duration(1)) for name, own in settings.receivers.items()}
    return msgspec.structs.replace(settings, receivers=quick)


def _rarest(stage: Stage) -> tuple[str, list[str]]:
    """Return the country that the fewest wholesale orders go to, and all of them."""
    countries = Counter(order["delivery_address"]["country"] for order in stage.wholesale.orders.values())
    return min(countries, key=lambda code: (countries[code], code)), sorted(countries)


def _lose_one(stage: Stage) -> None:
    """Let one create in the warehouse lose its answer after it was applied."""
    seen = 0

    def chosen(request: web.Request) -> bool:
        nonlocal seen
        create = request.method == "POST" and request.path == "/wms/orders/"
        seen += create
        return create and seen == LOST

    stage.warehouse.fault(Fault.LOSE_ANSWER, on=chosen)
