"""Orders that one warehouse has, mirrored to another one: the whole flow with a feed that does not shrink."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import anyio

from connector import Connector
from connector.receivers.ewarehousing.settings import EwarehousingSettings
from connector.sandbox.ewarehousing.app import EwarehousingStandIn
from connector.sandbox.server import serving
from connector.settings import Settings
from connector.settings.model import RouteSettings
from connector.settings.values import Secret, Url
from tests.contracts.source_harness import numbers
from tests.sources.ewarehousing.bench import ewarehousing, settings


async def test_orders_that_stay_in_the_feed_are_carried_once(tmp_path: Path) -> None:
    """Listed again in every walk, each order is delivered once, acknowledged once, and its history does not grow."""
    journal = tmp_path / "journal.db"
    copy = EwarehousingStandIn()
    async with ewarehousing(numbers(7)) as h, serving(copy) as base_url:
        made = Settings(
            journal=str(journal),
            sources={"warehouse": settings(str(h.source.endpoint.url("")))},
            receivers={
                "copy": EwarehousingSettings(
                    base_url=Url.parse(base_url),
                    username="sandbox",
                    password=Secret("sandbox-secret"),
                    wms_code="DEV",
                    customer_code="SANDBOX",
                )
            },
            routes=[RouteSettings(source="warehouse", receivers=["copy"])],
        )
        histories = []
        for _ in range(2):
            async with Connector(made) as connector, anyio.create_task_group() as tg:
                tg.start_soon(connector.run)
                for _ in range(2):
                    drained = await connector.drain()
                    assert drained.failed == {}
                connector.stop()
            histories.append(_history(journal))

    assert sorted(order["external_id"] for order in copy.created) == [f"warehouse-{number}" for number in numbers(7)]
    assert histories[0] == histories[1]
    assert h.acknowledged() == []


def _history(journal: Path) -> int:
    with closing(sqlite3.connect(journal)) as db:
        (states,) = db.execute("SELECT group_concat(DISTINCT state) FROM order_states").fetchone()
        assert states == "acknowledged"
        (count,) = db.execute("SELECT count(*) FROM history").fetchone()
    db.close()
    return int(count)
