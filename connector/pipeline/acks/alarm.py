"""The alarm for late acknowledgements: a source that has not confirmed a delivery in time (faults.md, case 98)."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from connector.bus import Bus
from connector.clock import Clock, humanized
from connector.events import AcknowledgementsLate
from connector.journal.base import Journal
from connector.pipeline.log_throttle import LogThrottle
from connector.settings.model import SourceSettings

__all__ = ["AckAlarm"]

logger = logging.getLogger(__name__)

CHECKS = 10
"""Checks within the time after which the alarm is raised, so that it is at most a tenth of that time late."""
CONFIRM_AFTER = 3.0
"""Seconds after which an alarm is checked again: a step of the machine's clock that is not noted yet raises none."""
SHORTEST, LONGEST = 1.0, 60.0
"""Seconds between two checks, at the least and at the most."""


class AckAlarm:
    """
    Raises an alarm for a source whose oldest unconfirmed acknowledgement is too old, and clears it.

    While the alarm lasts, the log repeats it at growing intervals.
    """

    def __init__(self, sources: Mapping[str, SourceSettings], *, journal: Journal, bus: Bus, clock: Clock) -> None:
        self._limits = {name: float(settings.ack_alarm) for name, settings in sources.items()}
        self._journal = journal
        self._bus = bus
        self._clock = clock
        self._late: set[str] = set()
        self._throttles = {name: LogThrottle(clock, 2 * limit) for name, limit in self._limits.items()}

    async def run(self) -> None:
        """Check now and then, until cancelled."""
        pause = max(SHORTEST, min(LONGEST, min(self._limits.values()) / CHECKS))
        while True:
            await self._clock.sleep(pause)
            ages = await self._ages()
            if any(ages.get(name, 0.0) > limit and name not in self._late for name, limit in self._limits.items()):
                await self._clock.sleep(CONFIRM_AFTER)
                ages = await self._ages()
            for name, limit in self._limits.items():
                age = ages.get(name, 0.0)
                if (age > limit) != (name in self._late):
                    self._late ^= {name}
                    self._bus.notice(AcknowledgementsLate(source=name, seconds=age, late=age > limit))
                    self._throttles[name].reset()
                    self._log(name, age, limit)
                elif age > limit and self._throttles[name].reached(age):
                    self._log(name, age, limit)

    async def _ages(self) -> Mapping[str, float]:
        return await self._journal.acks.oldest(self._clock.now())

    def _log(self, name: str, age: float, limit: float) -> None:
        if name in self._late:
            logger.warning(
                "source %s: the oldest acknowledgement is unconfirmed after %s (ack_alarm is %s); `connector status` "
                "shows the reason",
                name,
                humanized(age),
                humanized(limit),
            )
        else:
            logger.warning("source %s: acknowledgements are up to date again", name)
