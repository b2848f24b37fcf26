"""
Sends acknowledgements to one source, and classifies the result per order: confirmed, not applied, refused or unknown.

- A call that is refused is bisected until the refused order stands alone.
- While a source refuses every call without naming an order, the calls get smaller, until one of them is accepted.
- An order whose result is unknown is read back from the source before it is sent again, unless the source's
  acknowledgements are idempotent.
- An order for which our own code raises an exception gets calls of its own; after three of them it is given up.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from itertools import chain

from connector.ack import DENIED, Acknowledgement, AckOutcome, Confirmed, Denied, NotApplied, Refused, Unknown, calls
from connector.clock import Clock
from connector.errors import ConnectorError, InDoubtError, RejectedError, TransientError, UnattributedError
from connector.http.attribution import about
from connector.journal.records import AckResult
from connector.pipeline.conformance import checked_outcomes
from connector.pipeline.poison import PoisonTracker
from connector.retry import RetryPolicy
from connector.settings.model import SourceSettings
from connector.sources.base import Source, SupportsAckLookup, SupportsAckTerms

__all__ = ["AckCalls", "Outcomes"]

logger = logging.getLogger(__name__)

MAX_QUESTIONS = 64
"""Calls in one go into which a reading back is bisected at most, to find the order that our own code fails for."""

Outcomes = dict[str, AckOutcome]
"""The outcomes of acknowledgements by order id."""


class AckCalls:
    """Makes the calls to one source."""

    def __init__(self, source: Source, settings: SourceSettings, clock: Clock) -> None:
        self._source = source
        self._settle = float(settings.settle)
        self._retry = RetryPolicy(settings.retry, clock)
        self.poison = PoisonTracker(source.name, clock, source.endpoint, label=f"source {source.name}")
        self._limit = source.ack_limit
        """The largest call: smaller than the vendor's limit after refusals that did not name an order."""
        self._isolated: set[str] = set()
        """Orders that get calls of their own, because a call with them failed in our code, or twice at the source."""

    def idempotent(self, ack: Acknowledgement) -> bool:
        """Return whether an acknowledgement may be sent again without reading back."""
        source = self._source
        if ack.terms and isinstance(source, SupportsAckTerms):
            return source.is_idempotent(ack)
        return source.traits.ack_idempotent

    def calls(self, acks: Sequence[Acknowledgement]) -> Iterator[Sequence[Acknowledgement]]:
        """Yield the acknowledgements of one call each; an isolated order gets a call of its own."""
        limit = min(self._source.ack_limit, self._limit)
        if not self._isolated:
            return calls(acks, limit)
        alone = [[ack] for ack in acks if ack.order_id in self._isolated]
        return chain(calls([ack for ack in acks if ack.order_id not in self._isolated], limit), alone)

    async def send(self, acks: Sequence[Acknowledgement]) -> Outcomes:
        """Send one call, or parts of it; return the outcomes of the orders that the responses mention."""
        return self._give_up(acks, await self._call(acks))

    async def resolve_doubts(self, acks: Sequence[Acknowledgement]) -> Outcomes:
        """Return the outcomes of acknowledgements whose responses were lost."""
        again = NotApplied("the response was lost, and a repeat has no further effect at this source", retry_after=0.0)
        outcomes: Outcomes = {ack.order_id: again for ack in acks if self.idempotent(ack)}
        doubtful = [ack for ack in acks if ack.order_id not in outcomes]
        if doubtful and isinstance(self._source, SupportsAckLookup):
            outcomes |= await self._read_back(self._source, doubtful)
        elif doubtful:
            lost = Refused("the response was lost, and this source cannot be read back: look there, then retry or skip")
            outcomes |= {ack.order_id: lost for ack in doubtful}
        return self._give_up(acks, outcomes, read_back=True)

    def to_record(self, ack: Acknowledgement, outcome: AckOutcome | None, now: datetime) -> AckResult:
        """Return the journal's entry for an outcome; None: the response did not mention the order."""
        if outcome is None:
            outcome = Unknown("the response does not mention it")
        failure = ack.outcome == "failed"
        if isinstance(outcome, Confirmed | Refused):
            if self._isolated or self.poison:
                self._ended(ack, outcome)
            return AckResult(ack.key, outcome, now, failure)
        retry_after = outcome.retry_after if isinstance(outcome, NotApplied) else None
        if retry_after != 0:
            self.poison.failed(_name(ack), outcome.reason, denied=isinstance(outcome, Denied))
        wait = self._retry.delay(ack.attempts + 1, retry_after)
        if isinstance(outcome, Unknown) and not self.idempotent(ack):
            wait = max(wait, self._settle)
        return AckResult(ack.key, outcome, now if retry_after == 0 else now + timedelta(seconds=wait), failure)

    async def _call(self, acks: Sequence[Acknowledgement]) -> Outcomes:
        if (refused := self._refused_alone(acks)) is not None:  # in doubt until it was read back
            return _all(acks, refused)
        try:
            with self._about(acks):
                outcomes = dict(checked_outcomes(await self._source.acknowledge(acks)))
        except RejectedError as exc:
            return _all(acks, Refused(str(exc))) if len(acks) == 1 else await self._bisect(acks)
        except InDoubtError as exc:
            if exc.status and len(acks) > 1 and all(ack.attempts for ack in acks):
                self._isolate(acks)  # the second error response: one of the orders is at fault
            return _all(acks, Unknown(str(exc)))
        except UnattributedError as exc:
            return await self._unattributed(acks, exc)
        except ConnectorError as exc:
            return _all(acks, NotApplied(str(exc), exc.retry_after if isinstance(exc, TransientError) else None))
        except Exception as exc:
            self._isolate(acks)
            if len(acks) == 1:
                return _all(acks, Unknown(self.poison.crashed(_name(acks[0]), exc, "acknowledging")))
            logger.exception(
                "source %s: internal error while acknowledging %d orders; each gets a call of its own",
                self._source.name,
                len(acks),
            )
            return _all(acks, Unknown(f"{type(exc).__name__} while acknowledging it"))
        self._limit = min(2 * self._limit, self._source.ack_limit)
        return outcomes

    async def _bisect(self, acks: Sequence[Acknowledgement]) -> Outcomes:
        """Send the halves of a refused call, to find the order that it is refused for."""
        half = len(acks) // 2
        return await self._call(acks[:half]) | await self._call(acks[half:])

    async def _unattributed(self, acks: Sequence[Acknowledgement], exc: UnattributedError) -> Outcomes:
        """Find the order that a call is refused for, if it is one; no part of the call was applied."""
        if self._accepting and len(acks) > 1:
            return await self._bisect(acks)
        if not self._accepting:
            self._limit = max(1, len(acks) // 2)
        return _all(acks, self._refused_alone(acks) or NotApplied(str(exc), None))

    async def _read_back(self, source: SupportsAckLookup, acks: Sequence[Acknowledgement]) -> Outcomes:
        """Read back from the source; bisect a reading that our own code fails for."""
        outcomes: Outcomes = {}
        parts = [acks]
        for _ in range(MAX_QUESTIONS):
            if not parts:
                break
            part = parts.pop()
            try:
                shown = await source.is_acknowledged(part)
                known = {ack.order_id: bool(shown[ack.order_id]) for ack in part if ack.order_id in shown}
            except ConnectorError as exc:
                outcomes |= _all(part, Unknown(str(exc)))
            except Exception as exc:  # noqa: BLE001 - logged by the tracker
                if len(part) > 1:
                    parts += [part[: len(part) // 2], part[len(part) // 2 :]]
                else:
                    outcomes |= _all(part, Unknown(self.poison.crashed(_name(part[0]), exc, "reading back")))
            else:
                outcomes |= {
                    ack.order_id: Confirmed() if known[ack.order_id] else self._missing(ack)
                    for ack in part
                    if ack.order_id in known
                }
        for part in parts:  # these are read back the next time
            outcomes |= _all(part, Unknown("it could not be read back yet"))
        return outcomes

    def _missing(self, ack: Acknowledgement) -> AckOutcome:
        """
        Return the outcome of an acknowledgement that the source does not show: send it again.

        Unless the source's last response was a denial and a repeat may have an effect of its own there.
        """
        if ack.denied and not (self._source.traits.export_idempotent and ack.outcome == "exported"):
            return Refused(
                f"{DENIED}, and the source does not show it; to send it again may do something twice there: look, then "
                "retry or skip"
            )
        return NotApplied("the source does not show it", retry_after=0.0)

    def _give_up(self, acks: Sequence[Acknowledgement], outcomes: Outcomes, *, read_back: bool = False) -> Outcomes:
        """
        Park the acknowledgements that keep failing while those of other orders are confirmed.

        An acknowledgement that may have been applied is read back before it is given up.
        """
        for ack in acks if self.poison else ():
            outcome = outcomes.get(ack.order_id)
            is_open = not isinstance(outcome, Confirmed | Refused) if read_back else isinstance(outcome, NotApplied)
            if is_open and (end := self.poison.give_up(_name(ack))) is not None:
                outcomes[ack.order_id] = Refused(f"{end}; the source may show it: look, {end.remedy} or skip")
        return outcomes

    def _refused_alone(self, acks: Sequence[Acknowledgement]) -> Refused | None:
        """Park an order whose calls are refused while those of other orders are accepted; None for any other call."""
        endpoint = self._source.endpoint
        if endpoint is None or len(acks) > 1:
            return None
        found = endpoint.attributions["ack"].pop_culprit(_name(acks[0]), self._source.name)
        return None if found is None else Refused(": ".join(found))

    def _isolate(self, acks: Sequence[Acknowledgement]) -> None:
        self._isolated.update(ack.order_id for ack in acks)

    def _ended(self, ack: Acknowledgement, outcome: Confirmed | Refused) -> None:
        self._isolated.discard(ack.order_id)
        if isinstance(outcome, Confirmed):
            self.poison.succeeded(_name(ack))
        else:
            self.poison.forget(_name(ack))

    def _about(self, acks: Sequence[Acknowledgement]) -> AbstractContextManager[None]:
        several = len(acks) > 1
        return about("ack", "" if several else _name(acks[0]), "acknowledge", several=several)

    @property
    def _accepting(self) -> bool:
        """True if the source accepts calls of this kind, as far as is known."""
        return self._source.endpoint is None or self._source.endpoint.takes("ack")


def _all(acks: Sequence[Acknowledgement], outcome: AckOutcome) -> Outcomes:
    return {ack.order_id: outcome for ack in acks}


def _name(ack: Acknowledgement) -> str:
    return f"order {ack.order_id}"
