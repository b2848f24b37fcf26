"""The part of the journal in SQLite that is about all that waits: what there is, what has left, what may go."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

from connector.journal import holds
from connector.journal.base import OpenWork
from connector.journal.sqlite_reports import SqliteReports
from connector.journal.tables import history as retention
from connector.journal.tables import orders_vanished, relisted
from connector.journal.views import backlog as unfinished
from connector.journal.views.orders import chunks

__all__ = ["SqliteBacklog"]


class SqliteBacklog(SqliteReports):
    """
    Questions and changes that are about many orders, over whatever writes and reads.

    None of them goes through all that waits at once: what waits behind it is the flow.
    """

    _pruned = 0
    """The line of history after which the next look goes on."""

    async def oldest_acks(self, now: datetime) -> dict[str, float]:
        """See `Journal.oldest_acks`."""
        return await self._read(partial(unfinished.oldest_acks, self._kept(now)))

    async def open_work(self) -> OpenWork:
        """See `Journal.open_work`."""
        return await self._read(unfinished.open_work)

    async def waiting_orders(
        self, source: str, before: datetime, after: orders_vanished.Place | None = None
    ) -> tuple[dict[str, int], orders_vanished.Place | None]:
        """See `Vanished.waiting_orders`."""
        return await self._read(partial(orders_vanished.waiting, source, self._kept(before), after))

    async def vanish(self, keys: Sequence[int], now: datetime) -> list[int]:
        """See `Vanished.vanish`."""
        return await self._write(partial(orders_vanished.vanish, keys, self._kept(now)))

    async def listed_again(self, source: str, began: datetime, settle: float) -> dict[str, int]:
        """See `ListedAgain.listed_again`."""
        if not self._comparable(began, settle):
            return {}
        before = self._kept(began - timedelta(seconds=settle))
        now = self._kept(began if self._steady is None else self._steady.now())
        return await self._read(partial(relisted.of_source, source, before, now))

    async def not_listed(self, keys: Sequence[int], now: datetime) -> None:
        """See `ListedAgain.not_listed`."""
        await self._write(partial(relisted.gone, keys, self._kept(now)))

    async def causes(self, beginning: str = "") -> list[str]:
        """See `Journal.causes`."""
        return await self._read(partial(holds.causes, beginning))

    async def release(self, cause: str, now: datetime) -> int:
        """See `Journal.release`."""
        keys = await self._read(partial(holds.keys_of, None, (), cause))
        released = 0
        for part in chunks(keys, holds.PORTION):
            released += len(await self._write(partial(holds.retry, part, self._kept(now), cause=cause)))
        return released

    async def prune(self, before: datetime, limit: int) -> int:
        """See `Journal.prune`."""
        removed, self._pruned = await self._write(partial(retention.prune, self._kept(before), limit, self._pruned))
        return removed
