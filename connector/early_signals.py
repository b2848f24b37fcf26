"""
Signals that come before a command listens to them.

The first process of a container has no default for SIGTERM: one that comes while Python still imports modules would be
lost. So the commands that run long note such signals from their first line on, and take them up once they listen. This
imports nothing that takes time. The library does not use it.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from types import FrameType

__all__ = ["arm", "hand_over", "listens"]

NUMBERS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
LISTENING = frozenset({"run", "sandbox", "demo"})
"""The commands that listen to signals, and so have to take up what came before."""
VALUED = frozenset({"-s", "--settings", "--log-format"})
"""The options before a command that are followed by a value."""

_caught: list[int] = []


def listens(arguments: Sequence[str]) -> bool:
    """Tell whether the command in `arguments`, those of the program without its name, is one that listens."""
    rest = iter(arguments)
    for each in rest:
        if each in VALUED:
            next(rest, None)
        elif not each.startswith("-"):
            return each in LISTENING
    return False


def arm() -> None:
    """Note signals from now on; a second one that asks for the end ends the process at once."""
    for number in NUMBERS:
        signal.signal(number, _note)


def hand_over() -> None:
    """Send what was noted to this process once more; to be called by who listens to signals by now."""
    caught, _caught[:] = _caught[:], []
    for number in caught:
        signal.raise_signal(number)


def _note(number: int, _frame: FrameType | None) -> None:
    if number != signal.SIGHUP and any(each != signal.SIGHUP for each in _caught):
        os._exit(128 + number)  # nothing has begun that would have to be ended
    if number not in _caught:
        _caught.append(number)
