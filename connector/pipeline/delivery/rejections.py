"""
Whose fault a refusal is: the order's, or that of our settings or our account at the receiver (faults.md, 56 and 58).

A refusal is believed once something bears it out: the receiver has accepted another order since, or it has refused the
same one again while few were refused. Until then the order is only suspect, and is tried again. When many different
orders are refused and none is accepted, it is not they: the receiver is paused, no order is given up and no source is
told anything. Then one order at a time tries whether it accepts again. Orders that are all there is come round again:
each is held after three refusals, its source still knows nothing, and it is tried once more when another is accepted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Sequence
from datetime import datetime, timedelta

import msgspec

from connector.clock import Clock, backoff
from connector.http.attribution import Kind
from connector.http.breaker import Breaker, BreakerState
from connector.http.endpoint import Endpoint
from connector.journal.base import Journal
from connector.journal.records import Delivered, Held, Job, NotSent, Outcome, Rejected, RejectedOrder
from connector.pipeline.delivery.task import DeliveryTask
from connector.settings.model import ReceiverSettings

__all__ = ["RejectionGuard"]

MANY = 5
"""Different orders refused in a row, none accepted between them, that are no coincidence."""
TRIES = 3
"""Pauses without a success between them after which only a person can help."""
ENOUGH = 3
"""Refusals of one order, after that many pauses, after which it waits for that person too."""


DELIVERY: tuple[Kind, ...] = ("find", "create")
"""The calls of a delivery."""


PROBED = 1000
"""Orders of which it is remembered that they were the probe."""
KEPT = 100
"""Refusals that are kept for the next start: enough to know again that it is not the orders."""


class _Suspect(msgspec.Struct):
    """
    An order that was refused, `times` in that revision. `number` counts refusals: the lowest is longest ago.

    There is no `work` in hand for one that an earlier process left.
    """

    revision: str
    refusal: Rejected
    number: int
    times: int
    work: DeliveryTask | None


class RejectionGuard:
    """
    What one receiver has refused since it last accepted something; a new start goes on with what was `keep`t of that.

    `breaker` is open while the receiver is paused for it; `listen` hears of its moves. It stands beside the breaker of
    `endpoint`, which takes a refusal for a sign of life.
    """

    def __init__(self, name: str, settings: ReceiverSettings, clock: Clock, endpoint: Endpoint | None) -> None:
        self.cause = f"{name} refuses every order"
        """What those wait for that are held."""
        self.news = False
        """Whether something is to be kept."""
        self._name = name
        self._held: dict[int, _Suspect] = {}
        self._holding = self._release = False
        self._endpoint = endpoint
        self._settings = settings
        self._clock = clock
        self._suspects: dict[int, _Suspect] = {}
        self._borne_out: dict[int, str] = {}
        """Orders that were refused before another one was accepted, in which revision: once more is final."""
        self._blames = () if endpoint is None else tuple(endpoint.blames[kind] for kind in DELIVERY)
        self._count = 0
        self._pauses = 0
        self._probe: int | None = None
        self._probed: Counter[int] = Counter()
        """The number of times each order was the probe since the receiver last accepted one."""
        self.listen: Callable[[BreakerState, str], None] = lambda _state, _reason: None
        self.breaker = Breaker(
            clock,
            first=float(settings.retry.first),
            longest=float(settings.retry.longest),
            listen=lambda state, reason: self.listen(state, reason),
        )

    def __bool__(self) -> bool:
        """True once an order was refused, or was the probe, and none was accepted after it."""
        return self.paused or self._holding or bool(self._suspects or self._borne_out or self._probed)

    @property
    def paused(self) -> bool:
        """Whether the receiver is paused for what it refused, or being tried again."""
        return self.breaker.state != "closed"

    @property
    def pause(self) -> float:
        """Seconds for which nothing is sent, whatever the reason; 0 when an order may be tried."""
        own = self.breaker.remaining
        return own if self._endpoint is None else max(own, self._endpoint.remaining(*DELIVERY))

    @property
    def probing(self) -> bool:
        """Whether the receiver was paused, for any reason, and has not answered well since: one order goes first."""
        return self.paused or (self._endpoint is not None and not self._endpoint.takes(*DELIVERY))

    def judge(
        self, work: DeliveryTask, outcome: Outcome | None, in_hand: Container[int]
    ) -> tuple[Outcome | None, list[tuple[DeliveryTask, Rejected]]]:
        """Return what is to be recorded of an outcome, and the refusals of others, not `in_hand`, that it bears out."""
        if isinstance(outcome, Rejected):
            return self._refused(work, outcome), []
        if isinstance(outcome, NotSent):
            return outcome, []
        if self._suspects.pop(work.key, None) or self._held.pop(work.key, None):
            self.news = True
        self._borne_out.pop(work.key, None)
        if isinstance(outcome, Delivered) and not outcome.adopted:
            return outcome, self._accepted(in_hand)
        return outcome, []

    def _refused(self, work: DeliveryTask, refusal: Rejected) -> Rejected | NotSent | Held:
        before = self._suspects.pop(work.key, None)
        self._held.pop(work.key, None)
        self.news = True
        if not self.paused and self._borne_out.pop(work.key, None) == work.revision:
            return refusal
        again = before is not None and before.revision == work.revision
        times = before.times + 1 if before is not None and again else 1
        self._count += 1
        # Believed or not: it counts.
        self._suspects[work.key] = _Suspect(work.revision, refusal, self._count, times, work)
        if self.paused or len(self._suspects) >= MANY:
            self._pause(refusal.reason)
            if times >= ENOUGH and self._pauses >= TRIES:
                return self._hold(work, refusal)
        elif again:
            return refusal
        return self._later(work, f"refused, which nothing bears out yet: {refusal.reason}")

    def _hold(self, work: DeliveryTask, refusal: Rejected) -> Held:
        """Let a person see it: whose fault it is nobody knows, so its source is not told."""
        self._held[work.key] = self._suspects.pop(work.key)
        self._holding = True
        return Held(
            self.cause,
            f"{refusal.reason}; its source was told nothing. Mend the settings, the account there or the order; it is "
            "tried once more when another order is accepted, or by retry",
        )

    def _accepted(self, in_hand: Container[int]) -> list[tuple[DeliveryTask, Rejected]]:
        suspects, self._suspects = self._suspects, {}
        self._pauses = 0
        self._probed.clear()
        mended = self.paused
        if mended:  # so they were refused for what was wrong then, perhaps: each is tried once more
            self.breaker.close()
        self.news = self.news or self._holding or bool(suspects or self._held)
        self._release = self._release or self._holding
        self._borne_out |= {key: each.revision for key, each in self._held.items()}
        self._held, self._holding = {}, False
        final: list[tuple[DeliveryTask, Rejected]] = []
        for key, suspect in suspects.items():
            if mended or key in in_hand or suspect.work is None:
                self._borne_out[key] = suspect.revision
            else:
                refusal = msgspec.structs.replace(suspect.refusal, revision=suspect.revision)
                final.append((suspect.work, refusal))
        return final

    async def recall(self, journal: Journal) -> None:
        """Go on where an earlier process ended: what was paused lets one order try at once."""
        self._holding = self.cause in await journal.holds.causes()
        kept = await journal.rejections.load(self._name)
        for each in kept:
            suspect = _Suspect(each.revision, Rejected(each.reason), each.number, each.times, None)
            (self._held if each.held else self._suspects)[each.key] = suspect
            self._count = each.number
        if len(kept) >= MANY:
            self._pauses = TRIES - 1
            self.breaker.resume(self._why(kept[-1].reason))

    async def keep(self, journal: Journal, now: datetime) -> int:
        """Write down what the next start should know; let go what was held, if it is time, and return how many."""
        self.news = False
        there = [(each, key, False) for key, each in self._suspects.items()]
        there += [(each, key, True) for key, each in self._held.items()]
        there.sort(key=lambda one: one[0].number)
        await journal.rejections.save(
            self._name,
            [
                RejectedOrder(key, s.revision, s.times, s.number, held, s.refusal.reason)
                for s, key, held in there[-KEPT:]
            ],
        )
        release, self._release = self._release, False
        return await journal.holds.release(self.cause, now) if release else 0

    def held_back(self, work: DeliveryTask) -> NotSent | None:
        """Return what becomes of an order that was taken up before the pause; None for the one that may be tried."""
        if not self.paused or work.key == self._probe:
            return None
        again = self._clock.now() + timedelta(seconds=self.breaker.remaining)
        return NotSent(f"not sent, the receiver is paused: {self.breaker.reason}", again)

    @property
    def reach(self) -> int:
        """How many orders to look at for a probe, so that one is among them that was not refused, if there is one."""
        return len(self._suspects) + sum(blame.suspects for blame in self._blames) + len(self._probed) + 1

    def probe(self, jobs: Sequence[Job]) -> Sequence[Job]:
        """
        Return the one of `jobs` to try, if it is time: one that was not refused, or the one refused longest ago.

        Among those, the first one that was not the probe `TRIES` times more often than another one. The calls of one
        order may fail each time; and to look up an order that may be there risks less than to create another one.
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
        blamed = max((blame.number(job.external_id) for blame in self._blames), default=0)
        return blamed, 0 if suspect is None else suspect.number, self._probed[job.key] // TRIES

    def _pause(self, reason: str) -> None:
        self._probe = None
        opened = self.breaker.opened
        self.breaker.failed(
            self._why(reason),
            at_once=True,
            hopeless=self._pauses + 1 >= TRIES,
        )
        self._pauses += self.breaker.opened - opened

    def _why(self, reason: str) -> str:
        return (
            f"{len(self._suspects) + len(self._held)} orders refused in a row and none accepted: most likely our "
            f"settings or its account (the last: {reason}); nothing was told to the sources"
        )

    def _later(self, work: DeliveryTask, reason: str) -> NotSent:
        retry = self._settings.retry
        wait = backoff(self._clock, max(work.attempts, 1), first=float(retry.first), longest=float(retry.longest))
        return NotSent(reason, self._clock.now() + timedelta(seconds=wait))
