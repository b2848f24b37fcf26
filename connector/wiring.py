"""Which source's orders go to which receiver, and how they are mapped on the way."""

from __future__ import annotations

from collections.abc import Mapping

from connector.mapping.custom import for_route
from connector.receivers.base import Receiver
from connector.receivers.lane import Lane
from connector.settings import Settings
from connector.sources.base import Source

__all__ = ["lanes"]


def lanes(
    settings: Settings, sources: Mapping[str, Source], receivers: Mapping[str, Receiver]
) -> dict[str, dict[str, Lane]]:
    """Return the lanes of the routes by receiver and source. Raises `SettingsError` for a mapping that is unusable."""
    ways: dict[str, dict[str, Lane]] = {name: {} for name in receivers}
    for route in settings.routes:
        for name in (*route.receivers, *route.optional):
            receiver = receivers[name]
            ways[name][route.source] = Lane(
                sources[route.source], for_route(route, name, receiver.request, receiver.default, settings.tables)
            )
    return ways
