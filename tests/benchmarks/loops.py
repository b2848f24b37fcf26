"""The event loops that are measured: asyncio's own, and uvloop where it is installed (the extra `speed`)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec

__all__ = ["LOOPS", "new_loop"]

LOOPS = ("uvloop", "asyncio") if find_spec("uvloop") else ("asyncio",)
"""The fastest first."""


def new_loop(name: str) -> Callable[[], asyncio.AbstractEventLoop]:
    """Return the factory of a loop: `asyncio`, `uvloop`, or the `fastest` that is there."""
    if name == "asyncio" or (name == "fastest" and LOOPS[0] == "asyncio"):
        return asyncio.new_event_loop
    made: Callable[[], asyncio.AbstractEventLoop] = import_module("uvloop").new_event_loop
    return made
