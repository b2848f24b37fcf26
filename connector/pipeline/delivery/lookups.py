"""Looks up many orders at once, where the receiver can do that in fewer calls than one by one."""

from __future__ import annotations

import logging
from collections.abc import Iterable

import anyio

from connector.clock import Clock
from connector.errors import ConnectorError
from connector.journal.base import Journal
from connector.pipeline.conformance import checked_receipt
from connector.receivers.base import Receipt, Receiver, SupportsBulkFind

__all__ = ["Lookups"]

logger = logging.getLogger(__name__)

MIN_BATCH = 4
"""Look-ups for which a bulk look-up pays."""
MAX_BATCH = 10_000
"""Look-ups in one bulk look-up: their ids and results are kept until they are used."""


class Lookups:
    """
    Finds orders at `receiver`, with a cache of the results of the last bulk look-up.

    A cached result holds until the order is created: no other program writes our external ids, and requests of an
    earlier process have settled before a look-up falls due. So each result is used once, and dropped when the order is
    created.
    """

    def __init__(self, receiver: Receiver, journal: Journal, clock: Clock) -> None:
        self._receiver = receiver
        self._journal = journal
        self._clock = clock
        self._cache: dict[str, Receipt | None] = {}
        self._tried: frozenset[str] = frozenset()
        self._scope: anyio.CancelScope | None = None
        self._outdated: set[str] = set()
        self._stopped = False

    async def find(self, external_id: str) -> Receipt | None:
        """Return the cached result for an order, or look it up; see `Receiver.find`."""
        if external_id in self._cache:
            return self._cache.pop(external_id)
        found = await self._receiver.find(external_id)
        return None if found is None else checked_receipt(found)

    def absent(self, external_id: str) -> bool:
        """Return whether the receiver does not have the order according to the cache; drop that result."""
        if self._cache.get(external_id, self) is not None:
            return False
        del self._cache[external_id]
        return True

    def forget(self, external_id: str) -> None:
        """Drop the result for an order that is about to be created, or left alone for some time."""
        if self._scope is not None:
            self._outdated.add(external_id)
        if self._cache:
            self._cache.pop(external_id, None)

    def stop(self) -> None:
        """Cancel the bulk look-up that is under way, and start none. Idempotent."""
        self._stopped = True
        if self._scope is not None:
            self._scope.cancel()

    async def prepare(self, external_ids: Iterable[str]) -> None:
        """
        Look up everything that is due for a look-up, if `external_ids` are and were not looked up together before.

        Orders without a result are looked up one by one later. Errors are not raised: the single look-up meets them.
        """
        wanted = set(external_ids) - self._cache.keys() - self._tried
        if self._stopped or len(wanted) < MIN_BATCH or not isinstance(self._receiver, SupportsBulkFind):
            return
        self._outdated.clear()
        # The scope opens before the journal is read: an order that is created meanwhile is read as due, and is not.
        with anyio.CancelScope() as self._scope:
            due = await self._journal.lookup_first.due(self._receiver.name, self._clock.now(), MAX_BATCH)
            self._tried = frozenset(due)
            try:
                results = await self._receiver.find_many(due)
                found = {each: receipt and checked_receipt(receipt) for each, receipt in results.items()}
            except ConnectorError as exc:
                logger.debug("%s: the bulk look-up failed: %s", self._receiver.name, exc)
            except Exception:
                logger.exception("%s: internal error in the bulk look-up", self._receiver.name)
            else:
                waiting = self._cache.keys() & set(due)
                # An order that was created, or left alone, since the look-up began may have changed after it.
                fresh = {each: receipt for each, receipt in found.items() if each not in self._outdated}
                self._cache = {each: self._cache[each] for each in waiting} | fresh
        self._scope = None
