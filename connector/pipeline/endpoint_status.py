"""What is made of a breaker's moves: events, a line for a person, and a row for a `status` from another process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from connector.bus import Bus
from connector.clock import Clock, humanized, wall_time
from connector.events import EndpointChanged
from connector.http.breaker import Breaker, BreakerState
from connector.journal.base import Journal
from connector.pipeline.log_throttle import LogThrottle

__all__ = ["EndpointStatus"]

logger = logging.getLogger(__name__)

OFTEN = 60.0
"""Seconds between two looks at whether somebody should be reminded."""


class Pausing(Protocol):
    """What pauses an endpoint: an `Endpoint` itself, or `RejectionGuard`."""

    listen: Callable[[BreakerState, str], None]

    @property
    def breaker(self) -> Breaker:
        """Its breaker."""


class EndpointStatus:
    """Listens to breakers. They move seldom, and somebody should know."""

    def __init__(self, *, journal: Journal, bus: Bus, clock: Clock) -> None:
        self._journal = journal
        self._bus = bus
        self._clock = clock
        self._paused: dict[str, tuple[list[Pausing], LogThrottle]] = {}
        self._kept: asyncio.Queue[tuple[str, BreakerState, str, datetime]] = asyncio.Queue()

    def listen(self, name: str, *pausing: Pausing | None, keep: bool) -> None:
        """Listen to what may pause the endpoint called `name`; `keep` writes the moves down."""
        there = [each for each in pausing if each is not None]
        self._paused[name] = there, LogThrottle(self._clock)
        said = False

        def moved(state: BreakerState, reason: str) -> None:
            nonlocal said
            at = self._clock.now()
            if state == "closed":  # by that breaker; the other one may think differently
                for other in there:
                    if other.breaker.state != "closed":
                        state, reason = other.breaker.state, other.breaker.reason
            self._bus.notice(EndpointChanged(at=wall_time(self._clock, at), endpoint=name, state=state, reason=reason))
            if keep:
                self._kept.put_nowait((name, state, reason, at))
            if state == "open" and not said:
                said = True
                logger.warning("%s is paused: %s", name, reason)
            elif state == "closed":
                said = False
                logger.warning("%s is back", name)

        for each in there:
            each.listen = moved

    async def repeat_warnings(self) -> None:
        """Say again, ever more seldom, that an endpoint is still paused, until cancelled."""
        while True:
            await self._clock.sleep(OFTEN)
            for name, (there, reminder) in self._paused.items():
                reasons = [each.breaker.reason for each in there if each.breaker.state != "closed"]
                if not reasons:
                    reminder.over()
                elif (age := reminder.due()) is not None:
                    logger.warning("%s is paused for %s now: %s", name, humanized(age), "; ".join(reasons))

    async def keep(self) -> None:
        """Write the moves down that are to be kept, until cancelled."""
        while True:
            name, state, reason, at = await self._kept.get()
            await self._journal.endpoints.breaker_changed(name, state, reason, at)
