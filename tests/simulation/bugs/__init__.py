"""
Faults that are put into the connector on purpose, to see whether the simulation finds them (faults.md 6.3).

Each is a small patch of the runtime for the time of a schedule; nothing of it is in the runtime itself. A module holds
the bugs of one subject; importing it adds them to `BUGS`.
"""

from __future__ import annotations

from tests.simulation.bugs import journey as _journey  # noqa: F401
from tests.simulation.bugs import receivers as _receivers  # noqa: F401
from tests.simulation.bugs.planting import BUGS, MOST, Caught, caught

__all__ = ["BUGS", "MOST", "Caught", "caught"]
