"""What the polls of one source cannot see, as it is told to people: each thing once, and now and then again."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from connector.clock import Clock, humanized
from connector.journal.records import Shortfall, UnreadableRow
from connector.pipeline.ingest.surplus import Stated, Surplus
from connector.pipeline.log_throttle import LogThrottle

__all__ = ["FeedShortfall"]

logger = logging.getLogger(__name__)

NAMED = 5
"""Unreadable rows that a line of the log names."""
KEPT = 100
"""Unreadable rows that the journal keeps for `status`."""


class FeedShortfall:
    """
    Follows one source from poll to poll.

    `read_again` says that the last poll may have missed orders, so that the next one is not to wait.
    """

    def __init__(self, source: str, clock: Clock) -> None:
        self._source = source
        self._surplus = Surplus()
        self._reminder = LogThrottle(clock)
        self._told_unlisted = False
        self._told_unreadable = 0
        self.read_again = False
        self.found = Shortfall()

    def recall(self, before: Shortfall) -> None:
        """Go on where an earlier process ended."""
        self._surplus = Surplus(before.baseline)

    def listed_all(self, stated: Stated, listed: int, *, still: bool) -> bool:
        """
        Tell whether a poll listed every order that the source has for us, going by the totals it stated.

        `still`: none was acknowledged meanwhile.
        """
        return listed >= (stated.most or 0) or (still and self._surplus.settled(stated, listed))

    def note(self, stated: Stated, listed: int, new: int, unreadable: Sequence[UnreadableRow]) -> None:
        """Take note of a poll that went through, and say what is worth saying."""
        self.read_again = self._surplus.read_again(stated, listed + len(unreadable), new)
        self.found = Shortfall(self._surplus.unlisted, self._surplus.baseline, tuple(unreadable[:KEPT]))
        if self._surplus.unlisted and not self._told_unlisted:
            self._told_unlisted = True
            logger.warning(
                "source %s: states %d orders and lists %d fewer, poll after poll: another tenant's, or hidden from "
                "these credentials? It is polled at its poll_interval all the same. Should that number grow, it is not "
                "noticed any more when an order leaves the feed",
                self._source,
                stated.most,
                self._surplus.unlisted,
            )
        self._tell_unreadable(unreadable)

    def _tell_unreadable(self, rows: Sequence[UnreadableRow]) -> None:
        if not rows:
            if self._told_unreadable:
                logger.info("source %s: every row of its feed can be read again", self._source)
            self._told_unreadable = 0
            self._reminder.over()
            return
        age = self._reminder.due()
        if len(rows) > self._told_unreadable:
            more = f" and {len(rows) - NAMED} more" if len(rows) > NAMED else ""
            logger.warning(
                "source %s: %s%s cannot be read, and has to be mended there; the rest of the feed is taken: %s",
                self._source,
                "; ".join(map(str, rows[:NAMED])),
                more,
                rows[0].reason,
            )
        elif age is not None:
            logger.warning(
                "source %s: %d rows of its feed cannot be read for %s now: %s",
                self._source,
                len(rows),
                humanized(age),
                rows[0],
            )
        self._told_unreadable = len(rows)
