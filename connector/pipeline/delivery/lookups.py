"""Looking many orders up at once, where the receiver can do that for fewer calls than one by one."""

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

FEWEST = 4
"""Look-ups for which it is worth a try."""
MOST = 10_000
"""Look-ups that share one reading: their ids and answers are kept until they are used."""


class Lookups:
    """
    Finds orders at `receiver`, with answers kept from one reading of many.

    An answer holds until the order is created: only we write our external ids, and what an earlier process began has
    settled before a look-up falls due. So each is used once, and forgotten when the order is created.
    """

    def __init__(self, receiver: Receiver, journal: Journal, clock: Clock) -> None:
        self._receiver = receiver
        self._journal = journal
        self._clock = clock
        self._known: dict[str, Receipt | None] = {}
        self._tried: frozenset[str] = frozenset()
        self._scope: anyio.CancelScope | None = None
        self._outdated: set[str] = set()
        self._ended = False

    async def find(self, external_id: str) -> Receipt | None:
        """Return what is known of the order, or ask; see `Receiver.find`."""
        if external_id in self._known:
            return self._known.pop(external_id)
        found = await self._receiver.find(external_id)
        return None if found is None else checked_receipt(found)

    def absent(self, external_id: str) -> bool:
        """Tell, once, whether it is known that the receiver does not have the order."""
        if self._known.get(external_id, self) is not None:
            return False
        del self._known[external_id]
        return True

    def forget(self, external_id: str) -> None:
        """The order is about to be created, or left alone for some time."""
        if self._scope is not None:
            self._outdated.add(external_id)
        if self._known:
            self._known.pop(external_id, None)

    def stop(self) -> None:
        """Leave a reading that is under way, and begin none. Idempotent."""
        self._ended = True
        if self._scope is not None:
            self._scope.cancel()

    async def prepare(self, external_ids: Iterable[str]) -> None:
        """
        Ask about all that is due to be looked up, if `external_ids` are to be and have not been asked about.

        What that does not answer is asked about one by one. It raises nothing: whoever asks alone hears what is wrong.
        """
        wanted = set(external_ids) - self._known.keys() - self._tried
        if self._ended or len(wanted) < FEWEST or not isinstance(self._receiver, SupportsBulkFind):
            return
        self._outdated.clear()
        # From before the journal is read: what is created while it is, is read as due, and is not.
        with anyio.CancelScope() as self._scope:
            due = await self._journal.lookup_first.due(self._receiver.name, self._clock.now(), MOST)
            self._tried = frozenset(due)
            try:
                asked = await self._receiver.find_many(due)
                found = {each: receipt and checked_receipt(receipt) for each, receipt in asked.items()}
            except ConnectorError as exc:
                logger.debug("%s: many could not be looked up at once: %s", self._receiver.name, exc)
            except Exception:
                logger.exception("%s: looking many up at once failed", self._receiver.name)
            else:
                waiting = self._known.keys() & set(due)
                # What was created, or left alone, since the reading began may have changed behind it.
                news = {each: receipt for each, receipt in found.items() if each not in self._outdated}
                self._known = {each: self._known[each] for each in waiting} | news
        self._scope = None
