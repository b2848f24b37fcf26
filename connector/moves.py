"""What is made of a breaker's moves: events, a line for a person, and a row for a `status` from another process."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime

from connector.breaker import BreakerState
from connector.bus import Bus
from connector.clock import Clock
from connector.events import EndpointChanged
from connector.http import Endpoint
from connector.journal.base import Journal

__all__ = ["Moves"]

logger = logging.getLogger(__name__)


class Moves:
    """Listens to breakers. They move seldom, and somebody should know."""

    def __init__(self, *, journal: Journal, bus: Bus, clock: Clock) -> None:
        self._journal = journal
        self._bus = bus
        self._clock = clock
        self._kept: asyncio.Queue[tuple[str, BreakerState, str, datetime]] = asyncio.Queue()

    def listen(self, name: str, endpoint: Endpoint | None, *, keep: bool) -> None:
        """Listen to the breaker of `endpoint`, called `name`; `keep` writes its moves down."""
        if endpoint is None:
            return
        said = False

        def moved(state: BreakerState, reason: str) -> None:
            nonlocal said
            at = self._clock.now()
            self._bus.notice(EndpointChanged(at=at, endpoint=name, state=state, reason=reason))
            if keep:
                self._kept.put_nowait((name, state, reason, at))
            if state == "open" and not said:
                said = True
                logger.warning("%s is paused: %s", name, reason)
            elif state == "closed":
                said = False
                logger.warning("%s is back", name)

        endpoint.listen = moved

    async def keep(self) -> None:
        """Write the moves down that are to be kept, until cancelled."""
        while True:
            name, state, reason, at = await self._kept.get()
            await self._journal.endpoint_changed(name, state, reason, at)
