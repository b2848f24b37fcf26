"""
Metrics for Prometheus: counters of the events on the bus, and gauges that are read at each scrape.

Labels are names from the settings and a few fixed words, so the number of series does not grow with the orders.
Nothing is registered globally, so two connectors in one process have separate metrics.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import product
from typing import NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from connector.bus import Observer
from connector.clock import Clock
from connector.events import (
    Event,
    OrderAcknowledged,
    OrderDelivered,
    OrderFound,
    OrderHeld,
    OrderInDoubt,
    OrderRejected,
    PollFinished,
)
from connector.settings.model import Settings

__all__ = ["EventCounters", "Metrics"]


class Counted(NamedTuple):
    """The definition of a counter: its name without `_total`, its help text, and the event attributes for labels."""

    name: str
    text: str
    labels: tuple[str, ...]


COUNTERS: Mapping[type[Event], Counted] = {
    OrderFound: Counted(
        "connector_orders_found", "New orders, and new revisions of orders, found in a feed.", ("source",)
    ),
    OrderDelivered: Counted(
        "connector_orders_delivered", "Orders created at a receiver, or found there.", ("source", "receiver")
    ),
    OrderAcknowledged: Counted(
        "connector_orders_acknowledged", "Orders whose acknowledgement the source has confirmed.", ("source",)
    ),
    OrderHeld: Counted("connector_orders_held", "Holds of orders, one for each affected receiver.", ("source",)),
    OrderRejected: Counted("connector_orders_rejected", "Orders rejected by a receiver.", ("source", "receiver")),
    OrderInDoubt: Counted(
        "connector_orders_in_doubt", "Creates that may or may not have been applied.", ("source", "receiver")
    ),
    PollFinished: Counted("connector_walks", "Finished polls of a source, ok or failed.", ("source", "result")),
}


class EventCounters:
    """
    Counts the events of `observer` while `watch` runs, which ends with the connector.

    `last_success` is the time (`Clock.monotonic`) at which a source last worked: a poll succeeded, or a poll in
    progress found a new order. `polled` is the time (UTC) of the last successful poll.
    """

    def __init__(self, settings: Settings, clock: Clock, observer: Observer) -> None:
        self._clock = clock
        self._observer = observer
        self.last_success: dict[str, float] = {}
        self.polled: dict[str, datetime] = {}
        self.unreachable: set[str] = set()
        """The sources whose last poll failed in a way that may pass, such as an outage of the source."""
        series: dict[tuple[str, ...], list[tuple[str, ...]]] = {
            ("source",): [(name,) for name in settings.sources],
            ("source", "receiver"): [(route.source, name) for route in settings.routes for name in route.receivers],
            ("source", "result"): list(product(settings.sources, ("ok", "failed"))),
        }
        # Every series exists from the start, because `rate()` needs the zero; names outside the settings do not count.
        self.counts = {kind: dict.fromkeys(series[counted.labels], 0) for kind, counted in COUNTERS.items()}

    @property
    def missed(self) -> int:
        """The number of events that were not counted because the observer fell behind."""
        return self._observer.missed

    async def watch(self) -> None:
        """Count until the bus closes."""
        async for event in self._observer:
            self.count(event)

    def count(self, event: Event) -> None:
        """Count one event."""
        counts = self.counts.get(type(event))
        if counts is None:
            return
        if isinstance(event, PollFinished):
            labels: tuple[str, ...] = (event.source, "failed" if event.error else "ok")
            (self.unreachable.add if event.error and not event.lasting else self.unreachable.discard)(event.source)
            if not event.error:
                self.polled[event.source] = event.at
                self.last_success[event.source] = self._clock.monotonic()
        else:
            labels = tuple(getattr(event, label) for label in COUNTERS[type(event)].labels)
            if isinstance(event, OrderFound):
                self.last_success[event.source] = self._clock.monotonic()
        if labels in counts:
            counts[labels] += 1


class Metrics(Collector):
    """Collects the counters, and the gauges that `read` has stored: paused endpoints, and ages in seconds."""

    def __init__(self, counters: EventCounters) -> None:
        self._counters = counters
        self._paused: Mapping[str, bool] = {}
        self._ages: Mapping[str, float] | None = None
        self._stalled = False

    def read(self, paused: Mapping[str, bool], ages: Mapping[str, float] | None, *, stalled: bool) -> None:
        """Store the gauges for the next `collect`; `ages` is None if the journal did not respond."""
        self._paused, self._ages, self._stalled = paused, ages, stalled

    def collect(self) -> Iterator[Metric]:
        """Return all metrics. A gauge without a known value is left out, because 0 would be wrong."""
        for kind, counts in self._counters.counts.items():
            name, text, labels = COUNTERS[kind]
            counter = CounterMetricFamily(name, text, labels=labels)
            for values, count in counts.items():
                counter.add_metric(values, count)
            yield counter
        yield CounterMetricFamily(
            "connector_events_missed",
            "Events that were not counted because too many came at once.",
            value=self._counters.missed,
        )
        yield _gauge(
            "connector_breaker_open", "1 while an endpoint is paused after failures.", "endpoint", self._paused
        )
        yield GaugeMetricFamily(
            "connector_journal_stalled",
            "1 while the connector waits because the journal cannot be written (full disk, for example).",
            value=float(self._stalled),
        )
        yield _gauge(
            "connector_oldest_unacknowledged_seconds",
            "Age of the oldest acknowledgement that the source has not confirmed; 0 without one.",
            "source",
            self._ages or {},
        )
        yield _gauge(
            "connector_last_poll_timestamp_seconds",
            "Time of the last successful poll of the source; absent before the first one.",
            "source",
            {name: at.timestamp() for name, at in self._counters.polled.items()},
        )


def _gauge(name: str, text: str, label: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=(label,))
    for value, number in values.items():
        family.add_metric((value,), float(number))
    return family
