"""Every place where bytes are read that we did not write, ready to be fed."""

from __future__ import annotations

from functools import cache

from tests.fuzz.feeding import warehouse
from tests.fuzz.kept import kept
from tests.fuzz.own import SETTINGS, own
from tests.fuzz.receivers import receivers
from tests.fuzz.servers import servers
from tests.fuzz.sources import sources
from tests.fuzz.target import Target

__all__ = ["SETTINGS", "targets", "warehouse"]


@cache
def targets() -> dict[str, Target]:
    """Return every target by its name."""
    return {target.name: target for target in [*sources(), *receivers(), *kept(), *own(), *servers()]}
