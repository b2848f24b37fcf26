"""Each metric changes with its events, and an order never adds a series."""

from __future__ import annotations

import pytest

from connector import bus as bus_module
from connector.errors import InDoubtError, RejectedError, TransientError
from connector.events import OrderDelivered, OrderInDoubt, OrderRejected, OrderSkipped, PollFinished
from connector.web import health
from tests.doubles import EPOCH
from tests.flow.bench import Bench
from tests.web.bench import Silent, served

Values = dict[tuple[str, ...], float]


def of(metrics: Values, name: str) -> Values:
    """Return the samples of one metric by their labels."""
    return {key[1:]: number for key, number in metrics.items() if key[0] == name}


async def test_every_series_is_there_from_the_start() -> None:
    """All series exist from the start with 0, and their labels have only values from the settings."""
    bench = Bench("wms", "erp", sources=("shop", "market"))
    async with served(bench) as site:
        metrics = await site.metrics()

        pairs = {("wms", "shop"), ("erp", "shop"), ("wms", "market"), ("erp", "market")}
        names = {("shop",), ("market",)}
        for counter, labels in {
            "connector_orders_found_total": names,
            "connector_orders_delivered_total": pairs,
            "connector_orders_acknowledged_total": names,
            "connector_orders_held_total": names,
            "connector_orders_rejected_total": pairs,
            "connector_orders_in_doubt_total": pairs,
            "connector_walks_total": {(result, *name) for result in ("ok", "failed") for name in names},
            "connector_events_missed_total": {()},
        }.items():
            assert labels == set(of(metrics, counter))
        assert {("wms",), ("erp",), ("shop",), ("market",)} == set(of(metrics, "connector_breaker_open"))


async def test_the_good_way_is_counted() -> None:
    """Each order is counted once as found, delivered and acknowledged, under its source and receiver."""
    bench = Bench("wms", "erp", ack_interval=0)
    bench.shop.put("1", "2", "3")
    async with served(bench) as site:
        await site.connector.drain()

        metrics = await site.metrics()

        assert {("shop",): 3.0} == of(metrics, "connector_orders_found_total")
        assert {("wms", "shop"): 3.0, ("erp", "shop"): 3.0} == of(metrics, "connector_orders_delivered_total")
        assert {("shop",): 3.0} == of(metrics, "connector_orders_acknowledged_total")
        assert 0 == sum(sum(of(metrics, f"connector_orders_{bad}_total").values()) for bad in ("held", "rejected"))
        assert {("shop",): 0.0} == of(metrics, "connector_oldest_unacknowledged_seconds")


async def test_each_bad_way_is_counted() -> None:
    """Held, rejected and in doubt each have a counter of their own."""
    bench = Bench(ack_interval=0, settle=3600, concurrency=1)
    refusal = RejectedError("not wanted")
    bench.wms.failures.extend([refusal, InDoubtError("lost"), refusal])  # the first order is believed the second time
    bench.shop.put("rejected", "doubtful")
    bench.shop.put("held", notes="unmappable")
    bench.shop.put("unreadable", missing="items")
    async with served(bench) as site:
        await site.until(OrderInDoubt)
        await site.until(OrderRejected)

        metrics = await site.metrics()

        assert {("wms", "shop"): 1.0} == of(metrics, "connector_orders_rejected_total")
        assert {("wms", "shop"): 1.0} == of(metrics, "connector_orders_in_doubt_total")
        assert {("shop",): 2.0} == of(metrics, "connector_orders_held_total")
        assert {("shop",): 3.0} == of(metrics, "connector_orders_found_total")
        assert {("wms", "shop"): 0.0} == of(metrics, "connector_orders_delivered_total")


async def test_walks_are_counted_by_how_they_ended() -> None:
    """A failed poll is counted as failed, and does not change the time of the last poll."""
    bench = Bench()
    bench.shop.fetch_failures.append(TransientError("down"))
    async with served(bench) as site:
        await site.until(PollFinished)
        failed = await site.metrics()
        await site.connector.drain()

        metrics = await site.metrics()

        assert {("failed", "shop"): 1.0, ("ok", "shop"): 0.0} == of(failed, "connector_walks_total")
        assert {} == of(failed, "connector_last_poll_timestamp_seconds")
        assert 1 == of(metrics, "connector_walks_total")["failed", "shop"]
        assert 1 <= of(metrics, "connector_walks_total")["ok", "shop"]
        assert {("shop",)} == set(of(metrics, "connector_last_poll_timestamp_seconds"))


async def test_the_last_poll_is_a_time_of_the_wall_clock() -> None:
    """The time of the last poll is in seconds since 1970, so that Prometheus can subtract it from `time()`."""
    bench = Bench()
    async with served(bench) as site:
        await site.until(PollFinished)

        metrics = await site.metrics()

        [at] = of(metrics, "connector_last_poll_timestamp_seconds").values()
        assert 0 <= at - EPOCH.timestamp() < 30


async def test_a_breaker_moves_its_gauge_both_ways() -> None:
    """The gauge is 1 while an endpoint is paused or half open, and 0 when it works; others stay."""
    bench = Bench("wms", "erp")
    async with served(bench) as site:
        assert bench.wms.endpoint is not None
        breaker = bench.wms.endpoint.breaker
        await site.connector.drain()
        before = of(await site.metrics(), "connector_breaker_open")
        breaker.failed("down", hopeless=True)
        opened = of(await site.metrics(), "connector_breaker_open")
        breaker._until = 0.0
        assert 0 == breaker.wait()
        trying = of(await site.metrics(), "connector_breaker_open")
        breaker.succeeded()

        after = of(await site.metrics(), "connector_breaker_open")

        assert {("shop",): 0.0, ("wms",): 0.0, ("erp",): 0.0} == before == after
        assert {("shop",): 0.0, ("wms",): 1.0, ("erp",): 0.0} == opened == trying


async def test_the_oldest_unacknowledged_is_read_from_the_journal() -> None:
    """The age is read at each scrape, and grows while the source refuses the acknowledgement."""
    bench = Bench(ack_interval=0, poll_interval=3600)
    bench.shop.put("1")
    bench.shop.failures.extend(TransientError("busy") for _ in range(99))
    async with served(bench) as site:
        await site.until(OrderDelivered)
        site.clock.ahead = 100
        early = of(await site.metrics(), "connector_oldest_unacknowledged_seconds")["shop",]
        site.clock.ahead = 700

        late = of(await site.metrics(), "connector_oldest_unacknowledged_seconds")["shop",]

        assert 100 <= early < 130
        assert 700 <= late < 730


async def test_a_silent_journal_leaves_its_gauge_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a response of the journal the ages are left out, and the other metrics are served."""
    monkeypatch.setattr(health, "JOURNAL_TIMEOUT", 0.01)
    async with served(Bench(), Silent()) as site:
        await site.until(PollFinished)

        metrics = await site.metrics()

        assert {} == of(metrics, "connector_oldest_unacknowledged_seconds")
        assert {("failed", "shop"): 0.0, ("ok", "shop"): 1.0} == of(metrics, "connector_walks_total")


async def test_names_that_are_not_in_the_settings_make_no_series() -> None:
    """Events with unknown names add no series."""
    async with served(Bench()) as site:
        before = await site.metrics()
        for number in range(100):
            name, at = f"stranger{number}", site.clock.now()
            for source, receiver in ((name, "wms"), ("shop", name)):
                event = OrderDelivered(at=at, key=1, source=source, order_id=name, receiver=receiver, receipt=name)
                site.connector.bus.notice(event)
            site.connector.bus.notice(OrderSkipped(at=at, key=1, source="shop", order_id=name, cause=name))

        after = await site.metrics()

        assert set(before) | {("connector_last_poll_timestamp_seconds", "shop")} == set(after)


async def test_events_that_were_missed_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Events that were not counted are reported as missed; the pipeline never waits for the counting."""
    monkeypatch.setattr(bus_module, "OBSERVER_BUFFER", 3)
    async with served(Bench(poll_interval=3600)) as site:
        await site.connector.drain()
        before = await site.metrics()
        walk = PollFinished(at=site.clock.now(), source="shop", seen=0, new=0, total=None, error="down")
        for _ in range(10):
            site.connector.bus.notice(walk)

        after = await site.metrics()

        assert {(): 0.0} == of(before, "connector_events_missed_total")
        assert {(): 7.0} == of(after, "connector_events_missed_total")
        assert 3.0 == of(after, "connector_walks_total")["failed", "shop"]


async def test_connectors_in_one_process_count_each_for_itself() -> None:
    """Two connectors in one process have separate metrics."""
    one, two = Bench(ack_interval=0), Bench(ack_interval=0)
    one.shop.put("1")
    async with served(one) as first, served(two) as second:
        await first.connector.drain()
        await second.connector.drain()

        found = [of(await site.metrics(), "connector_orders_found_total")["shop",] for site in (first, second)]

        assert [1.0, 0.0] == found


@pytest.mark.parametrize(
    ("accept", "kind"),
    [("*/*", "text/plain"), ("application/openmetrics-text; version=1.0.0", "application/openmetrics-text")],
)
async def test_it_speaks_both_formats_of_prometheus(accept: str, kind: str) -> None:
    """Both formats of Prometheus are served on request, with help and type of each metric."""
    async with served(Bench()) as site:
        answer, text = await site.ask("/metrics", headers={"Accept": accept})

        assert (200, kind) == (answer.status, answer.content_type)
        assert "# HELP connector_orders_delivered" in text
        assert 'connector_orders_delivered_total{receiver="wms",source="shop"} 0.0' in text
        assert text.endswith("# EOF\n") == (kind != "text/plain")
