"""Bugs in the use of values that come from a plugin: a source or receiver of another package."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from connector.pipeline.ingest import producer
from tests.simulation.bugs.planting import bug, put

__all__: list[str] = []


@bug
def trusts_a_plugin(stack: ExitStack) -> None:
    """Writes whatever the feed of a plugin gives into the journal."""

    def page(given: Any, _source: str) -> Any:
        return given

    put(stack, producer, "checked_page", page)
