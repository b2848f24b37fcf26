"""
The readiness probe.

- Not ready: a failure of the connector itself. It is not running, its journal cannot be written or does not respond,
  or a source has not been polled yet, perhaps because of wrong settings.
- Ready but degraded: a failure of an endpoint, also right after the start. Taking the connector out of service would
  not help.

Responses contain booleans, names from the settings and ages, but no addresses, ids or other data of orders (faults.md,
section 3, number 31).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from functools import partial

import anyio
import msgspec
from anyio.abc import TaskGroup

from connector.app import Connector
from connector.journal.sqlite import SqliteJournal
from connector.journal.views.backlog import oldest_unacknowledged
from connector.receivers.base import Receiver
from connector.sources.base import Source
from connector.web.metrics import EventCounters

__all__ = ["JournalProbe", "Readiness", "oldest_unacknowledged", "paused", "readiness"]

logger = logging.getLogger(__name__)

MISSED_POLLS = 3
"""Poll intervals without a successful poll after which a source is stale: one may fail, and one may take long."""
JOURNAL_TIMEOUT = 2.0
"""Seconds that the journal may take to respond: longer than a commit on a slow disk, shorter than most probes wait."""


class SourceHealth(msgspec.Struct, frozen=True, kw_only=True):
    """The health of one source. Ages are in seconds, and null without a poll or a pending acknowledgement."""

    polled: bool
    fresh: bool
    paused: bool
    late: bool
    last_poll_seconds: float | None
    oldest_unacknowledged_seconds: float | None


class ReceiverHealth(msgspec.Struct, frozen=True, kw_only=True):
    """The health of one receiver."""

    paused: bool


class Readiness(msgspec.Struct, frozen=True, kw_only=True):
    """The response of the probe: `reasons` for not being ready, and the names of the `degraded` endpoints."""

    ready: bool
    running: bool
    journal: bool
    reasons: list[str]
    degraded: list[str]
    sources: dict[str, SourceHealth]
    receivers: dict[str, ReceiverHealth]


def readiness(connector: Connector, counters: EventCounters, ages: Mapping[str, float] | None) -> Readiness:
    """Return the readiness; `ages` are those of the oldest pending acknowledgements, None if the journal timed out."""
    running = connector.running
    out_sources, out_receivers = paused(connector.sources), paused(connector.receivers, connector.distrusted)
    now = connector.clock.monotonic()
    reasons = [] if running else ["the connector is not running"]
    stall = connector.stalled
    if stall is not None:
        reasons.append(f"{stall.why}, for {stall.seconds:.0f} seconds")
    elif ages is None:
        reasons.append("the journal does not respond")
    sources: dict[str, SourceHealth] = {}
    for name in sorted({route.source for route in connector.settings.routes}):
        settings = connector.settings.sources[name]
        last_success = counters.last_success.get(name)
        age = None if last_success is None else now - last_success
        oldest = (ages or {}).get(name, 0.0)
        if age is None and name not in counters.unreachable and name not in connector.broken:
            reasons.append(f"{name} has not been polled yet")
        sources[name] = SourceHealth(
            polled=age is not None,
            fresh=age is not None and age <= MISSED_POLLS * float(settings.poll_interval) + float(settings.timeout),
            paused=out_sources.get(name, False),
            late=oldest > float(settings.ack_alarm),
            last_poll_seconds=None if age is None else round(age, 1),
            oldest_unacknowledged_seconds=round(oldest, 1) if oldest else None,
        )
    receivers = {
        name: ReceiverHealth(paused=out_receivers.get(name, False))
        for name in sorted({name for route in connector.settings.routes for name in route.receivers})
    }
    degraded = {name for name, each in sources.items() if each.paused or each.late or (each.polled and not each.fresh)}
    degraded |= {name for name, each in sources.items() if not each.polled and name in counters.unreachable}
    degraded |= {name for name, each in receivers.items() if each.paused}
    degraded |= connector.keeps_failing.keys()
    return Readiness(
        ready=not reasons,
        running=running,
        journal=ages is not None and stall is None,
        reasons=reasons,
        degraded=sorted(degraded),
        sources=sources,
        receivers=receivers,
    )


def paused(endpoints: Mapping[str, Source | Receiver], distrusted: Iterable[str] = ()) -> dict[str, bool]:
    """Return for each endpoint with a breaker whether it is open or half open; `distrusted` ones are paused too."""
    found = {name: each.endpoint.paused for name, each in endpoints.items() if each.endpoint is not None}
    return found | dict.fromkeys(distrusted, True)


class _PendingRead:
    """One read of the journal, and its result."""

    def __init__(self) -> None:
        self.done = anyio.Event()
        self.ages: Mapping[str, float] | None = None


class JournalProbe:
    """
    Reads ages from the journal in a task of `tasks`, one read at a time for any number of waiting probes.

    A read of the journal cannot be cancelled, so the probe waits for the task instead, with a timeout.
    """

    def __init__(self, connector: Connector, tasks: TaskGroup) -> None:
        self._connector = connector
        self._tasks = tasks
        self._pending: _PendingRead | None = None

    async def ages(self) -> Mapping[str, float] | None:
        """Return the age of the oldest pending acknowledgement of each source, 0 without one; None after a timeout."""
        pending = self._pending
        if pending is None:
            pending = self._pending = _PendingRead()
            self._tasks.start_soon(self._read, pending, name="read the journal for a probe")
        with anyio.move_on_after(JOURNAL_TIMEOUT):
            await pending.done.wait()
        return pending.ages

    async def _read(self, pending: _PendingRead) -> None:
        connector = self._connector
        try:
            journal = connector.journal
            if isinstance(journal, SqliteJournal):
                ages = await journal.read(partial(oldest_unacknowledged, connector.clock.now()))
                pending.ages = {name: ages.get(name, 0.0) for name in connector.settings.sources}
            else:
                await journal.open_work()
                pending.ages = {}
        except Exception as exc:  # noqa: BLE001 - a probe must not stop the flow, whatever a journal raises
            logger.debug("the journal did not respond to a probe: %s", exc)
        finally:
            self._pending = None
            pending.done.set()
