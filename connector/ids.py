"""Which orders a walk has listed, a million of them in little room."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["Ids"]

LONGEST = 18
"""Digits of an id that is kept as a number."""


class Ids:
    """
    A set of order ids that only grows, and that is exact.

    Ids that are numbers, one after the other as most systems give them, take a bit each: a million about a megabyte,
    where a set of texts takes a hundred. Others are kept as they are.
    """

    __slots__ = ("_count", "_numbers", "_texts")

    def __init__(self, ids: Iterable[str] = ()) -> None:
        self._numbers: dict[int, int] = {}
        """By number // 256, a bit for each of the 256 numbers."""
        self._texts: set[str] = set()
        self._count = 0
        self.update(ids)

    def __len__(self) -> int:
        return self._count

    def __contains__(self, order_id: str) -> bool:
        if not _is_number(order_id):
            return order_id in self._texts
        number = int(order_id)
        return bool(self._numbers.get(number >> 8, 0) >> (number & 255) & 1)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ids) and self._numbers == other._numbers and self._texts == other._texts

    __hash__ = None  # type: ignore[assignment]

    def add(self, order_id: str) -> bool:
        """Take an id in; return whether it is new."""
        if _is_number(order_id):
            number = int(order_id)
            block, bit = number >> 8, 1 << (number & 255)
            bits = self._numbers.get(block, 0)
            if bits & bit:
                return False
            self._numbers[block] = bits | bit
        elif order_id in self._texts:
            return False
        else:
            self._texts.add(order_id)
        self._count += 1
        return True

    def update(self, ids: Iterable[str]) -> None:
        """Take ids in."""
        for order_id in ids:
            self.add(order_id)


def _is_number(order_id: str) -> bool:
    """Whether a number stands for this text and for no other."""
    return order_id.isdecimal() and order_id.isascii() and len(order_id) <= LONGEST and order_id[0] != "0"
