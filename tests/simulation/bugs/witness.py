"""Bugs about the receivers that are witnesses of the journal."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from connector import app
from connector.pipeline import receiver_witness
from tests.simulation.bugs.planting import FROM, bug, put

__all__: list[str] = []

FROM |= {"the_newest_record_is_not_asked_for": 60, "a_witness_that_is_down_is_taken_for_one_that_has_nothing": 1000}


@bug
def the_newest_record_is_not_asked_for(stack: ExitStack) -> None:
    """A start goes by the files beside the journal alone, which were put back with it."""

    async def deaf(*_: Any) -> None:
        """Query no receiver."""

    put(stack, app, "check_receivers", deaf)


@bug
def a_witness_that_is_down_is_taken_for_one_that_has_nothing(stack: ExitStack) -> None:
    """A receiver that cannot be read leaves the journal undoubted."""

    async def trusting(*_: Any) -> None:
        """Believe."""

    put(stack, receiver_witness, "_unknown", trusting)
