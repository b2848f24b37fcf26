"""
Decides whether a receiver's rejections are the fault of the orders, or of our settings or account (faults.md, 56, 58).

A rejection is confirmed once the receiver has accepted another order since, or has rejected the same order again while
few orders were rejected. Until then the order is only a suspect, and is tried again. When many different orders are
rejected and none is accepted, the fault is not theirs: the receiver is paused, no order is given up, and no source is
notified. Then one order at a time probes whether the receiver accepts again. If no other orders arrive, each suspect is
held after three rejections, without a word to its source, and tried once more when another order is accepted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Sequence
from datetime import datetime, timedelta

import msgspec

from connector.causes import rejects_every_order
from connector.clock import Clock
from connector.http.attribution import Kind
from connector.http.breaker import Breaker, BreakerState
from connector.http.endpoint import Endpoint
from connector.journal.base import Journal
from connector.journal.records import Delivered, Held, Job, NotSent, Outcome, Rejected, RejectedOrder
from connector.pipeline.delivery.task import DeliveryTask
from connector.retry import RetryPolicy
from connector.settings.model import ReceiverSettings

__all__ = ["RejectionGuard"]

MANY = 5
"""Different orders rejected in a row, none accepted between them, that are no coincidence."""
TRIES = 3
"""Pauses without a success between them, after which only an operator can help."""
ENOUGH = 3
"""Rejections of one order, after that many pauses, after which the order is held for the operator, too."""
DELIVERY: tuple[Kind, ...] = ("find", "create")
"""The calls of a delivery."""
PROBED = 1000
"""Orders of which it is remembered that they were the probe."""
KEPT = 100
"""Rejections saved for the next start: enough to recognise the same trouble."""


class _Suspect(msgspec.Struct):
    """
    An order that was rejected, `times` in that revision. `number` counts rejections: the lowest is the oldest.

    A suspect of an earlier process has no `task`.
    """

    revision: str
    rejection: Rejected
    number: int
    times: int
    task: DeliveryTask | None


class RejectionGuard:
    """
    Tracks the orders that one receiver has rejected since it last accepted an order; a restart loads them again.

    `breaker` is open while the receiver is paused for its rejections, and `listen` is called when it moves. It is
    separate from the breaker of `endpoint`, for which a rejection is a sign of life.
    """

    def __init__(self, name: str, settings: ReceiverSettings, clock: Clock, endpoint: Endpoint | None) -> None:
        self.cause = rejects_every_order(name)
        """The cause of the orders that are held here."""
        self.changed = False
        """True if the suspects changed since they were saved."""
        self._name = name
        self._held: dict[int, _Suspect] = {}
        self._holding = self._release = False
        self._endpoint = endpoint
        self._clock = clock
        self._retry = RetryPolicy(settings.retry, clock)
        self._suspects: dict[int, _Suspect] = {}
        self._confirmed: dict[int, str] = {}
        """Orders rejected before another one was accepted, with the revision: one more rejection is final."""
        self._attributions = () if endpoint is None else tuple(endpoint.attributions[kind] for kind in DELIVERY)
        self._count = 0
        self._pauses = 0
        self._probe: int | None = None
        self._probed: Counter[int] = Counter()
        """The number of times each order was the probe since the receiver last accepted an order."""
        self.listen: Callable[[BreakerState, str], None] = lambda _state, _reason: None
        self.breaker = Breaker(
            clock,
            first=float(settings.retry.first),
            longest=float(settings.retry.longest),
            listen=lambda state, reason: self.listen(state, reason),
        )

    def __bool__(self) -> bool:
        """True once an order was rejected, or was the probe, and no order was accepted after it."""
        return self.paused or self._holding or bool(self._suspects or self._confirmed or self._probed)

    @property
    def paused(self) -> bool:
        """True while the receiver is paused for its rejections, or is being probed."""
        return self.breaker.state != "closed"

    @property
    def pause(self) -> float:
        """Seconds for which nothing is sent, for any reason; 0 when an order may be tried."""
        own = self.breaker.remaining
        return own if self._endpoint is None else max(own, self._endpoint.remaining(*DELIVERY))

    @property
    def probing(self) -> bool:
        """True if the receiver was paused, for any reason, and has not recovered since: one order goes first."""
        return self.paused or (self._endpoint is not None and not self._endpoint.takes(*DELIVERY))

    def assess(
        self, task: DeliveryTask, outcome: Outcome | None, in_hand: Container[int]
    ) -> tuple[Outcome | None, list[tuple[DeliveryTask, Rejected]]]:
        """Return the outcome to record, and the rejections of other orders, not `in_hand`, that it confirms."""
        if isinstance(outcome, Rejected):
            return self._rejected(task, outcome), []
        if isinstance(outcome, NotSent):
            return outcome, []
        if self._suspects.pop(task.key, None) or self._held.pop(task.key, None):
            self.changed = True
        self._confirmed.pop(task.key, None)
        if isinstance(outcome, Delivered) and not outcome.adopted:
            return outcome, self._accepted(in_hand)
        return outcome, []

    def _rejected(self, task: DeliveryTask, rejection: Rejected) -> Rejected | NotSent | Held:
        before = self._suspects.pop(task.key, None)
        self._held.pop(task.key, None)
        self.changed = True
        if not self.paused and self._confirmed.pop(task.key, None) == task.revision:
            return rejection
        again = before is not None and before.revision == task.revision
        times = before.times + 1 if before is not None and again else 1
        self._count += 1
        # A final rejection counts as well.
        self._suspects[task.key] = _Suspect(task.revision, rejection, self._count, times, task)
        if self.paused or len(self._suspects) >= MANY:
            self._pause(rejection.reason)
            if times >= ENOUGH and self._pauses >= TRIES:
                return self._hold(task, rejection)
        elif again:
            return rejection
        reason = f"rejected, and nothing confirms yet that the order is at fault: {rejection.reason}"
        return NotSent(reason, self._retry.next_try(task.attempts))

    def _hold(self, task: DeliveryTask, rejection: Rejected) -> Held:
        """Hold an order for the operator: the fault is unknown, so its source is not notified."""
        self._held[task.key] = self._suspects.pop(task.key)
        self._holding = True
        return Held(
            self.cause,
            f"{rejection.reason}; its source is not notified. Correct the settings, the account there or the order; it "
            "is tried once more when another order is accepted, or by retry",
        )

    def _accepted(self, in_hand: Container[int]) -> list[tuple[DeliveryTask, Rejected]]:
        suspects, self._suspects = self._suspects, {}
        self._pauses = 0
        self._probed.clear()
        recovered = self.paused
        if recovered:  # the suspects may have been rejected for the trouble that is over: each is tried once more
            self.breaker.close()
        self.changed = self.changed or self._holding or bool(suspects or self._held)
        self._release = self._release or self._holding
        self._confirmed |= {key: each.revision for key, each in self._held.items()}
        self._held, self._holding = {}, False
        final: list[tuple[DeliveryTask, Rejected]] = []
        for key, suspect in suspects.items():
            if recovered or key in in_hand or suspect.task is None:
                self._confirmed[key] = suspect.revision
            else:
                rejection = msgspec.structs.replace(suspect.rejection, revision=suspect.revision)
                final.append((suspect.task, rejection))
        return final

    async def load(self, journal: Journal) -> None:
        """Load the suspects of an earlier process; a receiver that was paused is probed at once."""
        self._holding = self.cause in await journal.holds.causes()
        saved = await journal.rejections.load(self._name)
        for each in saved:
            suspect = _Suspect(each.revision, Rejected(each.reason), each.number, each.times, None)
            (self._held if each.held else self._suspects)[each.key] = suspect
            self._count = each.number
        if len(saved) >= MANY:
            self._pauses = TRIES - 1
            self.breaker.resume(self._why(saved[-1].reason))

    async def save(self, journal: Journal, now: datetime) -> int:
        """Save the suspects for the next start; release held orders if one was accepted, and return their number."""
        self.changed = False
        suspects = [(each, key, False) for key, each in self._suspects.items()]
        suspects += [(each, key, True) for key, each in self._held.items()]
        suspects.sort(key=lambda one: one[0].number)
        await journal.rejections.save(
            self._name,
            [
                RejectedOrder(k, s.revision, s.times, s.number, held, s.rejection.reason)
                for s, k, held in suspects[-KEPT:]
            ],
        )
        release, self._release = self._release, False
        return await journal.holds.release(self.cause, now) if release else 0

    def held_back(self, task: DeliveryTask) -> NotSent | None:
        """Return the outcome of an order that was taken up before the pause; None for the probe."""
        if not self.paused or task.key == self._probe:
            return None
        again = self._clock.now() + timedelta(seconds=self.breaker.remaining)
        return NotSent(f"not sent, the receiver is paused: {self.breaker.reason}", again)

    @property
    def window(self) -> int:
        """The number of orders to read for a probe: enough to include one that was not rejected, if there is any."""
        return len(self._suspects) + sum(each.suspects for each in self._attributions) + len(self._probed) + 1

    def pick_probe(self, jobs: Sequence[Job]) -> Sequence[Job]:
        """
        Return the job to try, if a probe is due: one that was not rejected, or the one rejected longest ago.

        Among equals, it is the first one that was not the probe `TRIES` times more often than another. The calls of
        one order may fail each time; and to look up an order that may exist risks less than to create another one.
        """
        if not jobs or (self.paused and self.breaker.wait() > 0):
            return []
        job = min(jobs, key=self._number)
        self._probe = job.key
        self._probed[job.key] += 1
        if len(self._probed) > PROBED:
            del self._probed[next(iter(self._probed))]
        return [job]

    def _number(self, job: Job) -> tuple[int, int, int]:
        suspect = self._suspects.get(job.key)
        blamed = max((each.number(job.external_id) for each in self._attributions), default=0)
        return blamed, 0 if suspect is None else suspect.number, self._probed[job.key] // TRIES

    def _pause(self, reason: str) -> None:
        self._probe = None
        opened = self.breaker.opened
        self.breaker.failed(self._why(reason), at_once=True, hopeless=self._pauses + 1 >= TRIES)
        self._pauses += self.breaker.opened - opened

    def _why(self, reason: str) -> str:
        return (
            f"{len(self._suspects) + len(self._held)} orders rejected in a row and none accepted, so most likely our "
            f"settings or our account there are wrong (last reason: {reason}); no source is notified"
        )
