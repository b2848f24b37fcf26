"""The probes: their responses in good and bad states, and the data that they never contain."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from functools import partial

import aiohttp
import pytest

from connector.ack import Confirmed
from connector.errors import AuthError, InDoubtError, RejectedError, TransientError
from connector.events import OrderDelivered, OrderHeld, OrderInDoubt, PollFinished
from connector.journal.records import AckResult, Arrival, Delivered, Listing, Settlement
from connector.journal.sqlite import MemoryJournal
from connector.web import health, serve
from connector.web.health import oldest_unacknowledged
from tests.doubles import EPOCH
from tests.flow.bench import Bench
from tests.flow.full import Filling
from tests.web.bench import ANY_PORT, PATHS, Silent, served, unstarted


@pytest.mark.parametrize("path", ["/health/live", "/healthz"])
async def test_it_is_alive_while_the_loop_turns(path: str) -> None:
    """The liveness probe succeeds in spite of other failures: a restart would not repair a vendor or a disk."""
    async with served(Bench(), Silent()) as site:
        site.connector.stop()

        answer, text = await site.ask(path)

        assert (200, '{"alive":true}', "application/json") == (answer.status, text, answer.content_type)


@pytest.mark.parametrize("path", ["/health/ready", "/readyz"])
async def test_it_is_ready_when_all_works(path: str) -> None:
    """After a successful poll, with nothing late and no pause, it is ready and nothing is degraded."""
    bench = Bench(ack_interval=0)
    bench.shop.put("1", "2")
    async with served(bench) as site:
        await site.connector.drain()

        answer, _ = await site.ask(path)
        said = await answer.json()

        assert 200 == answer.status
        assert 0 <= said["sources"]["shop"].pop("last_poll_seconds") < 10
        shop = {"polled": True, "fresh": True, "paused": False, "late": False}
        assert said == {
            "ready": True,
            "running": True,
            "journal": True,
            "reasons": [],
            "degraded": [],
            "sources": {"shop": {**shop, "oldest_unacknowledged_seconds": None}},
            "receivers": {"wms": {"paused": False}},
        }


async def test_a_source_that_never_worked_makes_it_not_ready() -> None:
    """Until the first poll, the settings of a source may be wrong: 503, with its name."""
    bench = Bench(sources=("shop", "market"))
    bench.sources["market"].fetch_failures.extend(AuthError("401") for _ in range(99))
    async with served(bench) as site:
        await site.connector.drain()

        status, said = await site.ready()

        assert (503, False) == (status, said["ready"])
        assert ["market has not been polled yet"] == said["reasons"]
        assert (True, False) == (said["sources"]["shop"]["polled"], said["sources"]["market"]["polled"])


async def test_a_restart_in_the_outage_of_a_source_is_ready_and_degraded() -> None:
    """A first poll that failed because of an outage of the source is not a failure of the connector."""
    bench = Bench(sources=("shop", "market"))
    bench.sources["market"].fetch_failures.extend(TransientError("no answer") for _ in range(99))
    async with served(bench) as site:
        await site.connector.drain()

        status, said = await site.ready()

        assert (200, [], ["market"]) == (status, said["reasons"], said["degraded"])
        assert not said["sources"]["market"]["polled"]


async def test_a_first_walk_that_found_something_counts_before_it_has_ended() -> None:
    """A first poll may take hours; a source works as soon as it has listed an order."""
    bench = Bench(page_size=1)
    bench.shop.put("1", "2")
    async with served(bench) as site:
        await site.until(OrderDelivered)

        status, said = await site.ready()

        assert (200, True) == (status, said["sources"]["shop"]["polled"])


async def test_walks_that_fail_make_a_source_stale_after_a_while() -> None:
    """After three poll intervals and a timeout without a successful poll, a source is degraded, and the probe ready."""
    bench = Bench(poll_interval=60)
    async with served(bench) as site:
        await site.until(PollFinished)
        site.clock.ahead = 3 * 60 + 30 - 5
        _, before = await site.ready()

        site.clock.ahead = 3 * 60 + 30 + 1
        status, after = await site.ready()

        assert ([], True) == (before["degraded"], before["sources"]["shop"]["fresh"])
        assert (200, ["shop"], False) == (status, after["degraded"], after["sources"]["shop"]["fresh"])


@pytest.mark.fault(98)
async def test_an_acknowledgement_that_waits_too_long_is_late() -> None:
    """An acknowledgement pending for 15 minutes makes a source degraded, and the probe stays ready."""
    bench = Bench(ack_interval=0, poll_interval=3600)
    bench.shop.put("1")
    bench.shop.failures.extend(TransientError("busy") for _ in range(99))
    async with served(bench) as site:
        await site.until(OrderDelivered)
        site.clock.ahead = 14 * 60
        _, before = await site.ready()

        site.clock.ahead = 15 * 60 + 1
        status, after = await site.ready()

        assert ([], False) == (before["degraded"], before["sources"]["shop"]["late"])
        assert (200, ["shop"], True) == (status, after["degraded"], after["sources"]["shop"]["late"])
        assert 901 <= after["sources"]["shop"]["oldest_unacknowledged_seconds"] < 930


async def test_an_acknowledgement_that_is_due_again_counts_from_then_on() -> None:
    """An order delivered and confirmed a week ago that is listed again today is not a week late."""
    journal, week = MemoryJournal(), timedelta(days=7)
    arrival = Arrival(order_id="1", external_id="shop-1", revision="r", raw=b"{}", receivers=(("wms", True),))
    [taken] = await journal.orders.ingest("shop", [arrival], Listing(asked_at=EPOCH), EPOCH)
    await journal.deliveries.settle([Settlement(taken.key, "wms", Delivered("7", "R7"))], EPOCH)
    ages = [await journal.read(partial(oldest_unacknowledged, EPOCH + timedelta(seconds=5)))]
    assert [True] == await journal.acks.claim([taken.key], EPOCH)
    ages.append(await journal.read(partial(oldest_unacknowledged, EPOCH + timedelta(seconds=6))))
    await journal.acks.settle([AckResult(taken.key, Confirmed(), EPOCH)], EPOCH)
    ages.append(await journal.read(partial(oldest_unacknowledged, EPOCH + week)))
    [again] = await journal.orders.ingest("shop", [arrival], Listing(asked_at=EPOCH + week), EPOCH + week)
    ages.append(await journal.read(partial(oldest_unacknowledged, EPOCH + week + timedelta(seconds=9))))
    await journal.aclose()

    assert "reacknowledge" == again.what
    assert [{"shop": 5.0}, {"shop": 6.0}, {}, {"shop": 9.0}] == ages


@pytest.mark.parametrize("name", ["wms", "shop"])
async def test_a_paused_endpoint_degrades_it(name: str) -> None:
    """A paused endpoint is degraded, and the probe stays ready."""
    bench = Bench("wms", "erp")
    async with served(bench) as site:
        await site.connector.drain()
        endpoint = (bench.sources.get(name) or bench.receivers[name]).endpoint
        assert endpoint is not None
        endpoint.breaker.failed("refused", hopeless=True)

        status, said = await site.ready()

        assert (200, True, [name]) == (status, said["ready"], said["degraded"])
        paused = {each: said[family][each]["paused"] for family in ("sources", "receivers") for each in said[family]}
        assert {"wms": False, "erp": False, "shop": False, name: True} == paused


async def test_what_is_tried_in_vain_degrades_it() -> None:
    """An endpoint at which a single order keeps failing is degraded, and the probe stays ready."""
    async with served(Bench(ack_interval=0)) as site:
        await site.connector.drain()
        for _ in range(10):
            site.connector._pipeline.stages.consumers["wms"].poison.failed("shop-1", "500")  # type: ignore[union-attr]

        status, said = await site.ready()

        assert (200, ["wms"]) == (status, said["degraded"])


async def test_a_connector_that_stops_is_not_ready() -> None:
    """A stopping connector is not ready, because it starts no new work."""
    async with served(Bench()) as site:
        await site.connector.drain()
        site.connector.stop()

        status, said = await site.ready()

        assert (503, False, ["the connector is not running"]) == (status, said["running"], said["reasons"])


async def test_a_connector_that_does_not_run_is_not_ready() -> None:
    """A connector that is not entered, or entered but not run, is not ready."""
    connector = unstarted(Bench())
    async with serve(connector, ANY_PORT) as url, aiohttp.ClientSession() as session:
        async with session.get(url + "/health/ready") as answer:
            before = (answer.status, (await answer.json())["journal"])
        async with connector, session.get(url + "/health/ready") as answer:
            said = await answer.json()
            entered = (answer.status, said["journal"], said["running"])

    assert (503, False) == before
    assert (503, True, False) == entered


@pytest.mark.fault(105)
async def test_a_journal_that_waits_for_its_disk_makes_it_not_ready() -> None:
    """A stalled journal is 503 with reason and duration, and sets the gauge, until the disk has space again."""
    journal = Filling("read-only")
    async with served(Bench(poll_interval=0.05), journal) as site:
        await site.until(PollFinished)
        before = (await site.ready(), (await site.metrics())[("connector_journal_stalled",)])
        journal.spoil()
        await journal.until_stalled()
        status, said = await site.ready()
        gauge = (await site.metrics())[("connector_journal_stalled",)]
        journal.mend()
        await site.until(PollFinished)
        after = (await site.ready())[0]

    assert (200, 0.0) == (before[0][0], before[1])
    assert (503, False, 1.0) == (status, said["journal"], gauge)
    assert ["the journal cannot be written: attempt to write a readonly database, for 0 seconds"] == said["reasons"]
    assert 200 == after


async def test_a_broken_journal_makes_it_not_ready() -> None:
    """Without its journal the connector must not work."""
    async with served(Bench()) as site:
        await site.connector.drain()
        await site.connector.journal.aclose()

        status, said = await site.ready()

        assert (503, False, ["the journal does not respond"]) == (status, said["journal"], said["reasons"])


async def test_a_journal_that_raises_whatever_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """An unexpected error of a read makes the probe not ready, and the connector keeps working."""

    def fail(_now: int, _db: object) -> None:
        raise ValueError("no active connection")

    monkeypatch.setattr(health, "oldest_unacknowledged", fail)
    bench = Bench(ack_interval=0)
    async with served(bench) as site:
        status, said = await site.ready()
        bench.shop.put("1")
        await site.connector.drain()

        assert (503, False) == (status, said["journal"])
        assert 1 == len(bench.wms.orders)


async def test_a_journal_that_is_silent_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Probes do not wait for a hanging disk, and start one read only."""
    monkeypatch.setattr(health, "JOURNAL_TIMEOUT", 0.01)
    journal = Silent()
    async with served(Bench(), journal) as site:
        said = await asyncio.gather(*(site.ready() for _ in range(5)))

        assert [(503, False)] * 5 == [(status, content["journal"]) for status, content in said]
        assert 1 == journal.asked


@pytest.mark.attack(31)
@pytest.mark.parametrize("path", PATHS)
async def test_no_answer_holds_what_an_order_or_a_vendor_said(path: str) -> None:
    """Responses contain booleans, names and ages, but no ids, texts or addresses."""
    bench = Bench(ack_interval=0, settle=3600)
    canary = "CANARY"
    bench.wms.failures.append(RejectedError(f"{canary} is not wanted"))
    bench.wms.failures.append(InDoubtError(f"https://{canary}.example/?token={canary}"))
    bench.shop.put(f"{canary}-1", f"{canary}-2", f"{canary}-3", notes=f"for Mrs {canary}")
    bench.shop.put(f"{canary}-4", missing=canary)
    async with served(bench) as site:
        await site.until(OrderHeld)
        await site.until(OrderInDoubt)
        assert bench.wms.endpoint is not None
        bench.wms.endpoint.breaker.failed(f"{canary} is down", hopeless=True)

        answer, text = await site.ask(path + f"?name={canary}")

        assert canary not in text
        assert canary not in str(answer.headers)
        assert "127.0.0.1" not in text
