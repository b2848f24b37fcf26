"""
Whether the connector does its work: what the readiness probe says, and the journal's part in it.

Not ready is what the connector itself is to blame for: it does not run, its journal cannot be written or does not
answer, or a source has not been walked yet and may have wrong settings. What others fail at makes it degraded, and
ready, also right after a start: taking it out of service would mend nothing.

The answers hold booleans, the names of the settings and ages; no addresses, no ids, nothing of an order (faults.md,
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
from connector.web.metrics import Tally

__all__ = ["Asker", "Readiness", "oldest_unacknowledged", "paused", "readiness"]

logger = logging.getLogger(__name__)

MISSED_POLLS = 3
"""Poll intervals without a good walk that make a source stale: one may fail, and one may take long."""
PATIENCE = 2.0
"""Seconds that the journal may take to answer a probe: a commit on a slow disk fits, and most probes wait longer."""


class SourceHealth(msgspec.Struct, frozen=True, kw_only=True):
    """One source. Ages are seconds; null where there is nothing to be old."""

    polled: bool
    fresh: bool
    paused: bool
    late: bool
    last_poll_seconds: float | None
    oldest_unacknowledged_seconds: float | None


class ReceiverHealth(msgspec.Struct, frozen=True, kw_only=True):
    """One receiver."""

    paused: bool


class Readiness(msgspec.Struct, frozen=True, kw_only=True):
    """What the probe answers: `reasons` say why it is not ready, `degraded` names who has trouble all the same."""

    ready: bool
    running: bool
    journal: bool
    reasons: list[str]
    degraded: list[str]
    sources: dict[str, SourceHealth]
    receivers: dict[str, ReceiverHealth]


def readiness(connector: Connector, tally: Tally, ages: Mapping[str, float] | None) -> Readiness:
    """Judge. `ages` is what the journal said about acknowledgements; None when it did not answer."""
    running = connector.running
    out_sources, out_receivers = paused(connector.sources), paused(connector.receivers, connector.distrusted)
    now = connector.clock.monotonic()
    reasons = [] if running else ["the connector is not running"]
    stall = connector.stalled
    if stall is not None:
        reasons.append(f"{stall.why}, for {stall.seconds:.0f} seconds")
    elif ages is None:
        reasons.append("the journal does not answer")
    sources: dict[str, SourceHealth] = {}
    for name in sorted({route.source for route in connector.settings.routes}):
        settings = connector.settings.sources[name]
        heard = tally.heard.get(name)
        age = None if heard is None else now - heard
        oldest = (ages or {}).get(name, 0.0)
        if age is None and name not in tally.unreachable and name not in connector.broken:
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
    troubled = {name for name, each in sources.items() if each.paused or each.late or (each.polled and not each.fresh)}
    troubled |= {name for name, each in sources.items() if not each.polled and name in tally.unreachable}
    troubled |= {name for name, each in receivers.items() if each.paused}
    troubled |= connector.in_vain.keys()
    return Readiness(
        ready=not reasons,
        running=running,
        journal=ages is not None and stall is None,
        reasons=reasons,
        degraded=sorted(troubled),
        sources=sources,
        receivers=receivers,
    )


def paused(ends: Mapping[str, Source | Receiver], distrusted: Iterable[str] = ()) -> dict[str, bool]:
    """Return, for each endpoint that has a breaker, whether it is paused, or only being tried again."""
    found = {name: end.endpoint.paused for name, end in ends.items() if end.endpoint is not None}
    return found | dict.fromkeys(distrusted, True)


class _Answer:
    """What the journal is being asked, and what it said."""

    def __init__(self) -> None:
        self.there = anyio.Event()
        self.ages: Mapping[str, float] | None = None


class Asker:
    """
    Asks the journal, on `tasks`: one question at a time, however many probes there are, and however slow the disk.

    The journal sees to the end what it was asked, so a probe cannot be made to wait for it directly.
    """

    def __init__(self, connector: Connector, tasks: TaskGroup) -> None:
        self._connector = connector
        self._tasks = tasks
        self._asked: _Answer | None = None

    async def ages(self) -> Mapping[str, float] | None:
        """Return `oldest_unacknowledged` for every source of the settings; None if no answer comes in time."""
        asked = self._asked
        if asked is None:
            asked = self._asked = _Answer()
            self._tasks.start_soon(self._ask, asked, name="ask the journal how it is")
        with anyio.move_on_after(PATIENCE):
            await asked.there.wait()
        return asked.ages

    async def _ask(self, answer: _Answer) -> None:
        connector = self._connector
        try:
            journal = connector.journal
            if isinstance(journal, SqliteJournal):
                ages = await journal.read(partial(oldest_unacknowledged, connector.clock.now()))
                answer.ages = {name: ages.get(name, 0.0) for name in connector.settings.sources}
            else:
                await journal.open_work()
                answer.ages = {}
        except Exception as exc:  # noqa: BLE001 - a probe must not stop the flow, whatever a journal raises
            logger.debug("the journal did not answer a probe: %s", exc)
        finally:
            self._asked = None
            answer.there.set()
