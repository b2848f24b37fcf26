"""Which orders a walk has listed, a million of them in little room."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["SeenIds"]

LONGEST = 18
"""Digits of an id that is kept as a number."""


MANY = 10_000
"""Texts that are kept as they are, which is quickest; of more, those that are numbers are turned into bits."""


class SeenIds:
    """
    A set of order ids that only grows, and that is exact.

    Ids that are numbers, one after the other as most systems give them, take a bit each where there are many: a million
    about a megabyte, where a set of texts takes a hundred. Others are kept as they are.
    """

    __slots__ = ("_full", "_numbers", "_packed", "_texts")

    def __init__(self, ids: Iterable[str] = ()) -> None:
        self._numbers: dict[int, int] = {}
        """By number // 256, a bit for each of the 256 numbers."""
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
        """Take an id in; return whether it is new."""
        if order_id in self:
            return False
        self._texts.add(order_id)
        if len(self._texts) >= self._full:
            self._pack()
            self._full = len(self._texts) + MANY
        return True

    def update(self, ids: Iterable[str]) -> None:
        """Take ids in."""
        for order_id in ids:
            self.add(order_id)

    def _has_bit(self, order_id: str) -> bool:
        if not self._packed or not _is_number(order_id):
            return False
        number = int(order_id)
        return bool(self._numbers.get(number >> 8, 0) >> (number & 255) & 1)

    def _pack(self) -> None:
        """Turn the texts that are numbers into bits."""
        numbers = {order_id for order_id in self._texts if _is_number(order_id)}
        for number in map(int, numbers):
            self._numbers[number >> 8] = self._numbers.get(number >> 8, 0) | 1 << (number & 255)
        self._packed += len(numbers)
        self._texts = self._texts - numbers  # a new one: a set that shrinks keeps its room


def _is_number(order_id: str) -> bool:
    """Whether a number stands for this text and for no other."""
    return order_id.isdecimal() and order_id.isascii() and len(order_id) <= LONGEST and order_id[0] != "0"
