"""
Reads the list of eWarehousing's orders page by page, around rows that make their page fail.

The documents do not state whether pages count from 0 or from 1 (vendors.md 6/004 #14). The first call names no page;
page 1 is then either the same page again or the second one.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

from connector.clients.ewarehousing.client import EwarehousingClient, Filters
from connector.clients.ewarehousing.paging import MOST_PAGES, EndlessList
from connector.clock import Clock
from connector.errors import ConnectorError
from connector.sources.base import UnreadableRow
from connector.sources.bisection import Bisection, reached

__all__ = ["OrderList"]

Row = tuple[str, bytes]


class OrderList:
    """One list that is read repeatedly, oldest first, because new rows would shift the opposite order."""

    def __init__(self, client: EwarehousingClient, size: int, clock: Clock) -> None:
        self._client = client
        self._size = size
        self._base: int | None = None
        """The number of the first page; None while it is unknown."""
        self._bisection: Bisection[Row] = Bisection(clock, lambda row: row[0])

    async def pages(self, filters: Filters) -> AsyncGenerator[tuple[list[bytes], list[UnreadableRow]], None]:
        """
        Poll the list; yield the new rows of each page, and its unreadable rows.

        Ends after the first short page; raises `EndlessList` at a full page without a new row. A row that leaves the
        list during the poll can hide another one, which the next poll shows.
        """

        async def read(number: int, size: int) -> Sequence[Row]:
            page = None if number == 0 else number + (self._base or 0)
            return await self._client.raw_page(limit=size, page=page, **filters)

        seen: set[str] = set()
        self._bisection.begin()
        number = 0
        for _ in range(MOST_PAGES):
            rows = await self._page(read, number, filters)
            unreadable = [row for row in rows if isinstance(row, UnreadableRow)]
            listed = dict(row for row in rows if not isinstance(row, UnreadableRow))
            new = {key: row for key, row in listed.items() if key not in seen}
            seen |= new.keys()
            if new or unreadable:
                yield list(new.values()), unreadable
            if len(rows) < self._size:
                return
            if number == 1 and self._base is None:
                self._base = 0 if new else 1
                number -= self._base  # the first page again: the second one has the next number
            elif not new and not unreadable and number > 0:
                break  # a full page without a new row: `page` is ignored, and the rest of the list cannot be read
            number += 1
        raise EndlessList("the list does not end: the filter or the paging seems to be ignored")

    async def _page(
        self, read: Callable[[int, int], Awaitable[Sequence[Row]]], number: int, filters: Filters
    ) -> Sequence[Row | UnreadableRow]:
        try:
            return await self._bisection.page(read, number, self._size)
        except ConnectorError as exc:
            if self._base is None and reached(exc):
                await self._count_from(filters)
            raise

    async def _count_from(self, filters: Filters) -> None:
        """Find the number of the first page, 0 or 1, by single rows, one of which may fail."""
        found: list[object] = []
        for page in (None, 1):
            try:
                found.append([key for key, _ in await self._client.raw_page(limit=1, page=page, **filters)])
            except ConnectorError as exc:
                if not reached(exc):
                    return
                found.append(None)
        self._base = 1 if found[0] == found[1] else 0
