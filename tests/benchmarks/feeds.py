"""
Orders of the three vendors' shapes, as many as wanted and none of them kept: a page is written when it is requested.

The feed keeps one byte of an order: whether it still waits. An order's text is one of a few dozen made-up ones of
`connector.sandbox`, with its own id in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from connector.sandbox.propeller.orders import propeller_orders
from connector.sandbox.server import encode
from connector.sandbox.traede.orders import traede_orders
from connector.sandbox.zendera.shipments import zendera_shipments

__all__ = ["FIRST_ID", "Feed"]

FIRST_ID = 1_000_000
DIFFERENT = 48
"""Texts that take turns."""
TEXT_ID = 770_000_000
"""The id of the first text; no other number in them looks like it."""
BLOCK = 1024
"""Orders that are counted together, so that a page deep in the feed is found without looking at all before it."""


def _shipments(count: int) -> list[dict[str, Any]]:
    shipments = zendera_shipments(count, first_id=TEXT_ID, split=0)
    return [{**shipment, "id": shipment["orderId"]} for shipment in shipments]


MAKERS: dict[str, Callable[[], list[dict[str, Any]]]] = {
    "patch": lambda: propeller_orders(DIFFERENT, first_id=TEXT_ID),
    "tens": lambda: traede_orders(DIFFERENT, first_id=TEXT_ID),
    "fifties": lambda: _shipments(DIFFERENT),
}


class Feed:
    """`orders` orders of `shape` that wait to be exported, their ids from `FIRST_ID`."""

    def __init__(self, shape: str, orders: int) -> None:
        self._texts = [
            encode(made).split(str(TEXT_ID + number).encode()) for number, made in enumerate(MAKERS[shape]())
        ]
        self._waits = bytearray()
        self._blocks: list[int] = []
        self.left = 0
        self.add(orders)

    def add(self, orders: int) -> None:
        """Let `orders` more appear, at the end."""
        self._waits += b"\1" * orders
        self.left += orders
        self._blocks = [self._waits.count(1, at, at + BLOCK) for at in range(0, len(self._waits), BLOCK)]

    def mark(self, order: int) -> None:
        """Let the order with this number (from 0) leave the feed, if it is still there."""
        if self._waits[order]:
            self._waits[order] = 0
            self._blocks[order // BLOCK] -= 1
            self.left -= 1

    def leave(self, orders: int) -> None:
        """Let the first `orders` leave the feed at once."""
        self._waits[:orders] = bytes(orders)
        self.left = 0
        self.add(0)
        self.left = sum(self._blocks)

    def page(self, first: int, size: int) -> list[bytes]:
        """Return the texts of up to `size` orders that wait, after the first `first` of them."""
        return [self.text(order) for order, _ in zip(self._waiting(first), range(size), strict=False)]

    def text(self, order: int) -> bytes:
        """Return one order as its vendor writes it."""
        return (b"%d" % (FIRST_ID + order)).join(self._texts[order % DIFFERENT])

    def _waiting(self, skip: int) -> Iterator[int]:
        block = 0
        while block < len(self._blocks) and self._blocks[block] <= skip:
            skip -= self._blocks[block]
            block += 1
        at = self._waits.find(1, block * BLOCK)
        while at >= 0:
            if skip:
                skip -= 1
            else:
                yield at
            at = self._waits.find(1, at + 1)
