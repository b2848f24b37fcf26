"""Which source's orders go to which receiver, and how they are mapped on the way."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from connector.errors import Unmappable
from connector.mapping.mapper import Mapper, for_route
from connector.mapping.money import check_totals
from connector.order import Order
from connector.pipeline.route import Route
from connector.receivers.base import Receiver, SupportsPartialMapping
from connector.settings import Settings
from connector.settings.model import RouteSettings, TotalsSettings
from connector.sources.base import Source

__all__ = ["build"]


def build(
    settings: Settings, sources: Mapping[str, Source], receivers: Mapping[str, Receiver]
) -> dict[str, dict[str, Route]]:
    """Return the lanes of the routes by receiver and source. Raises `SettingsError` for a mapping that is unusable."""
    ways: dict[str, dict[str, Route]] = {name: {} for name in receivers}
    for route in settings.routes:
        for name in (*route.receivers, *route.optional):
            receiver = receivers[name]
            mapped = for_route(
                route,
                name,
                receiver.request,
                receiver.default,
                settings.tables,
                receiver.partial if isinstance(receiver, SupportsPartialMapping) else None,
            )
            if not _delivers_cancelled(route, receiver):
                mapped = partial(_unless_cancelled, mapped, name)
            ways[name][route.source] = Route(sources[route.source], mapped, partial(_remark, route.totals))
    return ways


def _delivers_cancelled(route: RouteSettings, receiver: Receiver) -> bool:
    """Tell whether an order that was cancelled before its delivery goes to a receiver as any other."""
    if route.cancelled is None:
        return receiver.traits.accepts_cancelled
    return route.cancelled == "deliver"


def _unless_cancelled(mapped: Mapper, receiver: str, order: Order) -> bytes:
    """Map an order; hold one that was cancelled, which a receiver like this one would fulfil."""
    if order.cancelled:
        why = f"{receiver} would take it for one to fulfil; `cancelled` of the route says what is done with such orders"
        raise Unmappable("cancelled at the source", why, ours=True)
    return mapped(order)


def _remark(totals: TotalsSettings, order: Order) -> str | None:
    """Report sums that do not add up, where the route does not hold the order for it."""
    return check_totals(order, totals.tolerance) if totals.on_mismatch == "report" else None
