"""Which source's orders go to which receiver, and how they are mapped on the way."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from connector.mapping.custom import for_route
from connector.mapping.totals import check_totals
from connector.order import Order
from connector.receivers.base import MapsInParts, Receiver
from connector.receivers.lane import Lane
from connector.settings import Settings
from connector.settings.structs import TotalsSettings
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
                sources[route.source],
                for_route(
                    route,
                    name,
                    receiver.request,
                    receiver.default,
                    settings.tables,
                    receiver.partial if isinstance(receiver, MapsInParts) else None,
                ),
                partial(_remark, route.totals),
            )
    return ways


def _remark(totals: TotalsSettings, order: Order) -> str | None:
    """Report sums that do not add up, where the route does not hold the order for it."""
    return check_totals(order, totals.tolerance) if totals.on_mismatch == "report" else None
