"""
The calls in which a source is told, and what became of each order in them: an answer, a refusal, or a doubt.

A call that is refused is split until the order that is refused stands alone. While a source refuses every call in
words that do not say whose fault it is, the calls get smaller, so that what it does take can be found. What is in doubt
is read back from the source before it is told again, unless the source takes a repeat without doing anything twice. An
order at which our own code fails has calls of its own from then on; after three of them it waits for a person.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from itertools import chain

from connector.ack import DENIED, Acknowledgement, AckOutcome, Confirmed, Denied, NotApplied, Refused, Unknown, calls
from connector.clock import Clock, backoff
from connector.errors import ConnectorError, InDoubtError, RejectedError, TransientError, UnattributedError
from connector.http.attribution import about
from connector.journal.records import AckResult
from connector.pipeline.conformance import checked_outcomes
from connector.pipeline.internal_errors import InternalError, InternalErrors
from connector.pipeline.poison import PoisonTracker
from connector.settings.model import SourceSettings
from connector.sources.base import Source, SupportsAckLookup, SupportsAckTerms

__all__ = ["AckCalls"]

logger = logging.getLogger(__name__)

QUESTIONS = 64
"""Calls in which a reading that our own code fails at is split at most, to find the order that it is about."""


class AckCalls:
    """Makes the calls to one source."""

    def __init__(self, source: Source, settings: SourceSettings, clock: Clock) -> None:
        self._source = source
        self._settings = settings
        self._clock = clock
        self._unforeseen = InternalErrors(f"source {source.name}")
        self.vain = PoisonTracker(f"source {source.name}", clock, source.endpoint)
        self._most = source.ack_limit
        """Orders in a call at most: fewer after a call of several was refused while the source is paused for that."""
        self._alone: set[str] = set()
        """
        Orders that were in a call with others in which our own code failed, or that was answered by an error twice: one
        of them is at fault.
        """

    def repeatable(self, ack: Acknowledgement) -> bool:
        """Whether it may be told again without asking."""
        source = self._source
        if ack.terms and isinstance(source, SupportsAckTerms):
            return source.is_idempotent(ack)
        return source.traits.ack_idempotent

    def calls(self, acks: Sequence[Acknowledgement]) -> Iterator[Sequence[Acknowledgement]]:
        """Yield what goes into one call each; what may be at fault goes alone."""
        limit = min(self._source.ack_limit, self._most)
        if not self._alone:
            return calls(acks, limit)
        suspects = [[ack] for ack in acks if ack.order_id in self._alone]
        return chain(calls([ack for ack in acks if ack.order_id not in self._alone], limit), suspects)

    async def asked(self, doubtful: Sequence[Acknowledgement]) -> dict[str, AckOutcome]:
        """Find out what became of acknowledgements whose answer was lost."""
        again = NotApplied("its answer was lost; this source takes a repeat", retry_after=0.0)
        found: dict[str, AckOutcome] = {ack.order_id: again for ack in doubtful if self.repeatable(ack)}
        repeated = [ack for ack in doubtful if ack.order_id in found]
        doubtful = [ack for ack in doubtful if ack.order_id not in found]
        if not doubtful:
            return self._give_up(repeated, found, read_back=True)
        if not isinstance(self._source, SupportsAckLookup):
            lost = Refused("the answer was lost, and this source cannot be asked: look there, then retry or skip")
            return found | {ack.order_id: lost for ack in doubtful}
        found |= await self._read_back(self._source, doubtful)
        return self._give_up([*repeated, *doubtful], found, read_back=True)

    async def _read_back(self, source: SupportsAckLookup, doubtful: Sequence[Acknowledgement]) -> dict[str, AckOutcome]:
        """Ask the source; a question that our own code fails at is split until the order that it is about is alone."""
        applied = Confirmed()
        found: dict[str, AckOutcome] = {}
        parts = [doubtful]
        for _ in range(QUESTIONS):
            if not parts:
                break
            part = parts.pop()
            try:
                told = await source.is_acknowledged(part)
                known = {ack.order_id: bool(told[ack.order_id]) for ack in part if ack.order_id in told}
            except ConnectorError as exc:
                found |= {ack.order_id: Unknown(str(exc)) for ack in part}
            except Exception as exc:  # noqa: BLE001 - logged by `note`
                if len(part) > 1:
                    parts += [part[: len(part) // 2], part[len(part) // 2 :]]
                else:
                    found |= self._failed(part[0], exc, "reading back")
            else:
                found |= {
                    ack.order_id: applied if known[ack.order_id] else self._missing(ack)
                    for ack in part
                    if ack.order_id in known
                }
        # What there was no time for is asked about the next time.
        return found | {ack.order_id: Unknown("it could not be read back yet") for part in parts for ack in part}

    def _missing(self, ack: Acknowledgement) -> AckOutcome:
        """Tell again what the source does not show, unless it said no and a second time may do something twice."""
        again = self._source.traits.export_idempotent and ack.outcome == "exported"
        if ack.denied and not again:
            return Refused(
                f"{DENIED}, and the source does not show it; telling it again may do something twice there: "
                "look, then retry or skip"
            )
        return NotApplied("the source does not show it", retry_after=0.0)

    async def tell(self, chunk: Sequence[Acknowledgement], outcomes: dict[str, AckOutcome]) -> None:
        """Make one call; put into `outcomes` what became of each order, of those that the answer mentions."""
        if self._unforeseen and (fault := self._unforeseen.given_up(_name(chunk[0]))) is not None:
            outcomes[chunk[0].order_id] = self._parked(fault)
            return
        if (refused := self._refused_alone(chunk)) is not None:  # in doubt until it was read back
            outcomes[chunk[0].order_id] = refused
            return
        try:
            with self._about(chunk, "tell"):
                outcomes.update(checked_outcomes(await self._source.acknowledge(chunk)))
            self._most = min(2 * self._most, self._source.ack_limit)
        except RejectedError as exc:
            if len(chunk) == 1:
                outcomes[chunk[0].order_id] = Refused(str(exc))
            else:
                await self._tell_halves(chunk, outcomes)
        except InDoubtError as exc:
            if exc.status and len(chunk) > 1 and all(ack.attempts for ack in chunk):
                self._alone.update(ack.order_id for ack in chunk)  # answered so again: one of them is at fault
            outcomes.update({ack.order_id: Unknown(str(exc)) for ack in chunk})
        except UnattributedError as exc:
            await self._unattributed(chunk, exc, outcomes)
        except ConnectorError as exc:
            wait = exc.retry_after if isinstance(exc, TransientError) else None
            outcomes.update({ack.order_id: NotApplied(str(exc), wait) for ack in chunk})
        except Exception as exc:
            if len(chunk) == 1:
                # Given up only when it is due again: what was applied all the same has been read back by then.
                outcomes[chunk[0].order_id] = Unknown(self._unforeseen.note(_name(chunk[0]), exc, "acknowledging"))
                return
            logger.exception("source %s: acknowledging failed in a way that nobody foresaw", self._source.name)
            self._alone.update(ack.order_id for ack in chunk)
            outcomes.update({ack.order_id: Unknown(f"{type(exc).__name__} while telling it") for ack in chunk})
        if self.vain:
            self._give_up(chunk, outcomes, read_back=False)

    async def _tell_halves(self, chunk: Sequence[Acknowledgement], outcomes: dict[str, AckOutcome]) -> None:
        half = len(chunk) // 2
        await self.tell(chunk[:half], outcomes)
        await self.tell(chunk[half:], outcomes)

    async def _unattributed(
        self, chunk: Sequence[Acknowledgement], exc: UnattributedError, outcomes: dict[str, AckOutcome]
    ) -> None:
        """Find the order that a call is refused for, if it is one; nothing of the call was applied."""
        if len(chunk) > 1 and self._open:
            await self._tell_halves(chunk, outcomes)
            return
        if not self._open:
            self._most = max(1, len(chunk) // 2)
        refused = self._refused_alone(chunk)
        outcomes.update({ack.order_id: refused or NotApplied(str(exc), None) for ack in chunk})

    @property
    def _open(self) -> bool:
        """Whether the source takes calls of this kind, as far as is known."""
        return self._source.endpoint is None or self._source.endpoint.takes("ack")

    def _about(self, acks: Sequence[Acknowledgement], action: str) -> AbstractContextManager[None]:
        several = len(acks) > 1
        return about("ack", "" if several else _name(acks[0]), action, several=several)

    def _refused_alone(self, acks: Sequence[Acknowledgement]) -> Refused | None:
        """Park what is refused while others are taken; None for what may be tried again."""
        endpoint = self._source.endpoint
        if endpoint is None or len(acks) > 1:
            return None
        found = endpoint.blames["ack"].alone(_name(acks[0]), self._source.name)
        return None if found is None else Refused(": ".join(found))

    def _failed(self, ack: Acknowledgement, exc: Exception, doing: str) -> dict[str, AckOutcome]:
        why = self._unforeseen.note(_name(ack), exc, doing)
        fault = self._unforeseen.given_up(_name(ack))
        return {ack.order_id: Unknown(why) if fault is None else self._parked(fault)}

    def _parked(self, fault: InternalError) -> Refused:
        """Leave to a person what our own code cannot tell; all that meet the same fault share the reason."""
        return Refused(
            f"unforeseen {fault.name} at {self._source.name}, {fault}; the source may know: look. The log has the "
            "traceback; mend it, then retry or skip"
        )

    def _give_up(
        self, acks: Sequence[Acknowledgement], outcomes: dict[str, AckOutcome], *, read_back: bool
    ) -> dict[str, AckOutcome]:
        """Leave to a person what fails by itself while others are told, if `read_back` or not applied for certain."""
        for ack in acks if self.vain else ():
            outcome = outcomes.get(ack.order_id)
            open_still = not isinstance(outcome, Confirmed | Refused) if read_back else isinstance(outcome, NotApplied)
            if open_still and (why := self.vain.given_up(_name(ack))) is not None:
                said = f"tried in vain at {self._source.name}: {why}; see whether it knows, then retry or skip"
                outcomes[ack.order_id] = Refused(said)
        return outcomes

    def _ended(self, ack: Acknowledgement, outcome: Confirmed | Refused) -> None:
        self._alone.discard(ack.order_id)
        self._unforeseen.forget(_name(ack))
        if isinstance(outcome, Confirmed):
            self.vain.passed(_name(ack))
        else:
            self.vain.forget(_name(ack))

    def result(self, ack: Acknowledgement, outcome: AckOutcome | None, now: datetime) -> AckResult:
        """Return what the journal is to keep of `outcome`; None: the answer did not mention the order."""
        if outcome is None:
            outcome = Unknown("the answer does not mention it")
        failure = ack.outcome == "failed"
        if isinstance(outcome, Confirmed | Refused):
            if self._alone or self._unforeseen or self.vain:
                self._ended(ack, outcome)
            return AckResult(ack.key, outcome, now, failure)
        asked = outcome.retry_after if isinstance(outcome, NotApplied) else None
        if asked != 0:
            self.vain.note(_name(ack), outcome.reason, denied=isinstance(outcome, Denied))
        retry = self._settings.retry
        wait = backoff(
            self._clock, ack.attempts + 1, first=float(retry.first), longest=float(retry.longest), at_least=asked
        )
        if isinstance(outcome, Unknown) and not self.repeatable(ack):
            wait = max(wait, float(self._settings.settle))
        return AckResult(ack.key, outcome, now if asked == 0 else now + timedelta(seconds=wait), failure)


def _name(ack: Acknowledgement) -> str:
    return f"order {ack.order_id}"
