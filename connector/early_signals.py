"""
Catches signals that arrive before a command installs its handlers.

The first process of a container has no default action for SIGTERM: a signal that arrives while Python is still
importing modules would be lost. So the long-running commands record signals from their first line on and handle them
once they listen. This module imports nothing that takes time, and the library does not use it.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from types import FrameType

__all__ = ["arm", "hand_over", "listens"]

NUMBERS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
LISTENING = frozenset({"run", "sandbox", "demo"})
"""The commands that handle signals, including those that arrived earlier."""
VALUED = frozenset({"-s", "--settings", "--log-format"})
"""The options before a command that have a value."""

_caught: list[int] = []


def listens(arguments: Sequence[str]) -> bool:
    """Return True if the command in `arguments` (without the program's name) handles signals."""
    rest = iter(arguments)
    for each in rest:
        if each in VALUED:
            next(rest, None)
        elif not each.startswith("-"):
            return each in LISTENING
    return False


def arm() -> None:
    """Record signals from now on; a second request to stop ends the process at once."""
    for number in NUMBERS:
        signal.signal(number, _note)


def hand_over() -> None:
    """Raise the recorded signals again; called when the command's own handlers are installed."""
    caught, _caught[:] = _caught[:], []
    for number in caught:
        signal.raise_signal(number)


def _note(number: int, _frame: FrameType | None) -> None:
    if number != signal.SIGHUP and any(each != signal.SIGHUP for each in _caught):
        os._exit(128 + number)  # nothing has started that would need an orderly stop
    if number not in _caught:
        _caught.append(number)
