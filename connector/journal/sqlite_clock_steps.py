"""
The part of the journal in SQLite that is about time: the methods of `ClockSteps`, and how its times
become those kept.
"""

from __future__ import annotations

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

import msgspec

from connector.journal.base import Listing
from connector.journal.engine import clock_steps
from connector.journal.engine.codec import millis
from connector.steady_clock import SteadyClock

__all__ = ["SqliteClockSteps"]

T = TypeVar("T")


class SqliteClockSteps(ABC):
    """`ClockSteps` over whatever writes. Before `follow` its time is that of the machine."""

    _steady: SteadyClock | None = None
    _follows: datetime | None = None
    """When this process began, by its own clock."""
    _began: datetime | None = None
    """When this process began, if the clock may have been set since the records before it were made."""
    _comparable_from = 0
    """The machine's time, in milliseconds, from which on the records before this process can be compared with it."""
    _ahead = timedelta()
    """How far the machine's clock is ahead, as the journal has it."""

    @abstractmethod
    async def _write(self, operation: Callable[[sqlite3.Connection], T]) -> T:
        """Run `operation` in a transaction; return its result once it is durable."""

    async def follow(self, clock: SteadyClock) -> timedelta:
        """See `ClockSteps.follow`."""
        now = clock.now()
        begun = await self._write(partial(clock_steps.begin, _mark(clock, timedelta()), millis(now)))
        self._steady, self._ahead, self._comparable_from = clock, timedelta(), begun.comparable
        self._follows = clock.now()
        self._began = None if begun.certain else self._follows
        return timedelta(milliseconds=begun.moved)

    async def note_step(self) -> timedelta:
        """See `ClockSteps.note_step`."""
        clock = self._steady
        if clock is None or (ahead := clock.look()) == self._ahead:
            return timedelta()
        since = millis((clock.stepped_at or clock.now()) + ahead)
        by = await self._write(partial(clock_steps.note, _mark(clock, ahead), since, millis(clock.now() + ahead)))
        self._ahead = ahead
        return timedelta(milliseconds=by)

    def _kept(self, at: datetime) -> int:
        """Return a time at which something happened, as a record of it is kept."""
        return millis(at if self._steady is None else self._steady.shown(at))

    def _listed(self, listing: Listing, now: datetime) -> Listing:
        """
        Return how a page came to be listed in terms of what is kept.

        What the records say of the time before this process, or before a step of the clock in it, is compared with the
        page only where that says something.
        """
        if self._steady is None or self._follows is None:
            return listing
        certain = self._comparable(listing.asked_at, listing.again.settle)
        steady = (listing.asked_at, self._follows, now)
        shown = self._steady.shown(listing.asked_at)
        return msgspec.structs.replace(
            listing, asked_at=shown, steady=steady, certain=certain, comparable=self._comparable_from
        )

    def _comparable(self, at: datetime, settle: float) -> bool:
        """Tell whether a time less `settle` seconds can be compared with records: no step lies in between."""
        stepped_at = self._stepped_at
        return stepped_at is None or at - timedelta(seconds=settle) > stepped_at

    @property
    def _stepped_at(self) -> datetime | None:
        """When the machine's clock was set last, as far as this process knows; None if it never was."""
        steady = self._steady
        return self._began if steady is None or steady.stepped_at is None else steady.stepped_at


def _mark(clock: SteadyClock, ahead: timedelta) -> clock_steps.ClockMark:
    boot = clock.boot()
    if boot is None:
        return clock_steps.ClockMark(_millis(ahead), "", 0)
    return clock_steps.ClockMark(_millis(ahead), boot.id, millis(clock.now() + ahead) - round(boot.seconds * 1000))


def _millis(duration: timedelta) -> int:
    return round(duration / timedelta(milliseconds=1))
