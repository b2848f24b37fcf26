"""
Reads a page around the rows that make it fail: in halves, then in smaller parts, then row by row.

A vendor that cannot encode one order often answers 500 to every page with that order, and all orders behind it would
wait. A page that fails twice in a row, while the endpoint answers other calls, is read in parts; a row that fails alone
is left out and named. An endpoint that answers no call is not bisected.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

import msgspec

from connector.clock import Clock
from connector.errors import ConnectorError, RejectedError, TransientError
from connector.journal.records import UnreadableRow

__all__ = ["Bisection", "SingleReads", "UnreadableRow", "parts_of", "reached"]

T = TypeVar("T")

Read = Callable[[int, int], Awaitable[Sequence[T]]]
"""Reads the page of this number, counted from 0, of this many rows."""

FIRST = 30.0
"""Seconds for which an unreadable row is left alone; doubled with each further failure."""
LONGEST = 900.0
MOST_FAILURES = 200
"""Failed calls for unreadable rows that one poll may make; the rows behind them wait for a later poll."""
IN_A_ROW = 3
"""Failures in a row after which a call that succeeded before is repeated: the endpoint itself may be failing."""
REMEMBERED = 1000


class _Ignored(Exception):
    """The vendor returned more rows than requested: it ignores the page size."""


class _Known(msgspec.Struct):
    """A row that could not be read; it is left alone until `due` while its neighbours stay the same."""

    row: UnreadableRow
    tries: int
    due: float


def reached(exc: ConnectorError) -> bool:
    """Return whether an error shows that the endpoint received the call and failed; another call may succeed."""
    return isinstance(exc, RejectedError) or (isinstance(exc, TransientError) and exc.reached)


def parts_of(size: int) -> int:
    """Return the sizes of the parts into which a page is cut: halves, then divisors near the square root, then rows."""
    if size >= 16 and size % 2 == 0:
        return size // 2
    return max((part for part in range(1, int(size**0.5) + 1) if size % part == 0 and part < size), default=1)


class SingleReads:
    """
    Orders that are read by a call each, some of which fail.

    An order that fails twice in a row is left alone for a while, and longer after each further failure.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: dict[str, _Known] = {}

    def left_alone(self, order_id: str) -> UnreadableRow | None:
        """Return the stand-in of an order that is not to be read now."""
        known = self._known.get(order_id)
        return known.row if known is not None and self._clock.monotonic() < known.due else None

    def failed(self, order_id: str, exc: ConnectorError) -> UnreadableRow | None:
        """Record a failure; return the stand-in of the order, except for its first failure."""
        known = self._known.get(order_id)
        tries = 0 if known is None else known.tries + 1
        row = UnreadableRow(0, "", "", str(exc), order_id)
        wait = min(FIRST * 2 ** min(tries, 10), LONGEST) if tries else 0.0
        if known is not None or len(self._known) < REMEMBERED:
            self._known[order_id] = _Known(row, tries, self._clock.monotonic() + wait)
        return row if tries else None

    def read(self, order_id: str) -> None:
        """Record that an order was read."""
        self._known.pop(order_id, None)


class Bisection(Generic[T]):
    """
    Reads the pages of one list. `key` returns the order id of a row, by which its neighbours are named.

    Unreadable rows are remembered from poll to poll by position. A remembered row is read alone, so that its page does
    not fail again, and is left alone for a while as long as its neighbours are the same. `blamed` decides whether the
    rows can be the cause of an error.
    """

    def __init__(
        self, clock: Clock, key: Callable[[T], str], blamed: Callable[[ConnectorError], bool] = reached
    ) -> None:
        self._clock = clock
        self._key = key
        self._blamed = blamed
        self._known: dict[int, _Known] = {}
        self._suspect = -1
        """The first row of the page that failed last."""
        self._failures = 0
        self._in_a_row = 0
        self._turn = -1
        self._sound: tuple[int, int] | None = None
        """A call of this poll that succeeded."""
        self._last = ""
        self._read_alone: set[int] = set()
        """Rows of this page that were read alone."""

    def begin(self) -> None:
        """Start a poll."""
        self._failures = self._in_a_row = 0
        self._sound = None
        self._last = ""

    async def page(
        self, read: Read[T], number: int, size: int, pitch: int | None = None
    ) -> Sequence[T | UnreadableRow]:
        """
        Return the rows of a page, with a stand-in for each unreadable one.

        `pitch` is the number of rows from one page to the next, if it differs from the requested size.

        Raises:
            ConnectorError: as `read`, for a page that fails for the first time, and while the endpoint answers no other
                call.
        """
        rows = await self._page(read, number, size, pitch or size)
        self._last = next((self._key(row) for row in reversed(rows) if not isinstance(row, UnreadableRow)), self._last)
        return rows

    async def _page(self, read: Read[T], number: int, size: int, pitch: int) -> Sequence[T | UnreadableRow]:
        start = number * pitch
        failure: ConnectorError | None = None
        rows: Sequence[T | UnreadableRow]
        try:
            if self._suspect == start and self._sound is None:
                # Not the failed page: a breaker that opened for that page lets one call at a time through.
                await self._prove(read, start, pitch)
            if any(start <= position < start + pitch for position in self._known):
                return await self._around(read, start, pitch)
            try:
                rows = await read(number, size)
            except ConnectorError as exc:
                failure = exc
                if self._suspect != start or not self._blamed(exc):
                    self._suspect = start if self._blamed(exc) else self._suspect
                    raise
                rows = await self._narrowed(read, start, pitch)
        except _Ignored:
            if failure is not None:
                raise failure from None
            self._known.clear()
            return await read(number, size)
        if self._suspect == start:
            self._suspect = -1
        if failure is None:
            self._sound = number, size
        return rows

    async def _around(self, read: Read[T], start: int, size: int) -> Sequence[T | UnreadableRow]:
        """Read a page around rows that could not be read before."""
        before, self._suspect = self._suspect, start  # in case it fails
        rows = await self._narrowed(read, start, size)
        self._suspect = -1 if before == start else before
        return rows

    async def _prove(self, read: Read[T], start: int, size: int) -> None:
        """
        Find a call that the endpoint answers, other than the page that failed; raise the error of the last one.

        The candidates take turns at being first, because the first one may contain an unreadable row, too.
        """
        calls = [(start, 1), (start // size + 1, size), (start + size // 2, 1)]
        calls = [call for call in dict.fromkeys(calls) if call != (start // size, size)]
        self._turn += 1
        failure: ConnectorError | None = None
        for place in range(len(calls)):
            try:
                await self._call(read, *calls[(self._turn + place) % len(calls)])
            except ConnectorError as exc:
                if not self._blamed(exc):
                    raise
                failure = exc
            else:
                return
        if failure is not None:
            raise failure

    async def _narrowed(self, read: Read[T], start: int, size: int) -> Sequence[T | UnreadableRow]:
        before = self._known.copy()
        self._read_alone.clear()
        try:
            rows = await self._rows(read, start, size, whole=size)
            rows = await self._beside(read, rows, size)
        except BaseException:
            self._known = before  # the rows may not be the cause
            raise
        for position in [each for each in self._known if start <= each < start + size]:
            if not any(isinstance(row, UnreadableRow) and row.position == position for row in rows):
                del self._known[position]
        return rows

    async def _rows(self, read: Read[T], start: int, size: int, *, whole: int) -> list[T | UnreadableRow]:
        """Return `size` rows from `start` on, of a page of `whole` rows that fails as a whole."""
        if size == 1:
            return await self._row(read, start, whole)
        if size < whole and not any(start <= position < start + size for position in self._known):
            try:
                return list(await self._call(read, start // size, size))
            except ConnectorError as exc:
                await self._failed(read, exc, start, whole)
        found: list[T | UnreadableRow] = []
        part = parts_of(size)
        for first in range(start, start + size, part):
            rows = await self._rows(read, first, part, whole=whole)
            found += rows
            if not rows:
                break  # the list ends before this row
        return found

    async def _row(self, read: Read[T], position: int, whole: int) -> list[T | UnreadableRow]:
        """Return one row, or its stand-in; nothing behind the end of the list."""
        known = self._known.get(position)
        if known is not None and self._clock.monotonic() < known.due:
            return [known.row]
        self._read_alone.add(position)
        reason = ""
        for left in (0,) if known is not None else (1, 0):
            try:
                return list(await self._call(read, position, 1))
            except ConnectorError as exc:
                await self._failed(read, exc, position, whole)
                reason = str(exc)
            if left and self._sound is not None:
                await self._call(read, *self._sound)  # the row is the cause, not the endpoint
        row = UnreadableRow(position, "", "", reason)
        tries = 0 if known is None else known.tries + 1
        if len(self._known) < REMEMBERED:
            due = self._clock.monotonic() + min(FIRST * 2 ** min(tries, 10), LONGEST)
            self._known[position] = _Known(row, tries, due)
        return [row]

    async def _beside(self, read: Read[T], rows: Sequence[T | UnreadableRow], whole: int) -> list[T | UnreadableRow]:
        """Name the neighbours of each unreadable row, and read a row again whose neighbours have changed."""
        found: list[T | UnreadableRow] = []
        for place, row in enumerate(rows):
            known = self._known.get(row.position) if isinstance(row, UnreadableRow) else None
            if (
                isinstance(row, UnreadableRow)
                and known is not None
                and row.position not in self._read_alone
                and known.row != self._named(row, found, rows[place + 1 :])
            ):
                known.due = 0.0
                found += await self._row(read, row.position, whole)
            else:
                found.append(row)
        # Not earlier: a row that was read just now is also a neighbour of the rows before it.
        for place, row in enumerate(found):
            if isinstance(row, UnreadableRow):
                named = self._named(row, found[:place], found[place + 1 :])
                found[place] = named
                if (known := self._known.get(row.position)) is not None:
                    known.row = named
        return found

    def _named(
        self, row: UnreadableRow, ahead: Sequence[T | UnreadableRow], behind: Sequence[T | UnreadableRow]
    ) -> UnreadableRow:
        after = next((self._key(each) for each in reversed(ahead) if not isinstance(each, UnreadableRow)), self._last)
        before = next((self._key(each) for each in behind if not isinstance(each, UnreadableRow)), "")
        return UnreadableRow(row.position, after, before, row.reason)

    async def _call(self, read: Read[T], number: int, size: int) -> Sequence[T]:
        rows = await read(number, size)
        if len(rows) > size and len({self._key(row) for row in rows}) > size:  # a page may list an order twice
            raise _Ignored
        self._sound = number, size
        self._in_a_row = 0
        return rows

    async def _failed(self, read: Read[T], exc: ConnectorError, start: int, whole: int) -> None:
        """Record a failed call; raise its error if the rows are not the cause, or if there were too many failures."""
        self._failures += 1
        self._in_a_row += 1
        if not self._blamed(exc) or self._failures > MOST_FAILURES:
            raise exc
        if self._sound is None:
            await self._prove(read, start - start % whole, whole)
        elif self._in_a_row >= IN_A_ROW:
            await self._call(read, *self._sound)
