"""How many more orders a source states than it lists for us, and what a poll makes of that."""

from __future__ import annotations

import msgspec

__all__ = ["Stated", "Surplus"]

IDLE = 2
"""Polls that list fewer than are stated and bring nothing new, after which the rest is not meant for us."""
MOST = 10
"""Such polls in a row, whatever they bring, after which the poll interval is kept all the same."""


class Stated(msgspec.Struct, frozen=True):
    """The totals that the pages of one poll stated: the most, and whether all of them stated the same."""

    most: int | None = None
    steady: bool = True

    def with_page(self, total: int | None) -> Stated:
        """Take the total of one more page in; None is none."""
        if total is None:
            return self
        if self.most is None:
            return Stated(total)
        return Stated(max(total, self.most), self.steady and total == self.most)


class Surplus:
    """
    The orders of one source that are counted and not listed: another tenant's, or hidden from these credentials.

    A total that exceeds what a poll listed may also mean that pages shifted while they were read, and that orders were
    missed: then the feed is read once more at once. `unlisted` is the part of it that later polls have shown to stay,
    and `baseline` the least that it ever was; None before the first poll. An order of ours that is hidden from one day
    on adds to that number.
    """

    def __init__(self, baseline: int | None = None) -> None:
        self.unlisted = baseline or 0
        self.baseline = baseline
        self._idle = 0
        self._short = 0

    def settled(self, stated: Stated, listed: int) -> bool:
        """
        Tell whether a poll listed all of our orders although more are stated.

        No page stated another total, so that nothing moved meanwhile, and no more is missing than ever was: of what was
        listed once, nothing can be among it.
        """
        if stated.most is None or self.baseline is None or not stated.steady:
            return False
        return stated.most - listed <= self.baseline

    def read_again(self, stated: Stated, listed: int, new: int) -> bool:
        """Take note of a poll; tell whether the feed is to be read again at once, and not after the poll interval."""
        missing = max((stated.most or 0) - listed, 0)
        if missing <= self.unlisted:
            self._accept(missing)
            return False
        self._short += 1
        self._idle = 0 if new else self._idle + 1
        if self._idle < IDLE and self._short < MOST:
            return True
        self._accept(missing)
        return False

    def _accept(self, missing: int) -> None:
        self._idle = self._short = 0
        self.unlisted = missing
        self.baseline = missing if self.baseline is None else min(self.baseline, missing)
