"""Publishes, logs and stores the state changes of circuit breakers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from connector.bus import Bus
from connector.clock import Clock, humanized
from connector.events import EndpointChanged
from connector.http.breaker import Breaker, BreakerState
from connector.journal.base import Journal
from connector.pipeline.log_throttle import LogThrottle

__all__ = ["EndpointStatus", "Pausing"]

logger = logging.getLogger(__name__)

CHECK_INTERVAL = 60.0
"""Seconds between two checks for a warning that is due again."""


class Pausing(Protocol):
    """Something that pauses an endpoint: an `Endpoint` itself, or a guard beside it."""

    listen: Callable[[BreakerState, str], None]

    @property
    def breaker(self) -> Breaker:
        """Its breaker."""


class EndpointStatus:
    """Listens to the breakers of all endpoints."""

    def __init__(self, *, journal: Journal, bus: Bus, clock: Clock) -> None:
        self._journal = journal
        self._bus = bus
        self._clock = clock
        self._pausing: dict[str, tuple[list[Pausing], LogThrottle]] = {}
        self._changes: asyncio.Queue[tuple[str, BreakerState, str, datetime]] = asyncio.Queue()

    def listen(self, name: str, *pausing: Pausing, persist: bool) -> None:
        """Listen to all that may pause the endpoint `name`; `persist` stores its state for other processes."""
        self._pausing[name] = list(pausing), LogThrottle(self._clock)
        logged = False

        def changed(state: BreakerState, reason: str) -> None:
            nonlocal logged
            if state == "closed":  # another breaker may keep the endpoint paused
                for other in pausing:
                    if other.breaker.state != "closed":
                        state, reason = other.breaker.state, other.breaker.reason
            self._bus.notice(EndpointChanged(endpoint=name, state=state, reason=reason))
            if persist:
                self._changes.put_nowait((name, state, reason, self._clock.now()))
            if state == "open" and not logged:
                logged = True
                logger.warning("%s is paused: %s", name, reason)
            elif state == "closed":
                logged = False
                logger.warning("%s is back", name)

        for each in pausing:
            each.listen = changed

    async def repeat_warnings(self) -> None:
        """Log at growing intervals which endpoints are still paused, until cancelled."""
        while True:
            await self._clock.sleep(CHECK_INTERVAL)
            for name, (pausing, throttle) in self._pausing.items():
                reasons = [each.breaker.reason for each in pausing if each.breaker.state != "closed"]
                if not reasons:
                    throttle.reset()
                elif (age := throttle.ongoing()) is not None:
                    logger.warning("%s is paused for %s now: %s", name, humanized(age), "; ".join(reasons))

    async def persist(self) -> None:
        """Store the state changes that another process shows (`connector status`), until cancelled."""
        while True:
            name, state, reason, at = await self._changes.get()
            await self._journal.endpoints.breaker_changed(name, state, reason, at)
