"""Reads many orders at eWarehousing: lists whose page numbering is not documented, and many single reads."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from datetime import date
from typing import TypedDict, TypeVar

import anyio

from connector.errors import ConnectorError, TransientError

__all__ = ["MOST_PAGES", "PAGE_SIZE", "EndlessList", "Filters", "Query", "each", "filtered", "paged"]

T = TypeVar("T")
R = TypeVar("R")

Query = list[tuple[str, str]]

PAGE_SIZE = 50
"""The documented default, which the vendor certainly accepts: a shorter page is the last one."""
MOST_PAGES = 100_000


class Filters(TypedDict, total=False):
    """The documented filters of the list; whether they compare exactly is not documented (vendors.md 6/004 #11)."""

    reference: str
    external_reference: str
    external_id: str
    status: str
    is_business_to_business: bool
    requested_delivery_date_gte: date | str


def filtered(filters: Filters) -> Query:
    """Return the filters as query parameters; the vendor may ignore an unknown one, and list everything."""
    if unknown := filters.keys() - Filters.__annotations__.keys():
        raise TypeError(f"unknown filter {', '.join(sorted(unknown))}")
    return [(name, _parameter(value)) for name, value in filters.items() if value is not None]


def _parameter(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if isinstance(value, date) else str(value)


class EndlessList(TransientError):
    """The rows so far are valid, but may not be all."""


async def paged(
    read: Callable[[Query], Awaitable[Sequence[tuple[str, T]]]],
    query: Query,
    *,
    size: int = PAGE_SIZE,
    most: int = MOST_PAGES,
) -> AsyncGenerator[list[T], None]:
    """
    Read a list page by page, oldest first; yield the new rows of each page (`read` returns id and row).

    - The documents do not state whether pages count from 0 or from 1 (vendors.md 6/004 #14). The first call names no
      page; page 1 is then either the same page again or the second one, and the next is page 2 either way.
    - Oldest first, because new rows would shift the pages of the default order (#15).
    - Ends after the first short page; raises `EndlessList` at a full page without a new row, or after `most` pages.
    - A row that leaves the list during the reading can hide another one, which the next reading shows.
    """
    if not 1 <= size <= PAGE_SIZE:
        raise ValueError(f"a page holds from 1 to {PAGE_SIZE} rows")
    query = [*query, ("limit", str(size)), ("sort", "createdAt"), ("direction", "asc")]
    seen: set[str] = set()
    for page in range(most):
        rows = await read([*query, ("page", str(page))] if page else query)
        new: dict[str, T] = {}
        for key, row in rows:
            if key not in seen:
                new.setdefault(key, row)
        seen |= new.keys()
        if new:
            yield list(new.values())
        if len(rows) < size:
            return
        if not new and page > 1:
            break  # a full page without a new row: `page` is ignored, and the rest of the list cannot be read
    raise EndlessList("the list does not end: the filter or the paging seems to be ignored")


async def each(function: Callable[[T], Awaitable[R]], items: Sequence[T]) -> list[R]:
    """Call `function` for all `items` at once (the endpoint limits the calls); the first error ends the others."""
    results: dict[int, R] = {}
    failures: list[ConnectorError] = []

    async def one(number: int, item: T) -> None:
        try:
            results[number] = await function(item)
        except ConnectorError as exc:
            failures.append(exc)
            tg.cancel_scope.cancel()

    async with anyio.create_task_group() as tg:
        for number, item in enumerate(items):
            tg.start_soon(one, number, item)
    if failures:
        raise failures[0]
    return [results[number] for number in range(len(items))]
