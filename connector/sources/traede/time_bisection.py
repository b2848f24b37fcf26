"""
Reads a Traede list around the orders that make it fail, by the time of their creation.

A Traede that ignores `page` and `limit` returns its whole list at once, so one order that it cannot encode fails every
call. The filter on `created_at` is documented (seeds 001, 002): the list is halved by it until a single second fails.
The orders of that second are left out, and named by it; all others are listed.

This is the last resort, for a list that cannot be read in parts by its pages (`bisection`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from connector.clock import Clock
from connector.errors import ConnectorError, TransientError
from connector.sources.base import FeedItem, UnreadableRow
from connector.sources.bisection import FIRST, IN_A_ROW, LONGEST, MOST_FAILURES, REMEMBERED, reached
from connector.sources.seen_ids import SeenIds
from connector.sources.traede.filters import Filter

__all__ = ["Read", "TimeBisection", "created"]

Read = Callable[[int, int, int], Awaitable[Sequence[FeedItem]]]
"""Reads the page of this number, counted from 0, of the orders created from one second to before another."""

ATTEMPTS = 2
"""Polls in a row that fail at their first page before the list is read by time."""
END = 2**31
"""In seconds since 1970: the last time that every database can store. The last part has no upper bound."""
NOBODY = 365 * 86_400
"""A second in 1971, in which no order was created."""
MOST_PAGES = 10_000


class _Bad(msgspec.Struct):
    """A second whose orders could not be read; it is left alone until `due`."""

    reason: str
    tries: int
    due: float


class TimeBisection:
    """
    Reads one list by time, and remembers from poll to poll which seconds are unreadable.

    As long as there are unreadable seconds, the list is not read as a whole.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._attempts = 0
        self._bad: dict[int, _Bad] = {}
        self._useless = False
        self._failures = self._in_a_row = 0

    @property
    def needed(self) -> bool:
        """True if the list is to be read by time now."""
        return not self._useless and (bool(self._bad) or self._attempts >= ATTEMPTS)

    def failed(self, exc: ConnectorError) -> None:
        """Record that the first page of the list failed."""
        if reached(exc) or self._attempts:  # after one such failure, the pause that follows has the same cause
            self._attempts += 1

    def succeeded(self) -> None:
        """Record that the first page of the list was read."""
        self._attempts = 0

    async def read(self, read: Read) -> tuple[list[FeedItem], list[UnreadableRow]] | None:
        """
        Return the readable orders, each once, and a stand-in for each unreadable second.

        Returns None if the filter has no effect; it is not tried again. Raises the error of a call that cannot fail
        because of the orders: the endpoint is the cause.
        """
        self._attempts = ATTEMPTS - 1  # if this reading fails, the next one is of the whole list
        self._failures = self._in_a_row = 0
        if await self._prove(read):
            self._useless = True
            return None
        found: dict[str, FeedItem] = {}
        unreadable: list[UnreadableRow] = []
        start = 0
        for second in [*sorted(self._bad), END]:
            await self._span(read, start, second, found, unreadable)
            if second in self._bad:
                await self._again(read, second, found, unreadable)
            start = second + 1
        self._attempts = 0
        return list(found.values()), unreadable

    async def _prove(self, read: Read) -> bool:
        """Read a span without orders, to show that the endpoint answers; return whether it listed any."""
        self._in_a_row = 0
        return bool(await read(0, NOBODY, NOBODY + 1))

    async def _span(
        self, read: Read, start: int, end: int, found: dict[str, FeedItem], unreadable: list[UnreadableRow]
    ) -> None:
        """Read the orders of a span of time, in parts if necessary."""
        if start >= end:
            return
        for left in (True, False):
            try:
                found |= await _whole(read, start, end)
            except ConnectorError as exc:
                failure = exc
                await self._failed(read, exc)
            else:
                self._in_a_row = 0
                return
            if end - start > 1:
                break
            if left:
                await self._prove(read)  # the orders are the cause, not the endpoint
        if self._failures > MOST_FAILURES:
            unreadable.append(_row(found, start, end, str(failure)))
        elif end - start == 1:
            self._remember(start, str(failure), 0)
            unreadable.append(_row(found, start, end, str(failure)))
        else:
            middle = (start + end) // 2
            await self._span(read, start, middle, found, unreadable)
            await self._span(read, middle, end, found, unreadable)

    async def _again(
        self, read: Read, second: int, found: dict[str, FeedItem], unreadable: list[UnreadableRow]
    ) -> None:
        """Try an unreadable second again, unless it was tried recently."""
        bad = self._bad[second]
        if self._clock.monotonic() >= bad.due:
            try:
                found |= await _whole(read, second, second + 1)
            except ConnectorError as exc:
                await self._failed(read, exc)
                self._remember(second, str(exc), bad.tries + 1)
            else:
                self._in_a_row = 0
                del self._bad[second]
                return
        unreadable.append(_row(found, second, second + 1, bad.reason))

    def _remember(self, second: int, reason: str, tries: int) -> None:
        if second in self._bad or len(self._bad) < REMEMBERED:
            wait = min(FIRST * 2 ** min(tries, 10), LONGEST)
            self._bad[second] = _Bad(reason, tries, self._clock.monotonic() + wait)

    async def _failed(self, read: Read, exc: ConnectorError) -> None:
        """Record a failed call; raise its error if the orders are not the cause."""
        self._failures += 1
        self._in_a_row += 1
        if not reached(exc):
            raise exc
        if self._in_a_row >= IN_A_ROW:
            await self._prove(read)


def created(start: int, end: int) -> list[Filter]:
    """Return the filters for orders created from one second to before another."""
    filters = [Filter(key="created_at", operator="gte", value=_moment(start))] if start else []
    return filters + ([Filter(key="created_at", operator="lt", value=_moment(end))] if end < END else [])


def _moment(second: int) -> str:
    return f"{datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=second):%Y-%m-%d %H:%M:%S}"


async def _whole(read: Read, start: int, end: int) -> dict[str, FeedItem]:
    """Return all orders of a span of time, whether or not the vendor heeds the page number."""
    found: dict[str, FeedItem] = {}
    seen = SeenIds()
    for number in range(MOST_PAGES):
        fresh = [item for item in await read(number, start, end) if item.order_id not in seen]
        if not fresh:
            return found
        seen.update(item.order_id for item in fresh)
        found |= {item.order_id: item for item in fresh}
    raise TransientError(f"the list has not ended after {MOST_PAGES} pages")


def _row(found: dict[str, FeedItem], start: int, end: int, reason: str) -> UnreadableRow:
    when = f"created at {_moment(start)}" if end - start == 1 else f"created from {_moment(start)} to {_moment(end)}"
    return UnreadableRow(len(found), "", "", f"{when} UTC: {reason}")
