"""
Reads a feed of Traede's, whose paging is not documented.

`page` counts from 0 and `limit` is at most 60 in Traede's other collections (vendors.md section 2, Pagination). The
export may honour them, return smaller pages, or return everything each time (vendors.md 6, seeds 001/002, #7). One loop
handles all three.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from typing import Any

import msgspec

from connector.errors import ConnectorError, TransientError
from connector.sources.base import FeedItem, Page, UnreadableRow, next_page
from connector.sources.bisection import Bisection
from connector.sources.parsing import unreadable_id, whole_number_id
from connector.sources.seen_ids import SeenIds
from connector.sources.traede.parsing import first
from connector.sources.traede.time_bisection import Read, TimeBisection

__all__ = ["items", "walk"]

MOST_PAGES = 100_000


class _PageHead(msgspec.Struct):
    """The ids that an order may have; the rest of it stays raw."""

    order_id: Any = None
    production_order_id: Any = None
    id: Any = None


_head = msgspec.json.Decoder(_PageHead)


def items(rows: Iterable[msgspec.Raw], id_keys: Sequence[str]) -> list[FeedItem]:
    """Return the orders of a response; one without a usable id is named by a hash, and cannot be mapped."""
    raws = [bytes(row) for row in rows]
    return [FeedItem(_key(raw, id_keys), raw) for raw in raws]


async def walk(
    read: Callable[[int, int], Awaitable[Sequence[FeedItem]]],
    gone: Callable[[], int],
    limit: int,
    bisection: Bisection[FeedItem],
    time_bisection: TimeBisection,
    created: Read,
) -> AsyncGenerator[Page, None]:
    """
    Read page after page, and list each order once; no yielded page is larger than `limit`.

    `read` is called with the number of a page and the limit. A page that fails is read around the row that makes it
    fail; a list that ignores both parameters is read in spans of time by `created`.

    A page without a new order ends the poll, unless it was read again because the feed has shrunk: then the next page
    may have new ones. Raises as `read`, and `TransientError` for a feed that does not end.
    """
    if time_bisection.needed and (parts := await time_bisection.read(created)) is not None:
        found, unread = parts
        for start in range(0, max(len(found), bool(unread)), limit):
            yield Page(found[start : start + limit], continued=start > 0, unreadable=() if start else unread)
        return
    seen = SeenIds()
    bisection.begin()
    number, farthest, size = 0, -1, 1
    for _ in range(MOST_PAGES):
        before = gone()
        # If the vendor's pages are smaller than requested, rows are counted by the vendor's size.
        try:
            rows = await bisection.page(read, number, limit, size if number and size < limit else limit)
        except ConnectorError as exc:
            if not number:
                time_bisection.failed(exc)
            raise
        time_bisection.succeeded()
        listed = [row for row in rows if not isinstance(row, UnreadableRow)]
        unreadable = [row for row in rows if isinstance(row, UnreadableRow) and seen.add(f"row {row.position}")]
        fresh = list({row.order_id: row for row in listed if row.order_id not in seen}.values())
        seen.update(row.order_id for row in fresh)
        for start in range(0, max(len(fresh), bool(unreadable)), limit):
            yield Page(fresh[start : start + limit], continued=start > 0, unreadable=() if start else unreadable)

        read_again, farthest = number <= farthest, max(farthest, number)
        size = max(size, len(rows))
        back = next_page(len(seen), gone(), size)
        if fresh or unreadable:
            number = min(number + 1, back) if gone() else number + 1
        elif gone() > before and back < number:
            number = back  # the orders of this page moved up during the call
        elif rows and read_again:
            number += 1
        else:
            return
    raise TransientError(f"the feed has not ended after {MOST_PAGES} pages")


def _key(raw: bytes, id_keys: Sequence[str]) -> str:
    try:
        head = _head.decode(raw)
        found = whole_number_id(first(*[getattr(head, key) for key in id_keys]))
    except (ValueError, RecursionError):
        found = None
    return found or unreadable_id(raw)
