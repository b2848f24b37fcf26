"""
What Prometheus reads: counters of what an observer of the bus saw, and what is so at the moment of reading.

Labels are names from the settings and a few fixed words: however many orders there are, the series stay as many.
Nothing is registered globally; two connectors in one process count each for itself.
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

__all__ = ["Metrics", "Tally"]


class Counted(NamedTuple):
    """A counter without its `_total`, its help text, and its labels: attributes of the event."""

    name: str
    text: str
    labels: tuple[str, ...]


COUNTERS: Mapping[type[Event], Counted] = {
    OrderFound: Counted(
        "connector_orders_found", "Orders, and new revisions of orders, taken from a feed.", ("source",)
    ),
    OrderDelivered: Counted(
        "connector_orders_delivered", "Orders that a receiver has, created or found there.", ("source", "receiver")
    ),
    OrderAcknowledged: Counted(
        "connector_orders_acknowledged", "Orders of which the source confirmed that it knows.", ("source",)
    ),
    OrderHeld: Counted(
        "connector_orders_held", "Times that an order was held, for each receiver that waits for it.", ("source",)
    ),
    OrderRejected: Counted("connector_orders_rejected", "Orders that a receiver refused.", ("source", "receiver")),
    OrderInDoubt: Counted(
        "connector_orders_in_doubt", "Creates that may or may not have been applied.", ("source", "receiver")
    ),
    PollFinished: Counted("connector_walks", "Walks over a feed that ended, ok or failed.", ("source", "result")),
}


class Tally:
    """
    Counts what `observer` sees. `watch` has to run; it ends when the connector does.

    `heard` is when a source last worked (`Clock.monotonic`): a walk went through, or a walk that is still under way
    found something new. `polled` is when the last walk went through (UTC).
    """

    def __init__(self, settings: Settings, clock: Clock, observer: Observer) -> None:
        self._clock = clock
        self._observer = observer
        self.heard: dict[str, float] = {}
        self.polled: dict[str, datetime] = {}
        self.unreachable: set[str] = set()
        """The sources whose last walk failed for a reason that passes by itself: an outage over there."""
        series: dict[tuple[str, ...], list[tuple[str, ...]]] = {
            ("source",): [(name,) for name in settings.sources],
            ("source", "receiver"): [(route.source, name) for route in settings.routes for name in route.receivers],
            ("source", "result"): list(product(settings.sources, ("ok", "failed"))),
        }
        # Every series is there from the start: a rate needs the zero, and what is not in the settings is not counted.
        self.counts = {kind: dict.fromkeys(series[counted.labels], 0) for kind, counted in COUNTERS.items()}

    @property
    def missed(self) -> int:
        """How many events were lost because counting fell behind."""
        return self._observer.missed

    async def watch(self) -> None:
        """Count until the bus closes."""
        async for event in self._observer:
            self.count(event)

    def count(self, event: Event) -> None:
        """Take one event in."""
        counts = self.counts.get(type(event))
        if counts is None:
            return
        if isinstance(event, PollFinished):
            labels: tuple[str, ...] = (event.source, "failed" if event.error else "ok")
            (self.unreachable.add if event.error and not event.lasting else self.unreachable.discard)(event.source)
            if not event.error:
                self.polled[event.source] = event.at
                self.heard[event.source] = self._clock.monotonic()
        else:
            labels = tuple(getattr(event, label) for label in COUNTERS[type(event)].labels)
            if isinstance(event, OrderFound):
                self.heard[event.source] = self._clock.monotonic()
        if labels in counts:
            counts[labels] += 1


class Metrics(Collector):
    """Writes down a tally and what was `read` just before: who is paused, and ages in the journal, in seconds."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._paused: Mapping[str, bool] = {}
        self._ages: Mapping[str, float] | None = None
        self._stalled = False

    def read(self, paused: Mapping[str, bool], ages: Mapping[str, float] | None, *, stalled: bool) -> None:
        """Note what the next `collect` says of the moment; `ages` is None when the journal does not answer."""
        self._paused, self._ages, self._stalled = paused, ages, stalled

    def collect(self) -> Iterator[Metric]:
        """Return all metrics. A gauge that cannot be known is left out: it is not 0."""
        for kind, counts in self._tally.counts.items():
            name, text, labels = COUNTERS[kind]
            counter = CounterMetricFamily(name, text, labels=labels)
            for values, count in counts.items():
                counter.add_metric(values, count)
            yield counter
        yield CounterMetricFamily(
            "connector_events_missed",
            "Events that were not counted, because there were too many at once.",
            value=self._tally.missed,
        )
        yield _gauge(
            "connector_breaker_open", "1 while an endpoint is paused after failures.", "endpoint", self._paused
        )
        yield GaugeMetricFamily(
            "connector_journal_stalled",
            "1 while everything waits because the journal cannot be written (a full disk, say).",
            value=float(self._stalled),
        )
        yield _gauge(
            "connector_oldest_unacknowledged_seconds",
            "Age of the oldest acknowledgement that the source has yet to confirm; 0 when it knows all.",
            "source",
            self._ages or {},
        )
        yield _gauge(
            "connector_last_poll_timestamp_seconds",
            "When a walk over the feed last went through; absent until one has.",
            "source",
            {name: at.timestamp() for name, at in self._tally.polled.items()},
        )


def _gauge(name: str, text: str, label: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=(label,))
    for value, number in values.items():
        family.add_metric((value,), float(number))
    return family
