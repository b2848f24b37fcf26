"""Tracks and logs the orders of one source that its polls miss: orders stated and not listed, and unreadable rows."""

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
"""Unreadable rows that a log line names."""
KEPT = 100
"""Unreadable rows that the journal keeps for `status`."""


class FeedShortfall:
    """
    Follows one source from poll to poll.

    `read_again`: the last poll may have missed orders, so the next one starts at once. `found`: the last result.
    """

    def __init__(self, source: str, clock: Clock) -> None:
        self._source = source
        self._surplus = Surplus()
        self._throttle = LogThrottle(clock)
        self._warned_unlisted = False
        self._logged_unreadable = 0
        self.read_again = False
        self.found = Shortfall()

    def load(self, before: Shortfall) -> None:
        """Continue from the result of an earlier process."""
        self._surplus = Surplus(before.baseline)

    def listed_all(self, stated: Stated, listed: int, *, still: bool) -> bool:
        """
        Return whether a poll listed every order that the source has for us, by the totals that its pages stated.

        `still`: no order was acknowledged during the poll.
        """
        return listed >= (stated.most or 0) or (still and self._surplus.settled(stated, listed))

    def note(self, stated: Stated, listed: int, new: int, unreadable: Sequence[UnreadableRow]) -> None:
        """Note a successful poll, and log changes of its shortfall."""
        self.read_again = self._surplus.read_again(stated, listed + len(unreadable), new)
        self.found = Shortfall(self._surplus.unlisted, self._surplus.baseline, tuple(unreadable[:KEPT]))
        if self._surplus.unlisted and not self._warned_unlisted:
            self._warned_unlisted = True
            logger.warning(
                "source %s: states %d orders and lists %d fewer, poll after poll: another tenant's, or hidden from "
                "these credentials? It is still polled at its poll_interval. If that number grows, an order that "
                "leaves the feed is not detected any more",
                self._source,
                stated.most,
                self._surplus.unlisted,
            )
        self._log_unreadable(unreadable)

    def _log_unreadable(self, rows: Sequence[UnreadableRow]) -> None:
        if not rows:
            if self._logged_unreadable:
                logger.info("source %s: every row of its feed can be read again", self._source)
            self._logged_unreadable = 0
            self._throttle.reset()
            return
        age = self._throttle.ongoing()
        if len(rows) > self._logged_unreadable:
            more = f" and {len(rows) - NAMED} more" if len(rows) > NAMED else ""
            logger.warning(
                "source %s: %s%s cannot be read, and must be corrected there; the rest of the feed is processed: %s",
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
        self._logged_unreadable = len(rows)
