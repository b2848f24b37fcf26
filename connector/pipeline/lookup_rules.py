"""What the journal has to know of the routes, to look up first what it may not know (`journal.lookup_first`)."""

from __future__ import annotations

from collections.abc import Mapping

from connector.journal.records import LookupRule
from connector.receivers.base import Receiver
from connector.settings import Settings
from connector.sources.base import Source

__all__ = ["lookup_rules"]


def lookup_rules(
    settings: Settings, sources: Mapping[str, Source], receivers: Mapping[str, Receiver]
) -> list[LookupRule]:
    """Return every way from a source to a receiver."""
    return [
        LookupRule(
            source=route.source,
            receiver=name,
            look_up_first=settings.receivers[name].look_up_first,
            settle=float(settings.receivers[name].settle),
            finds=receivers[name].traits.can_find,
            repeatable=receivers[name].traits.idempotent,
            ack_repeatable=sources[route.source].traits.ack_idempotent,
            account=receivers[name].traits.account,
        )
        for route in settings.routes
        for name in (*route.receivers, *route.optional)
    ]
