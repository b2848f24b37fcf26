"""Builds the stages of the flow from the settings, and connects them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from connector.bus import Bus
from connector.clock import Clock
from connector.http.attribution import Attribution
from connector.http.endpoint import Endpoint
from connector.journal.base import Journal
from connector.pipeline.acks.acknowledger import Acknowledger
from connector.pipeline.acks.alarm import AckAlarm
from connector.pipeline.delivery.amender import Amender
from connector.pipeline.delivery.consumer import Consumer
from connector.pipeline.endpoint_status import EndpointStatus
from connector.pipeline.ingest.producer import Producer
from connector.pipeline.ingest.replays import ReplayServer
from connector.pipeline.reports.reporter import reporters
from connector.pipeline.reports.watcher import watchers
from connector.pipeline.routes import Route, changed_requests
from connector.pipeline.stages import Stages
from connector.pipeline.worker import Wakeups, Work
from connector.receivers.base import Receiver
from connector.settings import Settings
from connector.sources.base import Source

__all__ = ["build"]


def build(
    settings: Settings,
    sources: Mapping[str, Source],
    receivers: Mapping[str, Receiver],
    routes: dict[str, dict[str, Route]],
    *,
    journal: Journal,
    bus: Bus,
    clock: Clock,
) -> Stages:
    """Build the stages from the last to the first, because a publisher needs a subscriber; then seal the bus."""
    wakeups = Wakeups()
    acknowledger = Acknowledger(
        {name: (source, settings.sources[name]) for name, source in sources.items()},
        journal=journal,
        bus=bus,
        clock=clock,
    )
    amenders = {
        name: Amender(receiver, settings.receivers[name], routes[name], journal=journal, clock=clock)
        for name, receiver in receivers.items()
        if routes[name]
    }
    consumers = {
        name: Consumer(
            receivers[name],
            settings.receivers[name],
            routes[name],
            journal=journal,
            bus=bus,
            clock=clock,
            wakeups=wakeups,
        )
        for name in amenders
    }
    producers = {
        route.source: Producer(
            sources[route.source],
            settings.sources[route.source],
            route,
            journal=journal,
            bus=bus,
            clock=clock,
            wakeups=wakeups,
            confirmed=partial(acknowledger.confirmed, route.source),
            changed=partial(changed_requests, routes, route.source),
        )
        for route in settings.routes
    }
    reporting = reporters(sources, settings.sources, journal=journal, bus=bus, clock=clock)
    replays = ReplayServer(producers, journal=journal, clock=clock)
    bus.seal()
    workers: dict[Work, Mapping[str, Callable[[], None]]] = {
        "deliveries": {name: each.wake for name, each in consumers.items()},
        "changes": {name: each.wake for name, each in amenders.items()},
        "acks": {name: each.wake for name, each in acknowledger.by_source.items()},
        "reports": {name: each.wake for name, each in reporting.items()},
        "replays": {"": replays.wake},
    }
    for work, wakes in workers.items():
        for name, wake in wakes.items():
            wakeups.register(work, name, wake)
    endpoint_status = EndpointStatus(journal=journal, bus=bus, clock=clock)
    for name in producers:
        endpoint_status.listen(name, *_pausing(sources[name].endpoint), persist=False)
    for name, consumer in consumers.items():
        pausing = (*_pausing(receivers[name].endpoint), consumer.rejections)
        endpoint_status.listen(name, *pausing, persist=True)
    alarm = AckAlarm({name: settings.sources[name] for name in producers}, journal=journal, bus=bus, clock=clock)
    return Stages(
        sources=sources,
        receivers=receivers,
        routes=routes,
        producers=producers,
        consumers=consumers,
        amenders=amenders,
        acknowledger=acknowledger,
        alarm=alarm,
        reporters=reporting,
        watchers=watchers(settings, reporting, receivers, journal=journal, clock=clock),
        replays=replays,
        endpoint_status=endpoint_status,
        wakeups=wakeups,
        journal=journal,
        clock=clock,
    )


def _pausing(endpoint: Endpoint | None) -> Sequence[Endpoint | Attribution]:
    """Return everything that may pause an endpoint, or calls of one kind there."""
    return () if endpoint is None else (endpoint, *endpoint.attributions.values())
