"""The wait of a start for a full or read-only disk: a minute for the journal, the lock and the sentinel alike."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from connector.clock import Clock
from connector.errors import JournalError, JournalStalled
from connector.journal.engine.stall import FIRST, GIVE_UP, LONGEST
from connector.retry import backoff

__all__ = ["check_folder", "patiently"]

T = TypeVar("T")

logger = logging.getLogger(__name__)


def check_folder(path: Path, what: str) -> None:
    """Raise `JournalError` if the folder of `path` is not there: it is never made, a volume may not be mounted."""
    if not path.parent.is_dir():
        raise JournalError(
            f"{path.parent}: there is no such folder, and {what} {path.name} is expected there; is its volume mounted? "
            "If it is meant to be there, make it"
        )


async def patiently(attempt: Callable[[], Awaitable[T]], clock: Clock) -> T:
    """
    Repeat `attempt` while it raises `JournalStalled`; return its result.

    Raises `JournalStalled` with the cause after `GIVE_UP` seconds, and everything else at once.
    """
    began = clock.monotonic()
    tries = 0
    while True:
        try:
            result = await attempt()
        except JournalStalled as exc:
            failure = exc
        else:
            if tries:
                logger.warning("the journal can be used now, after %.0f seconds", clock.monotonic() - began)
            return result
        if not tries:
            logger.error("%s; the start waits %.0f seconds for that to pass", failure, GIVE_UP)
        if clock.monotonic() - began >= GIVE_UP:
            raise JournalStalled(
                f"{failure}, for {GIVE_UP:.0f} seconds; nothing is lost, start it again when that has passed"
            ) from failure
        tries += 1
        await clock.sleep(backoff(clock, tries, first=FIRST, longest=LONGEST))
