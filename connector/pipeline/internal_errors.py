"""Faults of our own that nobody foresaw: what one order meets has a few tries, then it waits for a person."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import PurePath

import msgspec

__all__ = ["MOST", "InternalError", "InternalErrors", "place_of"]

logger = logging.getLogger(__name__)

MOST = 3
"""Such faults of one order after which it is given up: what passes by itself has passed by then."""


class InternalError(msgspec.Struct, frozen=True):
    """The last fault that an order met: the exception's name, what was being done, and where in the code."""

    name: str
    doing: str
    place: str

    def __str__(self) -> str:
        """Return what happened, without the exception's own text: that may hold keys, and what people wrote."""
        return f"{MOST} times while {self.doing} it, at {self.place}"


class InternalErrors:
    """
    How often each order has met a fault of ours at one endpoint. In memory: a new start tries again.

    `at` names the endpoint in the log. What is counted goes by a text, such as an order's external id, which the log
    names, too.
    """

    def __init__(self, at: str) -> None:
        self._at = at
        self._count: Counter[str] = Counter()
        self._last: dict[str, InternalError] = {}

    def __bool__(self) -> bool:
        """Whether any order has met one and is not at an end."""
        return bool(self._count)

    def note(self, what: str, exc: Exception, doing: str) -> str:
        """Count a fault while `doing` something to an order; log it, the first time whole; return it in words."""
        self._count[what] += 1
        fault = self._last[what] = InternalError(type(exc).__name__, doing, place_of(exc))
        count = self._count[what]
        logger.error(
            "%s: %s while %s %s, which nobody foresaw (%d of %d times)",
            self._at,
            fault.name,
            doing,
            what,
            count,
            MOST,
            exc_info=exc if count == 1 else None,
        )
        return f"{fault.name} while {doing} it"

    def given_up(self, what: str) -> InternalError | None:
        """Return the last fault of an order that has met too many, and forget them; None for one to be tried."""
        if self._count.get(what, 0) < MOST:
            return None
        fault = self._last[what]
        self.forget(what)
        return fault

    def forget(self, what: str) -> None:
        """The order has come to another end."""
        self._count.pop(what, None)
        self._last.pop(what, None)


def place_of(exc: BaseException) -> str:
    """Return the file and line in which an exception was raised."""
    traceback = exc.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    if traceback is None:
        return "a place unknown"
    return f"{PurePath(traceback.tb_frame.f_code.co_filename).name}:{traceback.tb_lineno}"
