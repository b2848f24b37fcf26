"""Serves the replays that other processes request through the journal, and records their results there."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import anyio
from anyio.abc import TaskGroup

from connector.clock import Clock
from connector.errors import SettingsError
from connector.journal.base import Journal
from connector.journal.records import ReplayAnswer, ReplayRequest
from connector.pipeline.ingest.producer import Producer
from connector.pipeline.worker import Worker

__all__ = ["ReplayServer"]

logger = logging.getLogger(__name__)


class ReplayServer(Worker):
    """
    Serves the open requests, those of one source one after the other.

    A request that is cut off by a stop stays open, and is served after the next start.
    """

    def __init__(self, producers: Mapping[str, Producer], *, journal: Journal, clock: Clock) -> None:
        super().__init__()
        self._producers = producers
        self._journal = journal
        self._clock = clock
        self._unread = True  # an earlier run may have left requests
        self._in_hand: set[int] = set()
        self._tasks: TaskGroup | None = None

    @property
    def busy(self) -> bool:
        """True while a request is being served, or one may be waiting."""
        return self._unread or bool(self._in_hand)

    def wake(self) -> None:
        """Read the journal again: another process may have requested a replay."""
        self._unread = True
        super().wake()

    async def run(self) -> None:
        """Serve requests until cancelled."""
        async with anyio.create_task_group() as self._tasks:
            await super().run()

    async def work(self) -> float | None:
        """Start to serve the requests that are not in hand yet."""
        woken = self._woken
        for request in await self._journal.replays.unanswered():
            if request.id not in self._in_hand and self._tasks is not None:
                self._in_hand.add(request.id)
                self._tasks.start_soon(self._serve, request, name=f"replay {request.source}")
        self._unread = woken.is_set()
        return None

    async def _serve(self, request: ReplayRequest) -> None:
        try:
            answer = await self._replay(request)
            if answer is not None:
                await self._journal.replays.answer(request.id, answer, self._clock.now())
        finally:
            self._in_hand.discard(request.id)

    async def _replay(self, request: ReplayRequest) -> ReplayAnswer | None:
        """Run a replay; return None if a stop cut it off."""
        producer = self._producers.get(request.source)
        if producer is None:
            return ReplayAnswer(error=f"the running connector has no source {request.source}; restart it")
        try:
            finished = await producer.replay(request.since)
        except SettingsError as exc:
            return ReplayAnswer(error=str(exc))
        if producer.stopped:
            return None
        logger.info(
            "source %s: replayed since %s on request: %d listed, %d of them new%s",
            request.source,
            request.since.isoformat(),
            finished.seen,
            finished.new,
            finished.error and f"; {finished.error}",
        )
        return ReplayAnswer(listed=finished.seen, fresh=finished.new, error=finished.error)
