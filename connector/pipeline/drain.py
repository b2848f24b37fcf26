"""Draining: walk every source until nothing is new and all is settled. What `run --once` does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from functools import partial

import anyio
import msgspec

from connector.clock import Clock
from connector.events import PollFinished
from connector.http.breaker import Breaker
from connector.journal.base import Journal
from connector.journal.engine.stall import unless_stalled
from connector.journal.records import OpenWork
from connector.pipeline.acks.acknowledger import Acknowledger
from connector.pipeline.delivery.amender import Amender
from connector.pipeline.delivery.consumer import Consumer
from connector.pipeline.ingest.producer import Producer
from connector.pipeline.ingest.replays import ReplayServer
from connector.pipeline.poison import PoisonTracker
from connector.pipeline.reports.reporter import Reporter
from connector.pipeline.reports.watcher import StatusWatcher
from connector.receivers.base import Receiver
from connector.sources.base import Source

__all__ = ["Drained", "Stages", "drain"]

GLANCE = 0.02
"""Seconds between two looks at stages that are busy: a look reads a few flags."""
LONGEST_WAIT = 0.5
"""Seconds after which the journal is read again while something in it waits for its time, or for an endpoint."""
MOST_WALKS = 50
"""Walks after which a source that lists something new every time is left to the next run."""
PAUSES = 3
"""Pauses of an endpoint without a success between them, after which it is given up."""
TRIES = 3
"""Walks that may fail in a row before a source is given up, unless it is clear at once that more cannot help."""


class Drained(msgspec.Struct, frozen=True):
    """
    How a drain ended.

    `failed` names the endpoints that were given up, with the reason; `later` is true when all of them may be back at
    another time (nobody has to mend anything).
    """

    walks: int
    failed: Mapping[str, str]
    later: bool


class Stages(msgspec.Struct, frozen=True, kw_only=True):
    """The flow, as a drain sees it."""

    sources: Mapping[str, Source]
    receivers: Mapping[str, Receiver]
    producers: Mapping[str, Producer]
    consumers: Mapping[str, Consumer]
    amenders: Mapping[str, Amender]
    acknowledger: Acknowledger
    reporters: Mapping[str, Reporter]
    watchers: Sequence[StatusWatcher]
    requests: ReplayServer
    journal: Journal
    clock: Clock

    def vain(self) -> Iterator[tuple[str, PoisonTracker]]:
        """Yield what is tried in vain, with the name of the source or receiver."""
        for kind in self._vain():
            yield from kind.items()

    def unfinished(self, work: OpenWork) -> Iterator[str]:
        """Yield the sources and receivers at which more is open than what is tried in vain."""
        for counts, kind in zip((work.deliveries, work.changes, work.acks, work.reports), self._vain(), strict=True):
            yield from (name for name, vain in kind.items() if counts.get(name, 0) > vain.stuck)

    def _vain(self) -> tuple[Mapping[str, PoisonTracker], ...]:
        return (
            {name: consumer.vain for name, consumer in self.consumers.items()},
            {name: amender.vain for name, amender in self.amenders.items()},
            {name: self.acknowledger.vain(name) for name in self.producers},
            {name: reporter.vain for name, reporter in self.reporters.items()},
        )


class GiveUpPolicy:
    """Which endpoints have failed so often since the drain began that it does not wait for them."""

    def __init__(self, stages: Stages) -> None:
        ends: dict[str, Source | Receiver] = {**stages.sources, **stages.receivers}
        self._vain = list(stages.vain())
        self._breakers = {name: end.endpoint.breakers for name, end in ends.items() if end.endpoint is not None}
        for name, consumer in stages.consumers.items():
            self._breakers.setdefault(name, []).append(consumer.refusals.breaker)
        self._before = {breaker: breaker.opened for breakers in self._breakers.values() for breaker in breakers}
        self._tired: dict[str, str] = {}
        self._unreadable: dict[str, str] = {}
        self._lasting = False

    def over(self, name: str) -> bool:
        """Tell whether `name` has been given up."""
        return name in self._tired or any(map(self._too_often, self._breakers.get(name, ())))

    def _too_often(self, breaker: Breaker) -> bool:
        if breaker.permanent:
            return True
        pauses = min(breaker.in_a_row, breaker.opened - self._before[breaker])
        return pauses >= PAUSES or (breaker.hopeless and pauses > 0)

    def give_up(self, walk: PollFinished) -> None:
        """Give a source up whose walks fail."""
        self._tired[walk.source] = walk.error
        self._lasting = self._lasting or walk.lasting

    def note(self, walk: PollFinished) -> None:
        """Take note of a walk that went through, perhaps without rows that cannot be read."""
        self._unreadable.pop(walk.source, None)
        if walk.unreadable:
            many = f"{walk.unreadable} row{'s' if walk.unreadable > 1 else ''}"
            self._unreadable[walk.source] = f"{many} of its feed cannot be read; `connector status` names them"

    def failed(self) -> dict[str, str]:
        """Return what was given up, and why."""
        paused = {
            name: each.reason
            for name, breakers in self._breakers.items()
            for each in breakers
            if self._too_often(each) and each.reason
        }
        stuck = {name: vain.why for name, vain in self._vain if vain.stuck}
        return self._unreadable | stuck | self._tired | paused

    def hopeless(self) -> bool:
        """Tell whether somebody has to mend one of them."""
        stuck = any(vain.stuck for _, vain in self._vain)
        paused = any(each.hopeless for name in self.failed() for each in self._breakers.get(name, ()))
        return self._lasting or stuck or paused or bool(self._unreadable)


async def drain(stages: Stages) -> Drained:
    """See `Connector.drain`."""
    return await unless_stalled(stages.journal, stages.clock, partial(_drain, stages))


async def _drain(stages: Stages) -> Drained:
    patience = GiveUpPolicy(stages)
    for watcher in stages.watchers:
        await watcher.poll()
    walks = 0
    while walks < MOST_WALKS:
        ended: list[PollFinished] = []
        async with anyio.create_task_group() as tg:
            for name in stages.producers:
                if not patience.over(name):
                    tg.start_soon(_walk, stages, name, patience, ended, name=f"walk {name}")
        walks += 1
        await _settled(stages, patience)
        if not any(walk.new for walk in ended):
            break
    failed = patience.failed()
    return Drained(walks, failed, bool(failed) and not patience.hopeless())


async def _walk(stages: Stages, name: str, patience: GiveUpPolicy, ended: list[PollFinished]) -> None:
    for _ in range(TRIES):
        walk = await stages.producers[name].walk()
        if not walk.error:
            patience.note(walk)
            ended.append(walk)
            return
        if patience.over(name) or walk.lasting:
            break
    patience.give_up(walk)


async def _settled(stages: Stages, patience: GiveUpPolicy) -> None:
    """Wait until nothing is in flight and nothing is due that an endpoint in working order would take."""
    patient = GLANCE
    while True:
        consuming = any(consumer.busy for consumer in stages.consumers.values())
        if not consuming:
            stages.acknowledger.flush()
        if consuming or stages.acknowledger.busy or stages.requests.busy:
            patient = GLANCE
            await stages.clock.sleep(GLANCE)
            continue
        work = await stages.journal.open_work()
        if all(map(patience.over, stages.unfinished(work))):
            return
        # What is due and yet not in hand waits for a paused endpoint, for longer and longer.
        left = timedelta() if work.next_due is None else work.next_due - stages.clock.now()
        await stages.clock.sleep(min(max(left / timedelta(seconds=1), patient), LONGEST_WAIT))
        patient = min(2 * patient, LONGEST_WAIT)
