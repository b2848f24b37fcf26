"""
Faults that are put into the connector on purpose, to see whether the simulation finds them (faults.md 6.3).

Each is a small patch of the runtime for the time of a schedule; nothing of it is in the runtime itself. A module here
holds the bugs of one subject; all of them are imported below, which adds their bugs to `BUGS`.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from tests.simulation.bugs.planting import BUGS, MOST, Caught, caught

__all__ = ["BUGS", "MOST", "Caught", "caught"]

for _module in sorted(each.name for each in iter_modules(__path__)):
    import_module(f"{__name__}.{_module}")
