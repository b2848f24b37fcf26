"""
Reads Zendera's whole feed, and groups its shipments into orders (seed 003).

The feed lists shipments by page number, and an order's shipments may be on different pages. The feed shrinks as orders
are acknowledged and grows as orders are dispatched. An order that lacks a shipment looks like any other, so no page is
used before all are read (vendors.md 6, seed 003, #3 and #4).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from hashlib import blake2b
from typing import Any

import msgspec

from connector.sources.base import FeedItem, UnreadableRow
from connector.sources.parsing import count, unreadable_id
from connector.sources.zendera.wire import Head, identity

__all__ = ["FeedPage", "PartialPage", "Reading", "order_of", "read"]

MOST_PAGES = 10_000

_head = msgspec.json.Decoder(Head).decode
_encode = msgspec.json.encode


class FeedPage(msgspec.Struct, rename="camel"):
    """One page of the feed. Absent keys are empty or 0, as protobuf leaves them out."""

    shipments: list[msgspec.Raw] | None = None
    page: Any = None
    per_page: Any = None
    total: Any = None
    total_pages: Any = None
    error: Any = None
    message: Any = None

    @property
    def is_one(self) -> bool:
        """True for a page, and not for an error with a status of 200."""
        return self.shipments is not None or not (self.error or self.message)


class PartialPage(FeedPage, rename="camel"):
    """The readable part of a page that fails because of some of its rows."""

    unreadable: Sequence[UnreadableRow] = ()


class Reading:
    """
    The shipments that one poll of all pages listed.

    - `whole`: as far as one poll can show, the feed did not change. Every page stated the same total, and as many
      shipments were listed. Without a stated total, only a single page is certain.
    - `unreadable`: the rows that cannot be read, of unknown orders.
    """

    def __init__(self) -> None:
        self.whole = True
        self.unreadable: dict[int, UnreadableRow] = {}
        self._orders: dict[str, dict[tuple[str, bytes], bytes]] = {}
        self._shipments: set[tuple[str, str]] = set()
        self._size = 0
        self._totals: list[int | None] = []

    def __len__(self) -> int:
        return len(self._orders)

    def __iter__(self) -> Iterator[str]:
        return iter(self._orders)

    def __contains__(self, order_id: object) -> bool:
        return order_id in self._orders

    @property
    def size(self) -> int:
        """The number of different shipments that were listed, unreadable ones included."""
        return self._size + len(self.unreadable)

    @property
    def certain(self) -> bool:
        """True if a shipment that is not listed is certainly not in the feed."""
        return self.whole and not self.unreadable

    def add(self, page: FeedPage) -> int:
        """Add a page; return the number of new shipments."""
        before = self.size
        self._close_gap(page)
        for raw in page.shipments or ():
            self._add(bytes(raw))
        if isinstance(page, PartialPage):
            self.unreadable |= {row.position: row for row in page.unreadable}
        self._totals.append(count(page.total))
        return self.size - before

    def _close_gap(self, page: FeedPage) -> None:
        """Name the first order of a page as the successor of unreadable rows at the end of the page before."""
        first = next(filter(None, map(order_of, page.shipments or ())), "")
        if first:
            self.unreadable |= {
                position: msgspec.structs.replace(row, before=first)
                for position, row in self.unreadable.items()
                if not row.before
            }

    def _add(self, raw: bytes) -> None:
        try:
            head = _head(raw)
        except (ValueError, RecursionError):
            head = Head()
        digest = blake2b(raw, digest_size=8).digest()
        order_id = identity(head.order_id) or unreadable_id(raw)
        shipment_id = identity(head.id) or identity(head.shipment_id)
        shipments = self._orders.setdefault(order_id, {})
        if (shipment_id, digest) in shipments:
            return
        if shipment_id and (order_id, shipment_id) in self._shipments:
            self.whole = False  # changed during the reading, or the id is not that of one shipment: read again
        self._shipments.add((order_id, shipment_id))
        shipments[shipment_id, digest] = raw
        self._size += 1

    def close(self) -> None:
        """Complete the reading after its last page, and decide whether it is whole."""
        first, *others = self._totals
        if any(total != first for total in others) or (first is None and others) or (first or 0) > self.size:
            self.whole = False

    def same(self, other: Reading) -> set[str]:
        """Return the orders that both readings list with the same shipments."""
        return {
            order_id
            for order_id, found in self._orders.items()
            if order_id in other and found.keys() == other._orders[order_id].keys()
        }

    def beside_unreadable(self) -> set[str]:
        """
        Return the orders next to an unreadable row, which may be one of their shipments.

        That no other order of the reading has several shipments proves nothing: this may be the only one.
        """
        return {order for row in self.unreadable.values() for order in (row.after, row.before)} & self._orders.keys()

    def items(self) -> list[FeedItem]:
        """Return the orders, with their shipments sorted by id; those without an id in the order of the feed."""
        return [FeedItem(order_id, _joined(order_id, found)) for order_id, found in self._orders.items()]


async def read(page: Callable[[int], Awaitable[FeedPage]]) -> Reading:
    """
    Read all pages of the feed once.

    The reading ends at an empty page, at a page without a new shipment, and at the last page if as many shipments were
    listed as the vendor states. A page that fails raises: half a reading is useless.
    """
    reading = Reading()
    for number in range(1, MOST_PAGES + 1):
        found = await page(number)
        fresh = reading.add(found)
        pages, total = count(found.total_pages), count(found.total) or 0
        if not fresh or (pages and number >= pages and reading.size >= total):
            break
    reading.close()
    return reading


def order_of(raw: msgspec.Raw) -> str:
    """Return the id of a shipment's order, or an empty text."""
    try:
        return identity(_head(raw).order_id)
    except (ValueError, RecursionError):
        return ""


def _joined(order_id: str, shipments: dict[tuple[str, bytes], bytes]) -> bytes:
    """Return the order as one JSON object of the vendor's own bytes, independent of the pages that they came on."""
    if order_id.startswith("unreadable-"):
        return next(iter(shipments.values()))
    ordered = [shipments[key] for key in sorted(shipments, key=_rank)] if len(shipments) > 1 else shipments.values()
    return b'{"orderId":%b,"shipments":[%b]}' % (_encode(order_id), b",".join(ordered))


def _rank(key: tuple[str, bytes]) -> tuple[bool, int, str, bytes]:
    """Sort numbers by value, then texts; shipments with the same id, or none, by content."""
    shipment_id, digest = key
    number = shipment_id.isascii() and shipment_id.isdecimal()
    return not number, int(shipment_id) if number else 0, shipment_id, digest
