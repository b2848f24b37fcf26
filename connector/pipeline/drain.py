"""Drains the flow: polls every source until nothing is new and everything is settled (`run --once`)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import partial

import anyio
import msgspec

from connector.events import PollFinished
from connector.http.breaker import Breaker
from connector.journal.base import unless_stalled
from connector.pipeline.stages import Stages
from connector.receivers.base import Receiver
from connector.sources.base import Source

__all__ = ["Drained", "GiveUpPolicy", "drain"]

BUSY_INTERVAL = 0.02
"""Seconds between two checks of busy stages; a check reads a few flags."""
IDLE_INTERVAL = 0.5
"""Seconds at most between two readings of the journal, while work in it waits for its time or for an endpoint."""
MAX_POLLS = 50
"""Polls after which a source that lists new orders every time is left to the next run."""
MAX_PAUSES = 3
"""Pauses of an endpoint without a success between them, after which it is given up."""
MAX_TRIES = 3
"""Polls in a row that may fail before a source is given up, unless it is clear at once that more cannot help."""


class Drained(msgspec.Struct, frozen=True):
    """
    The result of a drain.

    - `polls`: the rounds of polls.
    - `failed`: the endpoints that were given up, with the reason.
    - `later`: all of them may recover without an operator.
    """

    polls: int
    failed: Mapping[str, str]
    later: bool


class GiveUpPolicy:
    """Decides which endpoints have failed so often since the drain began that it does not wait for them."""

    def __init__(self, stages: Stages) -> None:
        ends: dict[str, Source | Receiver] = {**stages.sources, **stages.receivers}
        self._poison = list(stages.poison())
        self._breakers = {name: end.endpoint.breakers for name, end in ends.items() if end.endpoint is not None}
        for name, consumer in stages.consumers.items():
            self._breakers.setdefault(name, []).append(consumer.rejections.breaker)
        self._before = {breaker: breaker.opened for breakers in self._breakers.values() for breaker in breakers}
        self._given_up: dict[str, str] = {}
        self._unreadable: dict[str, str] = {}
        self._lasting = False

    def gave_up(self, name: str) -> bool:
        """Return whether the source or receiver `name` has been given up."""
        return name in self._given_up or any(map(self._too_often, self._breakers.get(name, ())))

    def _too_often(self, breaker: Breaker) -> bool:
        if breaker.permanent:
            return True
        pauses = min(breaker.in_a_row, breaker.opened - self._before[breaker])
        return pauses >= MAX_PAUSES or (breaker.hopeless and pauses > 0)

    def give_up(self, poll: PollFinished) -> None:
        """Give up a source whose polls fail."""
        self._given_up[poll.source] = poll.error
        self._lasting = self._lasting or poll.lasting

    def note(self, poll: PollFinished) -> None:
        """Note a successful poll, and the rows of it that could not be read."""
        self._unreadable.pop(poll.source, None)
        if poll.unreadable:
            rows = f"{poll.unreadable} row{'s' if poll.unreadable > 1 else ''}"
            self._unreadable[poll.source] = f"{rows} of its feed cannot be read; `connector status` names them"

    def failed(self) -> dict[str, str]:
        """Return the endpoints that were given up, or have items that keep failing, each with the reason."""
        paused = {
            name: each.reason
            for name, breakers in self._breakers.items()
            for each in breakers
            if self._too_often(each) and each.reason
        }
        stuck = {name: each.summary for name, each in self._poison if each.stuck}
        return self._unreadable | stuck | self._given_up | paused

    def hopeless(self) -> bool:
        """Return whether one of them needs an operator."""
        stuck = any(each.stuck for _, each in self._poison)
        paused = any(each.hopeless for name in self.failed() for each in self._breakers.get(name, ()))
        return self._lasting or stuck or paused or bool(self._unreadable)


async def drain(stages: Stages) -> Drained:
    """Drain the stages; see `Connector.drain`."""
    return await unless_stalled(stages.journal, stages.clock, partial(_drain, stages))


async def _drain(stages: Stages) -> Drained:
    policy = GiveUpPolicy(stages)
    for watcher in stages.watchers:
        await watcher.poll()
    polls = 0
    while polls < MAX_POLLS:
        finished: list[PollFinished] = []
        async with anyio.create_task_group() as tg:
            for name in stages.producers:
                if not policy.gave_up(name):
                    tg.start_soon(_poll, stages, name, policy, finished, name=f"poll {name}")
        polls += 1
        await _settled(stages, policy)
        if not any(poll.new for poll in finished):
            break
    failed = policy.failed()
    return Drained(polls, failed, bool(failed) and not policy.hopeless())


async def _poll(stages: Stages, name: str, policy: GiveUpPolicy, finished: list[PollFinished]) -> None:
    for _ in range(MAX_TRIES):
        poll = await stages.producers[name].poll()
        if not poll.error:
            policy.note(poll)
            finished.append(poll)
            return
        if policy.gave_up(name) or poll.lasting:
            break
    policy.give_up(poll)


async def _settled(stages: Stages, policy: GiveUpPolicy) -> None:
    """Wait until nothing is in flight, and nothing is due that an endpoint in working order would accept."""
    interval = BUSY_INTERVAL
    while True:
        delivering = any(consumer.busy for consumer in stages.consumers.values())
        if not delivering:
            stages.acknowledger.flush()
        if delivering or stages.acknowledger.busy or stages.replays.busy:
            interval = BUSY_INTERVAL
            await stages.clock.sleep(BUSY_INTERVAL)
            continue
        work = await stages.journal.open_work()
        if all(map(policy.gave_up, stages.unfinished(work))):
            return
        # Work that is due and not in hand waits for a paused endpoint, so the interval grows.
        left = timedelta() if work.next_due is None else work.next_due - stages.clock.now()
        await stages.clock.sleep(min(max(left / timedelta(seconds=1), interval), IDLE_INTERVAL))
        interval = min(2 * interval, IDLE_INTERVAL)
