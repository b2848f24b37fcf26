"""Decides when a consumer reads the orders for its receiver from the journal instead of the bus."""

from __future__ import annotations

from datetime import datetime

from connector.pipeline.worker import seconds_until

__all__ = ["Backlog"]


class Backlog:
    """
    The state of the orders that are only in the journal, as far as the consumer has seen.

    - `more`: new orders were left in the journal. They are read once the consumer is idle, so that the orders on the
      bus come first.
    - `next_look`: the time at which something in the journal is due again; None if nothing is known to be.

    At the start both are set: an earlier process may have left anything.
    """

    def __init__(self, now: datetime) -> None:
        self.more = True
        self.next_look: datetime | None = now

    def look_now(self, now: datetime) -> None:
        """Read everything: another stage or process made something due."""
        self.more = True
        self.next_look = now

    def look_at(self, at: datetime | None) -> None:
        """Read the orders that are due again at `at`, if not before; None changes nothing."""
        if at is not None and (self.next_look is None or at < self.next_look):
            self.next_look = at

    def left_behind(self) -> None:
        """Read new orders once the consumer is idle: some were not taken from the bus."""
        self.more = True

    def wait(self, now: datetime, *, idle: bool) -> float | None:
        """Return the seconds until the next reading, or None if only a wake-up can make one due."""
        if self.more and idle:
            return 0.0
        return seconds_until(self.next_look, now)

    def begin(self, *, idle: bool) -> bool:
        """
        Begin a reading; return whether it includes new orders.

        Call it before the journal is read: a wake-up during the reading is about newer work.
        """
        fresh = self.more and idle
        self.more = self.more and not fresh
        self.next_look = None
        return fresh
