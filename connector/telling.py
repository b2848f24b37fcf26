"""
The calls in which a source is told, and what became of each order in them: an answer, a refusal, or a doubt.

A call that is refused is split until the order that is refused stands alone. What is in doubt is read back from the
source before it is told again, unless the source takes a repeat without doing anything twice.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from connector.ack import Acknowledgement, AckOutcome, Confirmed, NotApplied, Refused, Unknown
from connector.clock import Clock, backoff
from connector.errors import ConnectorError, InDoubtError, RejectedError, TransientError
from connector.journal.base import AckResult
from connector.settings.structs import SourceSettings
from connector.sources.base import HasTerms, ReadsBack, Source

__all__ = ["Telling"]

logger = logging.getLogger(__name__)


class Telling:
    """Makes the calls to one source."""

    def __init__(self, source: Source, settings: SourceSettings, clock: Clock) -> None:
        self._source = source
        self._settings = settings
        self._clock = clock

    def repeatable(self, ack: Acknowledgement) -> bool:
        """Whether it may be told again without asking."""
        source = self._source
        return source.repeatable(ack) if ack.terms and isinstance(source, HasTerms) else source.ack_repeatable

    async def asked(self, doubtful: Sequence[Acknowledgement]) -> dict[str, AckOutcome]:
        """Find out what became of acknowledgements whose answer was lost."""
        again = NotApplied("its answer was lost; this source takes a repeat", retry_after=0.0)
        found: dict[str, AckOutcome] = {ack.order_id: again for ack in doubtful if self.repeatable(ack)}
        doubtful = [ack for ack in doubtful if ack.order_id not in found]
        if not doubtful:
            return found
        if not isinstance(self._source, ReadsBack):
            lost = Refused("the answer was lost, and this source cannot be asked: look there, then retry or skip")
            return found | {ack.order_id: lost for ack in doubtful}
        try:
            known = await self._source.is_acknowledged(doubtful)
        except ConnectorError as exc:
            return found | {ack.order_id: Unknown(str(exc)) for ack in doubtful}
        applied, missing = Confirmed(), NotApplied("the source does not show it", retry_after=0.0)
        return found | {
            ack.order_id: (applied if known[ack.order_id] else missing) for ack in doubtful if ack.order_id in known
        }

    async def tell(self, chunk: Sequence[Acknowledgement], outcomes: dict[str, AckOutcome]) -> None:
        """Make one call; put into `outcomes` what became of each order, of those that the answer mentions."""
        try:
            outcomes.update(await self._source.acknowledge(chunk))
        except RejectedError as exc:
            if len(chunk) == 1:
                outcomes[chunk[0].order_id] = Refused(str(exc))
            else:
                half = len(chunk) // 2
                await self.tell(chunk[:half], outcomes)
                await self.tell(chunk[half:], outcomes)
        except InDoubtError as exc:
            outcomes.update({ack.order_id: Unknown(str(exc)) for ack in chunk})
        except ConnectorError as exc:
            wait = exc.retry_after if isinstance(exc, TransientError) else None
            outcomes.update({ack.order_id: NotApplied(str(exc), wait) for ack in chunk})
        except Exception as exc:
            logger.exception("source %s: acknowledging failed in a way that nobody foresaw", self._source.name)
            outcomes.update({ack.order_id: Unknown(f"{type(exc).__name__} while telling it") for ack in chunk})

    def result(self, ack: Acknowledgement, outcome: AckOutcome | None, now: datetime) -> AckResult:
        """Return what the journal is to keep of `outcome`; None: the answer did not mention the order."""
        if outcome is None:
            outcome = Unknown("the answer does not mention it")
        if isinstance(outcome, Confirmed | Refused):
            return AckResult(ack.key, outcome, now)
        asked = outcome.retry_after if isinstance(outcome, NotApplied) else None
        retry = self._settings.retry
        wait = backoff(
            self._clock, ack.attempts + 1, first=float(retry.first), longest=float(retry.longest), at_least=asked
        )
        if isinstance(outcome, Unknown) and not self.repeatable(ack):
            wait = max(wait, float(self._settings.settle))
        return AckResult(ack.key, outcome, now if asked == 0 else now + timedelta(seconds=wait))
