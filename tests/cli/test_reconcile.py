"""`connector reconcile` with the real command: a shop, a journal and a warehouse that disagree in every way."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from connector.clock import SystemClock
from connector.journal.records import Arrival, Held, InDoubt, Intent, Listing, Settlement
from connector.journal.sqlite import SqliteJournal
from connector.pipeline.ingest.intake import arrival_of
from connector.registry import load_settings, make_sources
from connector.sandbox.server import Fault
from connector.sources.base import FeedItem
from tests.cli.process import Vendors, ended, run, started

LONG_AGO = datetime.now(UTC) - timedelta(hours=1)


class Disagreement(Vendors):
    """Orders of a shop by their disagreement; each name is one order."""

    NAMES = (
        "fine", "ghost", "withdrawn", "double", "reset", "parked", "lost there", "lost", "there", "gone", "behind us",
        "new", "orphan", "replaced",
    )  # fmt: skip
    LATER = NAMES[NAMES.index("lost there") :]

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, len(self.NAMES))
        self.ids = dict(zip(self.NAMES, self.shop.orders, strict=True))
        self.hidden = {name: self.shop.orders.pop(self.ids[name]) for name in self.LATER}

    @contextmanager
    def journal(self) -> Iterator[sqlite3.Connection]:
        """Open the journal to tamper with it."""
        with closing(sqlite3.connect(self.folder / "connector.db")) as db, db:
            yield db

    def content(self) -> list[tuple[Any, ...]]:
        """Return the content of the journal."""
        with self.journal() as db:
            questions = ("SELECT * FROM orders", "SELECT * FROM deliveries", "SELECT * FROM history")
            return [row for question in questions for row in db.execute(question)]

    def copy(self, name: str) -> None:
        """Create the order `name` at the warehouse behind the connector's back."""
        record = dict(next(iter(self.warehouse.orders.values())))
        record |= {"id": str(uuid4()), "external_id": f"shop-{self.ids[name]}", "external_reference": str(uuid4())}
        record["reference"] = f"COPY-{name.replace(' ', '-')}"
        self.warehouse.orders[record["id"]] = record

    def record(self, name: str) -> dict[str, Any]:
        """Return the warehouse's record of the order `name`."""
        return self.warehouse.by_external_id(f"shop-{self.ids[name]}")[0]

    async def disagree(self) -> None:
        """Deliver the first orders and make each disagree in its own way; create the others in the wrong places."""
        assert (await self.run_once()).code == 0
        del self.warehouse.orders[self.record("ghost")["id"]]
        self.warehouse.move(self.record("withdrawn")["id"], "cancelled")
        self.copy("double")
        self.shop.orders[self.ids["reset"]] |= {"exportStatus": "", "exportedAt": None}
        with self.journal() as db:
            for state in ("pending", "parked"):
                sql = "UPDATE orders SET ack_state = ?, ack_reason = 'no such order' WHERE order_id = ?"
                db.execute(sql, (state, str(self.ids["parked"])))
            db.execute("UPDATE deliveries SET delivered_at = delivered_at - 3600000")
            db.execute("UPDATE orders SET found_at = found_at - 3600000, ack_done_at = ack_done_at - 3600000")
            db.execute("UPDATE sources SET last_poll = last_poll - 3600000")
        self.shop.orders |= {self.ids[name]: order for name, order in self.hidden.items()}
        journal = await SqliteJournal.open(self.folder / "connector.db", SystemClock())
        arrivals = {name: self.arrival(name) for name in ("lost there", "lost", "there", "gone")}
        taken = await journal.orders.ingest("shop", [*arrivals.values()], Listing(asked_at=LONG_AGO), LONG_AGO)
        for (name, arrival), one in zip(arrivals.items(), taken, strict=True):
            if name != "there":
                assert [True] == await journal.deliveries.intend(
                    [Intent(one.key, "warehouse", arrival.revision, b"x")], LONG_AGO
                )
                outcome = Held("no stock") if name == "gone" else InDoubt("the answer was lost", LONG_AGO)
                await journal.deliveries.settle([Settlement(one.key, "warehouse", outcome)], LONG_AGO)
        await journal.aclose()
        for name in ("lost there", "there", "behind us", "replaced"):
            self.copy(name)
        del self.shop.orders[self.ids["gone"]]
        for name in ("orphan", "replaced"):
            self.shop.orders[self.ids[name]] |= {
                "exportStatus": "exported",
                "exportedAt": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
            }

    def arrival(self, name: str) -> Arrival:
        """Return an order as the source lists it."""
        source = make_sources(load_settings(self.folder / "settings.yaml"), SystemClock(), {})["shop"]
        item = FeedItem(str(self.ids[name]), msgspec.json.encode(self.hidden[name]))
        return arrival_of(source, item, (("warehouse", True),))[0]

    async def reconcile(self, *more: str, code: int = 1) -> dict[str, dict[str, Any]]:
        """Run the command; return the findings by the names of the orders, and the whole output under an empty name."""
        done = await run("reconcile", "--json", *more, folder=self.folder)
        assert done.code == code, done.err + done.out
        said = json.loads(done.out)
        names = {str(order_id): name for name, order_id in self.ids.items()}
        found = {names[each["order_id"]]: each for each in said["findings"]}
        assert len(found) == len(said["findings"])
        return {**found, "": said}


@pytest.mark.slow
@pytest.mark.fault(36, 72, 73, 88, 93, 94)
async def test_every_disagreement_is_found_repaired_where_that_is_safe_and_nothing_is_created(tmp_path: Path) -> None:
    """
    Each disagreement is one finding of its kind, and the comparison changes nothing.

    A repair writes to the journal only. After the next run the ghost, the conflicts and the orphan are left for an
    operator, and no order has a new duplicate. That run marks orders that have left the feed as vanished, so the
    journal agrees with the feed.
    """
    vendors = Disagreement(tmp_path)
    async with vendors.serving():
        await vendors.disagree()
        before, writes = vendors.content(), list(vendors.writes)
        found = await vendors.reconcile()
        text = await run("reconcile", folder=tmp_path)
        assert (vendors.content(), vendors.writes) == (before, writes)

        said = found.pop("")
        assert {name: (each["kind"], each["repair"]) for name, each in found.items()} == {
            "ghost": ("ghost_delivery", None),
            "withdrawn": ("conflict", None),
            "double": ("conflict", None),
            "reset": ("unacknowledged", "tell_again"),
            "parked": ("untold", "tell_again"),
            "lost there": ("stuck_in_doubt", "adopt"),
            "lost": ("stuck_in_doubt", "look_again"),
            "there": ("unknown_to_journal", "adopt"),
            "gone": ("missing_from_feed", None),
            "behind us": ("unknown_to_journal", "adopt"),
            "new": ("unknown_to_journal", None),
            "orphan": ("orphan_ack", None),
            "replaced": ("unknown_to_journal", "adopt"),
        }
        assert said["agreed"] == {"shop": {"warehouse": 1}}
        assert (
            "1 ghost_delivery (delivered in the journal, but the receiver does not have it): for an operator"
            in text.out
        )

        repaired = await vendors.reconcile("--repair")
        assert {name for name, each in repaired.items() if name and each["repaired"]} == {
            "reset", "parked", "lost there", "lost", "there", "behind us", "replaced",
        }  # fmt: skip
        assert vendors.writes == writes
        left = await vendors.reconcile()
        assert set(left) - {"", "lost"} == {"ghost", "withdrawn", "double", "gone", "orphan", "new"}

        vendors.shop.marked.clear()
        await vendors.run_once()
        left = await vendors.reconcile()

    assert set(left) - {""} == {"ghost", "withdrawn", "double", "orphan"}
    listed = json.loads((await run("orders", "--state", "vanished", "--json", folder=tmp_path)).out)
    assert [each["order_id"] for each in listed] == [str(vendors.ids["gone"])]
    told = {order_id for order_id, _ in vendors.shop.marked}
    assert told == {
        vendors.ids[name] for name in ("reset", "parked", "lost there", "lost", "there", "behind us", "new")
    }
    there = {name: len(vendors.warehouse.by_external_id(f"shop-{number}")) for name, number in vendors.ids.items()}
    assert {name: count for name, count in there.items() if count != 1} == {
        "ghost": 0, "double": 2, "gone": 0, "orphan": 0,
    }  # fmt: skip
    assert set(vendors.created.values()) == {1}


@pytest.mark.slow
async def test_a_repair_reaches_a_running_connector(tmp_path: Path) -> None:
    """An order that was reset at the shop is acknowledged again within seconds, if its list is believed at once."""
    vendors = Vendors(tmp_path, 4, list_settles="0s")
    async with vendors.serving(), started("run", "--quiet", folder=tmp_path) as process:
        while len(vendors.shop.marked) < 4:
            await _turn()
        well = await run("reconcile", folder=tmp_path)
        order_id, order = next(iter(vendors.shop.orders.items()))
        order |= {"exportStatus": "", "exportedAt": None}
        repaired = await run("reconcile", "shop", "--repair", folder=tmp_path)
        while vendors.marked[order_id] < 2:
            await _turn()
        process.terminate()
        assert (await ended(process)).code == 0
    assert (well.code, well.out.splitlines()[-1]) == (0, "all sides agree"), well.out + well.err
    assert repaired.code == 0, repaired.out + repaired.err
    assert "1 unacknowledged" in repaired.out
    assert vendors.wanted == vendors.created == vendors.told


@pytest.mark.slow
@pytest.mark.parametrize("end", ["shop", "warehouse"])
async def test_an_end_that_cannot_be_asked_leaves_the_answer_open(tmp_path: Path, end: str) -> None:
    """An endpoint that cannot be reached is named with exit 75, and leads to no finding."""
    vendors = Vendors(tmp_path, 3)
    async with vendors.serving():
        assert (await vendors.run_once()).code == 0
        getattr(vendors, end).fault(Fault.SERVER_ERROR, times=100)
        asked = await run("reconcile", folder=tmp_path)
    assert asked.code == 75, asked.out
    assert f"{end} could not be read" in asked.err
    assert asked.out.splitlines()[-1] == "the sides that could be read agree"


async def test_without_a_journal_the_feed_is_all_new(tmp_path: Path) -> None:
    """No journal is created, the orders of the feed are counted as new, and an unknown source is a usage error."""
    vendors = Vendors(tmp_path, 3)
    async with vendors.serving():
        asked = await run("reconcile", "--json", folder=tmp_path)
        wrong = await run("reconcile", "nowhere", folder=tmp_path)
    assert asked.code == 1
    assert [each["kind"] for each in json.loads(asked.out)["findings"]] == ["unknown_to_journal"] * 3
    assert not (tmp_path / "connector.db").exists()
    assert (wrong.code, "there is no source 'nowhere'" in wrong.err) == (2, True)


async def _turn() -> None:
    import asyncio

    await asyncio.sleep(0.02)  # the other process decides when; the test's own time limit ends it
