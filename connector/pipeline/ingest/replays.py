"""What other processes ask of the running connector: read from the journal, done, and answered there."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import anyio

from connector.clock import Clock
from connector.errors import SettingsError
from connector.journal.base import Journal
from connector.journal.records import ReplayAnswer, ReplayRequest
from connector.pipeline.ingest.producer import Producer

__all__ = ["ReplayServer"]

logger = logging.getLogger(__name__)


class ReplayServer:
    """
    Serves the requests that stand in the journal, those of one source one after the other.

    One that is cut off by a stop stays there, and is done at the next start.
    """

    def __init__(self, producers: Mapping[str, Producer], *, journal: Journal, clock: Clock) -> None:
        self._producers = producers
        self._journal = journal
        self._clock = clock
        self._there = anyio.Event()
        # What nobody answered in an earlier run is found in the journal.
        self._behind = True
        self._in_hand: set[int] = set()

    @property
    def busy(self) -> bool:
        """Whether a request is being served, or there may be one."""
        return self._behind or bool(self._in_hand)

    def look(self) -> None:
        """Look into the journal: somebody may have asked for something."""
        self._behind = True
        self._there.set()

    async def run(self) -> None:
        """Serve requests until cancelled."""
        async with anyio.create_task_group() as tg:
            while True:
                self._there = there = anyio.Event()
                for request in await self._journal.replays.unanswered():
                    if request.id not in self._in_hand:
                        self._in_hand.add(request.id)
                        tg.start_soon(self._serve, request, name=f"replay {request.source}")
                self._behind = there.is_set()
                await there.wait()

    async def _serve(self, request: ReplayRequest) -> None:
        try:
            answer = await self._replayed(request)
            if answer is not None:
                await self._journal.replays.answer(request.id, answer, self._clock.now())
        finally:
            self._in_hand.discard(request.id)

    async def _replayed(self, request: ReplayRequest) -> ReplayAnswer | None:
        """Walk; return None if the walk was cut off by a stop."""
        producer = self._producers.get(request.source)
        if producer is None:
            return ReplayAnswer(error=f"the running connector knows no source {request.source}; restart it")
        try:
            walk = await producer.replay(request.since)
        except SettingsError as exc:
            return ReplayAnswer(error=str(exc))
        if producer.stopped:
            return None
        logger.info(
            "source %s: replayed since %s as asked: %d listed, %d of them new%s",
            *(request.source, request.since.isoformat(), walk.seen, walk.new, walk.error and f"; {walk.error}"),
        )
        return ReplayAnswer(listed=walk.seen, fresh=walk.new, error=walk.error)
