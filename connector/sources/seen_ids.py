"""The ids that a poll has listed: a compact set for a million orders."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["SeenIds"]

LONGEST = 18
"""Digits of an id that is stored as a number."""


MANY = 10_000
"""Ids that are stored as text, which is fastest; beyond that, numeric ones are stored as bits."""


class SeenIds:
    """
    An exact set of order ids that only grows.

    Numeric ids in sequence, as most systems assign them, take a bit each in large sets: a million take about a
    megabyte, against a hundred for a set of texts. Other ids are stored as text.
    """

    __slots__ = ("_full", "_numbers", "_packed", "_texts")

    def __init__(self, ids: Iterable[str] = ()) -> None:
        self._numbers: dict[int, int] = {}
        """A bit for each of the 256 numbers with the same number // 256."""
        self._packed = 0
        self._texts: set[str] = set()
        self._full = MANY
        self.update(ids)

    def __len__(self) -> int:
        return self._packed + len(self._texts)

    def __contains__(self, order_id: str) -> bool:
        return order_id in self._texts or self._has_bit(order_id)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SeenIds):
            return NotImplemented
        self._pack()
        other._pack()
        return self._numbers == other._numbers and self._texts == other._texts

    __hash__ = None  # type: ignore[assignment]

    def add(self, order_id: str) -> bool:
        """Add an id; return whether it is new."""
        if order_id in self:
            return False
        self._texts.add(order_id)
        if len(self._texts) >= self._full:
            self._pack()
            self._full = len(self._texts) + MANY
        return True

    def update(self, ids: Iterable[str]) -> None:
        """Add ids."""
        for order_id in ids:
            self.add(order_id)

    def _has_bit(self, order_id: str) -> bool:
        if not self._packed or not _is_number(order_id):
            return False
        number = int(order_id)
        return bool(self._numbers.get(number >> 8, 0) >> (number & 255) & 1)

    def _pack(self) -> None:
        """Store numeric ids as bits."""
        numbers = {order_id for order_id in self._texts if _is_number(order_id)}
        for number in map(int, numbers):
            self._numbers[number >> 8] = self._numbers.get(number >> 8, 0) | 1 << (number & 255)
        self._packed += len(numbers)
        self._texts = self._texts - numbers  # a new set: one that shrinks keeps its memory


def _is_number(order_id: str) -> bool:
    """Return whether a number represents this text and no other."""
    return order_id.isdecimal() and order_id.isascii() and len(order_id) <= LONGEST and order_id[0] != "0"
