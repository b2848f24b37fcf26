"""
eWarehousing Solutions' middleware as a source: the orders with certain statuses, mirrored elsewhere.

Seed 004; vendors.md section 4, and section 6 for the readings of its ambiguous places. The vendor has no mark for
"exported": an order stays in the feed as long as it has one of the statuses, and the journal decides which orders are
known. The list shows no lines, so every order of every poll costs a call of its own: choose few statuses and a
`poll_interval` to match.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import ClassVar
from zoneinfo import ZoneInfo

import msgspec

from connector.clients.ewarehousing.client import EXPAND, EwarehousingClient, Filters, NotFound
from connector.clients.ewarehousing.paging import each
from connector.clients.ewarehousing.responses import row_id
from connector.clock import Clock
from connector.errors import ConnectorError, TransientError
from connector.order import Order
from connector.sources.base import Acknowledgement, AckOutcome, Confirmed, FeedItem, Page, SourceTraits, UnreadableRow
from connector.sources.bisection import SingleReads, reached
from connector.sources.ewarehousing.order import to_order
from connector.sources.ewarehousing.paging import OrderList
from connector.sources.ewarehousing.settings import EwarehousingSourceSettings

__all__ = ["EwarehousingSource"]


class _OrderHead(msgspec.Struct):
    """The field on which the list and the order itself must agree."""

    status: str | None = None


_head = msgspec.json.Decoder(_OrderHead)


class EwarehousingSource:
    """One customer's orders at one warehouse, by status."""

    settings: ClassVar[type[EwarehousingSourceSettings]] = EwarehousingSourceSettings
    ack_limit: ClassVar[int] = 50
    traits: ClassVar[SourceTraits] = SourceTraits(accepts_failures=False, feed_shrinks=False, ack_idempotent=True)

    def __init__(self, name: str, settings: EwarehousingSourceSettings, clock: Clock) -> None:
        self.name = name
        self._settings = settings
        self._zone = ZoneInfo(settings.timezone)
        self._client = EwarehousingClient(settings, name=name, clock=clock)
        self.endpoint = self._client.endpoint
        self._clock = clock
        self._single_reads = SingleReads(clock)
        self._lists: dict[str, OrderList] = {}
        self._filters: Filters = {}
        if settings.is_business_to_business is not None:
            self._filters["is_business_to_business"] = settings.is_business_to_business
        if settings.requested_delivery_date_gte is not None:
            self._filters["requested_delivery_date_gte"] = settings.requested_delivery_date_gte

    def rotate_secrets(self, settings: EwarehousingSourceSettings) -> None:
        """Log in with the user and password of `settings`; see `SupportsSecretRotation`."""
        self._client.rotate_secrets(settings)

    async def fetch(self, gone: Callable[[], int]) -> AsyncGenerator[Page, None]:
        """
        Poll the orders with one of the statuses; see `Source.fetch`.

        Each status has a list of its own, since the filter accepts one, and each order a call. The filter is verified,
        as a server that ignores it would list all orders. An order that changes its status during the poll can hide
        another one, which the next poll shows.
        """
        seen: set[str] = set()
        for status in dict.fromkeys(self._settings.statuses):
            filters: Filters = {**self._filters, "status": status}
            pages = self._list(status).pages(filters)
            async with aclosing(pages):
                async for rows, unreadable in pages:
                    fresh = [row for row in rows if row_id(row) not in seen and self._wanted(row)]
                    seen |= {row_id(row) for row in fresh}
                    found = await each(self._item, fresh)
                    yield Page(
                        [item for item in found if isinstance(item, FeedItem)],
                        unreadable=[*unreadable, *self._unreadable(found)],
                    )

    async def acknowledge(self, batch: Sequence[Acknowledgement]) -> Mapping[str, AckOutcome]:
        """Confirm without a call: eWarehousing has no mark for exported orders, and the journal keeps them."""
        return {ack.order_id: Confirmed() for ack in batch}

    def to_order(self, raw: bytes) -> Order:
        """Map one order of the feed to the canonical order. Pure; raises `Unmappable` and nothing else."""
        return to_order(self.name, raw, self._zone)

    async def check(self) -> str:
        """Log in and list one order of each status; return one line for the operator. Changes nothing."""
        for status in self._settings.statuses:
            filters: Filters = {**self._filters, "status": status}
            await self._client.list(limit=1, **filters)
        return (
            f"{self._settings.base_url}: logged in, the order list answers "
            f"(WMS {self._settings.wms_code}, customer {self._settings.customer_code})"
        )

    async def aclose(self) -> None:
        """Release the connections. Idempotent."""
        await self._client.aclose()

    def _list(self, status: str) -> OrderList:
        if status not in self._lists:
            self._lists[status] = OrderList(self._client, self._settings.page_size, self._clock)
        return self._lists[status]

    async def _item(self, row: bytes) -> FeedItem | UnreadableRow | ConnectorError | None:
        """
        Return the whole order of a row; None if it was deleted, or has another status, since it was listed.

        For an order that fails now, return the error; for one that failed before, its stand-in.
        """
        order_id = row_id(row)
        if order_id.startswith("unreadable-"):
            return FeedItem(order_id, row)
        if (known := self._single_reads.left_alone(order_id)) is not None:
            return known
        try:
            raw = await self._client.get_raw(order_id, expand=EXPAND)
        except NotFound:
            return None
        except ConnectorError as exc:
            if not reached(exc):
                raise
            return self._single_reads.failed(order_id, exc) or exc
        self._single_reads.read(order_id)
        return FeedItem(order_id, raw) if self._wanted(raw) else None

    def _unreadable(self, found: Sequence[FeedItem | UnreadableRow | ConnectorError | None]) -> list[UnreadableRow]:
        """Return the unreadable orders of a page; raise the error of one that fails for the first time, or of all."""
        failures = [each for each in found if isinstance(each, ConnectorError)]
        if failures:
            raise failures[0]
        rows = [each for each in found if isinstance(each, UnreadableRow)]
        if len(rows) > 1 and len(rows) == len(found):
            raise TransientError(f"{self.name}: no order of a page can be read: {rows[0].reason}")
        return rows

    def _wanted(self, raw: bytes) -> bool:
        """Return whether an order has one of the statuses; one with an unreadable status is left to an operator."""
        try:
            status = _head.decode(raw).status
        except (ValueError, RecursionError):
            return True
        return status is None or status.casefold() in self._settings.statuses
