"""The alarm for acknowledgements: a source that does not hear in time of what was delivered (faults.md, case 98)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime

from connector.bus import Bus
from connector.clock import Clock, humanized, wall_time
from connector.events import AcknowledgementsLate
from connector.journal.base import Journal
from connector.pipeline.log_throttle import LogThrottle
from connector.settings.model import SourceSettings

__all__ = ["AckAlarm"]

logger = logging.getLogger(__name__)

LOOKS = 10
"""Looks at the journal in the time after which there is an alarm, so that it comes at most a tenth of it too late."""
CERTAIN = 3.0
"""Seconds after which an alarm is made certain of: a step of the machine's clock that was not noted yet makes none."""
OFTEN, SELDOM = 1.0, 60.0
"""Seconds between two looks, at the least and at the most."""


class AckAlarm:
    """
    Says when the oldest acknowledgement that a source has not confirmed is too old, and once when none is.

    While it lasts it is said again, ever more seldom.
    """

    def __init__(self, sources: Mapping[str, SourceSettings], *, journal: Journal, bus: Bus, clock: Clock) -> None:
        self._limits = {name: float(settings.ack_alarm) for name, settings in sources.items()}
        self._journal = journal
        self._bus = bus
        self._clock = clock
        self._late: set[str] = set()
        self._again = {name: LogThrottle(clock, 2 * limit) for name, limit in self._limits.items()}

    async def run(self) -> None:
        """Look now and then, until cancelled."""
        pause = max(OFTEN, min(SELDOM, min(self._limits.values()) / LOOKS))
        while True:
            await self._clock.sleep(pause)
            now, ages = await self._ages()
            if any(ages.get(name, 0.0) > limit and name not in self._late for name, limit in self._limits.items()):
                await self._clock.sleep(CERTAIN)
                now, ages = await self._ages()
            for name, limit in self._limits.items():
                age = ages.get(name, 0.0)
                if (age > limit) != (name in self._late):
                    self._late ^= {name}
                    at = wall_time(self._clock, now)
                    self._bus.notice(AcknowledgementsLate(at=at, source=name, seconds=age, late=age > limit))
                    self._again[name].over()
                    self._say(name, age, limit)
                elif age > limit and self._again[name].reached(age):
                    self._say(name, age, limit)

    async def _ages(self) -> tuple[datetime, Mapping[str, float]]:
        now = self._clock.now()
        return now, await self._journal.acks.oldest(now)

    def _say(self, name: str, age: float, limit: float) -> None:
        if name in self._late:
            logger.warning(
                "source %s: does not know after %s of an order that was delivered (ack_alarm is %s); "
                "`connector status` says what is wrong with it",
                name,
                humanized(age),
                humanized(limit),
            )
        else:
            logger.warning("source %s: knows again of what was delivered", name)
