"""The surplus of a feed: the orders that a source states in its totals and does not list for us."""

from __future__ import annotations

import msgspec

__all__ = ["Stated", "Surplus"]

IDLE = 2
"""Polls that list fewer orders than stated and no new one, after which the rest is taken to be hidden from us."""
MOST = 10
"""Such polls in a row, with or without new orders, after which the poll interval is kept in any case."""


class Stated(msgspec.Struct, frozen=True):
    """The totals on the pages of one poll: the highest, and whether all pages stated the same (`steady`)."""

    most: int | None = None
    steady: bool = True

    def with_page(self, total: int | None) -> Stated:
        """Return the totals with those of one more page; None is no total."""
        if total is None:
            return self
        if self.most is None:
            return Stated(total)
        return Stated(max(total, self.most), self.steady and total == self.most)


class Surplus:
    """
    The orders of one source that are counted and not listed: another tenant's, or hidden from these credentials.

    A total above the number of listed orders may also mean that pages shifted while being read, and orders were
    missed: then the feed is read again at once. `unlisted` is the part of the difference that later polls have shown
    to be permanent, and `baseline` its minimum so far; None before the first poll. An order of ours that gets hidden
    adds to that number.
    """

    def __init__(self, baseline: int | None = None) -> None:
        self.unlisted = baseline or 0
        self.baseline = baseline
        self._idle = 0
        self._short = 0

    def settled(self, stated: Stated, listed: int) -> bool:
        """
        Return whether a poll listed all of our orders although more are stated.

        All pages stated the same total, so the feed did not change meanwhile; and no more orders are missing than the
        minimum so far, so none that was listed once is among them.
        """
        if stated.most is None or self.baseline is None or not stated.steady:
            return False
        return stated.most - listed <= self.baseline

    def read_again(self, stated: Stated, listed: int, new: int) -> bool:
        """Note a poll; return whether the feed is to be read again at once instead of after the poll interval."""
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
