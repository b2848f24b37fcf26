"""Bugs in the identity under which an order is sent, and in the choice among the forms that its source listed."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from connector.journal import records
from connector.journal.records import Ingested
from connector.journal.tables import orders_listed
from connector.mapping import mapper
from connector.pipeline.delivery import consumer
from connector.pipeline.delivery import task as work
from connector.pipeline.ingest import intake, pages
from connector.sources.base import Source
from tests.simulation.bugs.planting import FROM, bug, put

__all__: list[str] = []

FROM["sends_what_was_in_hand"] = 190


@bug
def leaves_the_identity_to_the_mapping(stack: ExitStack) -> None:
    """Sends the external id that a mapping made, or none."""
    put(stack, mapper, "identified", lambda _request, _by: lambda made, _order: made)


@bug
def takes_a_plugins_word(stack: ExitStack) -> None:
    """Believes a source in which order it has read."""

    def order_of(source: Source, _order_id: str, raw: bytes) -> Any:
        return source.to_order(raw)

    for module in (intake, work):
        put(stack, module, "order_of", order_of)


@bug
def keeps_the_first_listing(stack: ExitStack) -> None:
    """Sees nothing but a new revision."""
    put(stack, orders_listed, "_follow", lambda _db, row, _arrival, _now: Ingested(row.key, "known"))


@bug
def leaves_held_what_was_mended(stack: ExitStack) -> None:
    """Does not look if an order that waits for a person makes another request now."""
    real = records.Relisted
    put(stack, pages, "Relisted", lambda key, version, raw, _receivers: real(key, version, raw, ()))


@bug
def sends_what_was_in_hand(stack: ExitStack) -> None:
    """Sends the request that was mapped before the order was listed differently."""
    real = records.Intent
    put(stack, consumer, "Intent", lambda *args: real(*args[:5]))
