"""The stages of the flow, by source and receiver."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from connector.clock import Clock
from connector.journal.base import Journal
from connector.journal.records import OpenWork
from connector.pipeline.acks.acknowledger import Acknowledger
from connector.pipeline.acks.alarm import AckAlarm
from connector.pipeline.delivery.amender import Amender
from connector.pipeline.delivery.consumer import Consumer
from connector.pipeline.endpoint_status import EndpointStatus
from connector.pipeline.ingest.producer import Producer
from connector.pipeline.ingest.replays import ReplayServer
from connector.pipeline.poison import PoisonTracker
from connector.pipeline.reports.reporter import Reporter
from connector.pipeline.reports.watcher import StatusWatcher
from connector.pipeline.routes import Route
from connector.pipeline.worker import Wakeups
from connector.receivers.base import Receiver
from connector.sources.base import Source

__all__ = ["Stages"]


class Stages(msgspec.Struct, frozen=True, kw_only=True):
    """The stages, their attendants, and the things they share."""

    sources: Mapping[str, Source]
    receivers: Mapping[str, Receiver]
    routes: dict[str, dict[str, Route]]
    """The routes by receiver and source, which the stages read anew for every order."""
    producers: Mapping[str, Producer]
    consumers: Mapping[str, Consumer]
    amenders: Mapping[str, Amender]
    acknowledger: Acknowledger
    alarm: AckAlarm
    reporters: Mapping[str, Reporter]
    watchers: Sequence[StatusWatcher]
    replays: ReplayServer
    endpoint_status: EndpointStatus
    wakeups: Wakeups
    journal: Journal
    clock: Clock

    def poison(self) -> Iterator[tuple[str, PoisonTracker]]:
        """Yield the trackers of items that keep failing, each with the name of its source or receiver."""
        for trackers in self._poison():
            yield from trackers.items()

    def unfinished(self, work: OpenWork) -> Iterator[str]:
        """Yield the sources and receivers with more open work than the items that keep failing."""
        counts = (work.deliveries, work.changes, work.acks, work.reports)
        for count, trackers in zip(counts, self._poison(), strict=True):
            yield from (name for name, tracker in trackers.items() if count.get(name, 0) > tracker.stuck)

    def _poison(self) -> tuple[Mapping[str, PoisonTracker], ...]:
        acks = self.acknowledger.poison
        return (
            {name: consumer.poison for name, consumer in self.consumers.items()},
            {name: amender.poison for name, amender in self.amenders.items()},
            {name: acks[name] for name in self.producers},
            {name: reporter.poison for name, reporter in self.reporters.items()},
        )
