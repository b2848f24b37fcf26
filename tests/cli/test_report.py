"""`connector report` and the delivery of reports, with the real command between a stand-in carrier and warehouse."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import anyio
import pytest
from aiohttp import web

from connector.sandbox.ewarehousing.app import EwarehousingStandIn
from connector.sandbox.server import Fault, serving
from connector.sandbox.zendera.app import ZenderaStandIn
from connector.sandbox.zendera.shipments import seed_shipment
from tests.cli.process import Vendors, ended, run, started

SETTINGS = """
journal: connector.db
sources:
  transport:
    type: zendera
    base_url: {transport}/api
    api_key: sandbox-key
    timeout: 1s
    settle: 1s
    ack_interval: 0
    retry: {{first: 50ms, longest: 200ms}}
receivers:
  warehouse:
    type: ewarehousing
    base_url: {warehouse}
    username: sandbox
    password: sandbox-secret
    wms_code: DEV
    customer_code: SANDBOX
    settle: 1s
    retry: {{first: 50ms, longest: 200ms}}
routes:
  - source: transport
    receivers: [warehouse]
    progress: {{interval: 200ms}}
"""

DAMAGED = ["--status", "DAMAGE", "--location", "DELIVERY", "--at", "2026-06-11T16:30:00+02:00", "--comment", "wet"]


class Carrier:
    """A carrier with two orders, and the warehouse that receives them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.transport = ZenderaStandIn(
            [seed_shipment(orderId=number, id=700_000 + number) for number in (12345, 12346)]
        )
        self.warehouse = EwarehousingStandIn()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Serve both vendors, and write settings with their addresses."""
        async with AsyncExitStack() as stack:
            transport = await stack.enter_async_context(serving(self.transport))
            warehouse = await stack.enter_async_context(serving(self.warehouse))
            text = SETTINGS.format(transport=transport, warehouse=warehouse)
            (self.folder / "settings.yaml").write_text(text, "utf-8")
            yield

    async def run(self, *arguments: str, code: int = 0) -> str:
        """Run a command that must succeed; return its output."""
        done = await run(*arguments, folder=self.folder)
        assert done.code == code, done.err + done.out
        return done.out

    def ship(self, order_id: int) -> None:
        """Let the warehouse ship an order."""
        (order,) = self.warehouse.by_external_id(f"transport-{order_id}")
        self.warehouse.ship(order["id"])

    def told(self) -> list[tuple[int, str, str]]:
        """Return every report that the carrier received: order, status, stop."""
        return [(each["orderId"], each["status"], each["location"]) for each in self.transport.updates]

    def lose(self, fault: Fault) -> None:
        """Let `fault` befall the next report."""

        def on(request: web.Request) -> bool:
            return request.path.endswith("/update")

        self.transport.fault(fault, on=on)


async def turn() -> None:
    """Wait while the other process works."""
    await anyio.sleep(0.02)


@pytest.mark.slow
async def test_a_report_is_sent_by_the_next_run_and_once(tmp_path: Path) -> None:
    """A report that is stored twice is sent once; `show` prints it, and with --online also the carrier's timeline."""
    carrier = Carrier(tmp_path)
    async with carrier.serving():
        await carrier.run("run", "--once", "--quiet")
        assert (await carrier.run("report", "transport", "12345", *DAMAGED)).startswith("stored, to be sent")
        assert (await carrier.run("report", "transport", "12345", *DAMAGED)).startswith(
            "an identical report was stored before"
        )
        assert carrier.told() == []
        waiting = json.loads(await carrier.run("show", "transport", "12345", "--json"))["reports"]

        await carrier.run("run", "--once", "--quiet")
        await carrier.run("run", "--once", "--quiet")
        shown = json.loads(await carrier.run("show", "transport", "12345", "--online", "--json"))
        text = await carrier.run("show", "transport", "12345", "--online")

    assert [(each["status"], each["state"]) for each in waiting] == [("DAMAGE", "pending")]
    assert carrier.told() == [(12345, "DAMAGE", "DELIVERY")]
    assert carrier.transport.updates[0]["damageInfo"] == {"date": "2026-06-11T14:30:00Z", "comment": "wet"}
    (report,) = shown["reports"]
    assert (report["state"], report["date"], report["attempts"]) == ("confirmed", "2026-06-11T14:30:00Z", 1)
    assert {event["type"] for event in shown["source_shows"]} == {"EVENT_TYPE_DAMAGE", "EVENT_TYPE_ORDER_EXPORTED"}
    assert "DAMAGE" in text
    assert '"comment": "wet"' in text


@pytest.mark.slow
async def test_a_running_connector_takes_a_report_up_and_follows_the_warehouse(tmp_path: Path) -> None:
    """A running connector sends a report from another process, and reports a shipment as picked up."""
    carrier = Carrier(tmp_path)
    async with carrier.serving():
        async with started("run", "--quiet", folder=tmp_path) as process:
            with anyio.fail_after(30):
                while len(carrier.transport.exported) < 2:
                    await turn()
                await carrier.run("report", "transport", "12345", *DAMAGED)
                carrier.ship(12346)
                while len(carrier.told()) < 2:
                    await turn()
            process.terminate()
            assert (await ended(process)).code == 0
        await carrier.run("run", "--once", "--quiet")

    assert sorted(carrier.told()) == [(12345, "DAMAGE", "DELIVERY"), (12346, "COMPLETE", "PICKUP")]


@pytest.mark.slow
@pytest.mark.parametrize(
    "fault", [Fault.LOSE_ANSWER, Fault.LOSE_REQUEST, Fault.SERVER_ERROR_APPLIED, Fault.SERVER_ERROR]
)
async def test_a_lost_answer_leaves_one_entry(tmp_path: Path, fault: Fault) -> None:
    """After a lost response the carrier's timeline has the report once, whether or not the first call was applied."""
    carrier = Carrier(tmp_path)
    async with carrier.serving():
        await carrier.run("run", "--once", "--quiet")
        await carrier.run("report", "transport", "12345", *DAMAGED)
        carrier.lose(fault)
        await carrier.run("run", "--once", "--quiet")

    assert carrier.told() == [(12345, "DAMAGE", "DELIVERY")]


@pytest.mark.slow
async def test_a_shipped_order_is_reported_once_by_runs_that_end(tmp_path: Path) -> None:
    """Each `run --once` reads the warehouse, and none repeats a report of an earlier run."""
    carrier = Carrier(tmp_path)
    async with carrier.serving():
        await carrier.run("run", "--once", "--quiet")
        carrier.ship(12345)
        for _ in range(3):
            await carrier.run("run", "--once", "--quiet")

    assert carrier.told() == [(12345, "COMPLETE", "PICKUP")]


MISTAKES = [
    (["transport", "999", *DAMAGED], 1, "no order '999' of source 'transport'"),
    (["depot", "12345", *DAMAGED], 2, "no source 'depot'; the sources are transport"),
    (["transport", "12345", "--status", "LATE", "--location", "PICKUP"], 2, "--status"),
    (["transport", "12345", *DAMAGED, "--at", "2026-06-11T14:30"], 2, "no time zone"),
    (["transport", "12345", *DAMAGED, "--at", "yesterday"], 2, "not a time"),
    (["transport", "12345", *DAMAGED, "--latitude", "59.9"], 2, "a latitude and a longitude"),
    (["transport", "12345", *DAMAGED, "--latitude", "159.9", "--longitude", "10"], 2, "latitude is from -90 to 90"),
    (["transport", "12345", *DAMAGED, "--signee", "John"], 2, "only a COMPLETE event"),
]


@pytest.mark.slow
async def test_a_mistake_is_told_and_nothing_is_kept(tmp_path: Path) -> None:
    """A time without a zone or half of a place is exit 2, and an unknown order exit 1; nothing is stored."""
    carrier = Carrier(tmp_path)
    async with carrier.serving():
        await carrier.run("run", "--once", "--quiet")
        for arguments, code, text in MISTAKES:
            done = await run("report", *arguments, folder=tmp_path)
            assert (done.code, text in " ".join(done.err.split())) == (code, True), done.err
        await carrier.run("run", "--once", "--quiet")

    assert carrier.told() == []


@pytest.mark.slow
async def test_who_took_the_goods_and_where(tmp_path: Path) -> None:
    """The options of a delivery become its proof of delivery; `--anyway` accepts an unknown order."""
    carrier = Carrier(tmp_path)
    at = ["--at", "2026-06-11T14:30:00Z", "--latitude", "59.91", "--longitude", "10.75"]
    async with carrier.serving():
        await carrier.run("run", "--once", "--quiet")
        carrier.transport.shipments.append(seed_shipment(orderId=777, id=700_777))
        carrier.transport.exported.add("777")
        complete = [
            "--status",
            "COMPLETE",
            "--location",
            "DELIVERY",
            *at,
            "--comment",
            "front desk",
            "--signee",
            "John",
            *("--signed-at", "2026-06-11T14:35:00Z", "--contactless"),
            *("--picture", "https://pictures.example/1.jpg", "--picture", "aGFsbG8="),
            *("--price", "49.50", "--currency", "NOK"),
        ]
        await carrier.run("report", "transport", "777", *complete, "--anyway")
        await carrier.run("run", "--once", "--quiet")
        shown = await run("show", "transport", "777", folder=tmp_path)
        refused = await run("replay", "transport", "--since", "2026-01-01T00:00:00Z", folder=tmp_path)

    assert (shown.code, "confirmed" in shown.out) == (1, True)
    assert "there is no order '777'" in shown.err
    assert (refused.code, "cannot list orders that it has exported" in refused.err) == (2, True)
    (update,) = carrier.transport.updates
    assert (update["orderId"], update["completeInfo"]["pod"]["signeeName"]) == (777, "John")
    assert update["completeInfo"]["pod"]["comment"] == "front desk"
    assert update["completeInfo"]["pod"]["date"] == "2026-06-11T14:35:00Z"
    assert update["completeInfo"]["pod"]["isContactless"] is True
    assert update["completeInfo"]["pod"]["pictures"] == ["https://pictures.example/1.jpg", "aGFsbG8="]
    assert (str(update["pricing"]["amount"]), update["pricing"]["currency"]) == ("49.50", "NOK")
    assert {key: float(value) for key, value in update["completeInfo"]["coordinates"].items()} == {
        "latitude": 59.91,
        "longitude": 10.75,
    }


async def test_a_source_without_reports_and_a_journal_that_is_not_there(tmp_path: Path) -> None:
    """Both failures have a clear message."""
    vendors = Vendors(tmp_path, 1)
    async with vendors.serving():
        plain = await run("report", "shop", "1", *DAMAGED, folder=tmp_path)
    carrier = Carrier(tmp_path)
    async with carrier.serving():
        early = await run("report", "transport", "12345", *DAMAGED, folder=tmp_path)

    assert (plain.code, "does not accept reports" in plain.err) == (2, True)
    assert (early.code, "there is no journal" in early.err) == (1, True)
    assert not (tmp_path / "connector.db").exists()


@pytest.mark.slow
async def test_a_parked_report_waits_for_a_person_and_leaves_the_order_where_it_is(tmp_path: Path) -> None:
    """
    A rejected report is parked: `run --once` ends with 1, every command shows the reason, and the order stays
    acknowledged.

    A retry sends it again; a skip drops it.
    """
    carrier = Carrier(tmp_path)
    async with carrier.serving():
        await carrier.run("run", "--once", "--quiet")
        await carrier.run("report", "transport", "12345", *DAMAGED)
        there = list(carrier.transport.shipments)
        carrier.transport.shipments[:] = [each for each in there if each["orderId"] != 12345]
        assert "1 report parked" in await carrier.run("run", "--once", code=1)
        status = json.loads(await carrier.run("status", "--json"))["sources"]["transport"]
        assert (status["orders"], status["parked_reports"]) == ({"acknowledged": 2}, 1)
        cause = json.loads(await carrier.run("show", "transport", "12345", "--json"))["cause"]
        assert "order 12345 not found" in cause
        text = await carrier.run("status")
        assert f"1 report parked: {cause}" in text
        assert "transport: 1 parked report" in text
        (order,) = [each for each in json.loads(await carrier.run("orders", "--json")) if each["cause"]]
        assert (order["order_id"], order["state"], order["cause"]) == ("12345", "acknowledged", cause)
        assert "12345" in await carrier.run("orders", "--cause", cause)
        assert json.loads(await carrier.run("show", "transport", "12345", "--json"))["reports"][0]["state"] == "parked"

        await carrier.run("retry", "--cause", cause)
        await carrier.run("run", "--once", "--quiet", code=1)
        await carrier.run("skip", "--cause", cause)
        await carrier.run("run", "--once", "--quiet")
        shown = json.loads(await carrier.run("show", "transport", "12345", "--json"))
        status = json.loads(await carrier.run("status", "--json"))["sources"]["transport"]
        assert (shown["cause"], shown["reports"][0]["state"], status["parked_reports"]) == (None, "skipped", 0)

        carrier.transport.shipments[:] = there
        await carrier.run("retry", "transport", "12345")
        await carrier.run("run", "--once", "--quiet")

    assert carrier.told() == [(12345, "DAMAGE", "DELIVERY")]
