"""
Searches Propeller's orders, page by page.

Seed 000, step 1; vendors.md section 1, and section 6 for the readings of its ambiguous places.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from connector.clock import Clock
from connector.errors import ConnectorError, RejectedError
from connector.http.endpoint import Effect, Endpoint
from connector.sources.base import FeedItem, Page, UnreadableRow, next_page
from connector.sources.bisection import Bisection, reached
from connector.sources.parsing import count, unreadable_id, whole_number_id
from connector.sources.propeller.wire import Head
from connector.sources.seen_ids import SeenIds

__all__ = ["Search", "Wanted"]

MOST_PAGES = 100_000
STALE_PAGES = 3
"""Pages without a new order after which a poll ends: the feed repeats itself."""
PAGE_TOO_LARGE = "10015"
"""The vendor's code for a page size that it refuses (vendors.md 1, error body)."""


class Wanted(msgspec.Struct, frozen=True):
    """
    The orders with one of these export statuses; [] is "none set" (the seed).

    `since`: exported at that time or later (UTC), whatever the order's current status.
    """

    statuses: Sequence[str]
    since: datetime | None = None

    def holds(self, head: Head) -> bool:
        """
        Return whether an order is wanted, whatever the search was asked for (vendors.md 6, seed 000, #1).

        A server that ignores the filter would list all orders, exported ones too.
        """
        export = (head.export_status or "").strip().casefold()
        if export in ("", "empty"):
            return self.since is None and not head.exported_at
        named = export in [status.casefold() for status in self.statuses]
        return named and (self.since is None or _later(head.exported_at, self.since))


class _Found(msgspec.Struct, rename="camel"):
    """One page of the search. Its paging values are hints, and may be of any type."""

    items: list[msgspec.Raw]
    items_found: Any = None
    pages: Any = None
    offset: Any = None


_head = msgspec.json.Decoder(Head)
_found = msgspec.json.Decoder(_Found)


class Search:
    """Searches one tenant for orders in `statuses`."""

    def __init__(self, endpoint: Endpoint, statuses: Sequence[str], status_key: str, size: int, clock: Clock) -> None:
        self._endpoint = endpoint
        self._clock = clock
        self._bisections: dict[bool, Bisection[msgspec.Raw]] = {}
        """One for the feed, one for replays."""
        self._filter = {status_key: list(statuses)}
        self._statuses = {status.casefold() for status in statuses}
        self._size = size

    async def walk(self, wanted: Wanted, gone: Callable[[], int]) -> AsyncGenerator[Page]:
        """
        Poll the `wanted` orders; see `Source.fetch`.

        `offset` is the page's size (vendors.md 6, seed 000, #3). A size that the server refuses (error 10015) is
        halved; a size that it states is used. A page that fails is read around the row that makes it fail.
        """
        size, number, stale = self._size, 0, 0
        bisection = self._bisection(wanted)
        seen = SeenIds()
        for _ in range(MOST_PAGES):
            try:
                found, unreadable = await self._page(bisection, wanted, number, size)
            except RejectedError as exc:
                if not _too_large(exc) or size == 1:
                    raise
                size //= 2
                number = next_page(len(seen), gone(), size)
                continue

            before = len(seen)
            items = [item for raw in found.items if (item := self._item(bytes(raw), wanted, seen))]
            unreadable = [row for row in unreadable if seen.add(f"row {row.position}")]
            total, pages = count(found.items_found), count(found.pages)
            yield Page(items, total, unreadable=unreadable)

            listed = len(found.items) + len(unreadable)
            short = pages is not None and number + 1 < pages and listed < size
            size = min(size, count(found.offset) or size, listed if short else size) or 1
            ended = pages is not None and number + 1 >= pages and (total is None or (number + 1) * size >= total)
            stale = stale + 1 if len(seen) == before else 0
            if not listed or ended or stale >= STALE_PAGES:
                return
            number = number + 1 if stale else next_page(len(seen), gone(), size)

    async def total(self, wanted: Wanted) -> int | None:
        """Return the number of orders, if the vendor states it."""
        return count((await self._request(wanted, 1, 1)).items_found)

    def _bisection(self, wanted: Wanted) -> Bisection[msgspec.Raw]:
        again = wanted.since is not None
        if again not in self._bisections:
            self._bisections[again] = Bisection(self._clock, _name, lambda exc: reached(exc) and not _too_large(exc))
        self._bisections[again].begin()
        return self._bisections[again]

    async def _page(
        self, bisection: Bisection[msgspec.Raw], wanted: Wanted, number: int, size: int
    ) -> tuple[_Found, list[UnreadableRow]]:
        """Return a page, or its readable part, and its unreadable rows."""
        answers: list[tuple[int, _Found]] = []

        async def read(number: int, size: int) -> list[msgspec.Raw]:
            answers.append((size, await self._request(wanted, number + 1, size)))
            return answers[-1][1].items

        rows = await bisection.page(read, number, size)
        asked, last = answers[-1] if answers else (0, _Found([]))
        if rows is last.items and asked == size:
            return last, []
        total = count(last.items_found)
        readable = [row for row in rows if not isinstance(row, UnreadableRow)]
        found = _Found(readable, total, None if total is None else -(-total // size))
        return found, [row for row in rows if isinstance(row, UnreadableRow)]

    async def _request(self, wanted: Wanted, page: int, size: int) -> _Found:
        body: dict[str, Any] = {"exportStatuses": list(wanted.statuses)}
        if wanted.since is None:
            body |= self._filter
        else:  # an exported order may have any status by now: the status changes while the order is fulfilled
            body["lastModifiedAt"] = {"from": wanted.since.isoformat(timespec="milliseconds").replace("+00:00", "Z")}
        answer = await self._endpoint.call(
            "POST",
            "/v2/orders/search",
            effect=Effect.READ,
            query=[("expands", "ORDER_ITEMS,ADDRESSES")],
            body=msgspec.json.encode({**body, "page": page, "offset": size}),
        )
        return answer.decode(_found)

    def _item(self, raw: bytes, wanted: Wanted, seen: SeenIds) -> FeedItem | None:
        """Return a listed order, unless it was listed in this poll already or is not wanted; mark it as seen."""
        try:
            head = _head.decode(raw)
            found = whole_number_id(head.id)
        except (ValueError, RecursionError):
            head, found = Head(id=0), None
        key = found or unreadable_id(raw)
        if not seen.add(key):
            return None
        if found is None:
            return FeedItem(key, raw)
        if not wanted.holds(head):
            return None
        if wanted.since is None and (head.status or "").casefold() not in self._statuses:
            return None
        return FeedItem(key, raw, "quotation" if (head.type or "").casefold() == "quotation" else "")


def _name(raw: msgspec.Raw) -> str:
    """Return the id of a listed order, or an empty text."""
    try:
        return whole_number_id(_head.decode(raw).id) or ""
    except (ValueError, RecursionError):
        return ""


def _too_large(exc: ConnectorError) -> bool:
    return isinstance(exc, RejectedError) and PAGE_TOO_LARGE in str(exc)


def _later(text: str | None, since: datetime) -> bool:
    """Return whether a time is `since` or later; also for an unreadable one, as replaying an order changes nothing."""
    try:
        at = datetime.fromisoformat(text or "")
    except ValueError:
        return True
    return (at.replace(tzinfo=UTC) if at.tzinfo is None else at) >= since
