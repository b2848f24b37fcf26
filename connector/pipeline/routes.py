"""Routes: the sources whose orders go to a receiver, and the mapping of their orders to its requests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import msgspec

from connector.causes import CANCELLED
from connector.errors import Unmappable
from connector.journal.records import LookupRule
from connector.mapping.mapper import Mapper, for_route
from connector.mapping.money import check_totals
from connector.order import Order
from connector.receivers.base import Receiver, SupportsPartialMapping
from connector.settings import Settings
from connector.settings.model import RouteSettings, TotalsSettings
from connector.sources.base import Source
from connector.sources.reading import order_of

__all__ = ["Route", "build", "changed_requests", "lookup_rules", "request_of"]


class Route(msgspec.Struct, frozen=True):
    """
    The way from one source to one receiver.

    `map` turns an order into the receiver's request, and `remark` returns a note for people about an unusual order.
    """

    source: Source
    map: Mapper
    remark: Callable[[Order], str | None] = lambda _order: None


def build(
    settings: Settings, sources: Mapping[str, Source], receivers: Mapping[str, Receiver]
) -> dict[str, dict[str, Route]]:
    """Return the routes by receiver and source. Raises `SettingsError` for a mapping that cannot be used."""
    routes: dict[str, dict[str, Route]] = {name: {} for name in receivers}
    for route in settings.routes:
        for name in (*route.receivers, *route.optional):
            receiver = receivers[name]
            mapper = for_route(
                route,
                name,
                receiver.request,
                receiver.default,
                settings.tables,
                receiver.partial if isinstance(receiver, SupportsPartialMapping) else None,
            )
            if not _delivers_cancelled(route, receiver):
                mapper = partial(_unless_cancelled, mapper, name)
            routes[name][route.source] = Route(sources[route.source], mapper, partial(_remark, route.totals))
    return routes


def lookup_rules(
    settings: Settings, sources: Mapping[str, Source], receivers: Mapping[str, Receiver]
) -> list[LookupRule]:
    """Return the look-up-first rules, one per source and receiver (`journal.lookup_first`)."""
    return [
        LookupRule(
            source=route.source,
            receiver=name,
            look_up_first=settings.receivers[name].look_up_first,
            settle=float(settings.receivers[name].settle),
            can_find=receivers[name].traits.can_find,
            idempotent=receivers[name].traits.idempotent,
            ack_idempotent=sources[route.source].traits.ack_idempotent,
            account=receivers[name].traits.account,
        )
        for route in settings.routes
        for name in (*route.receivers, *route.optional)
    ]


def request_of(route: Route, order_id: str, raw: bytes) -> bytes:
    """
    Return the request for an order, from the bytes that its source lists.

    The delivery sends it, and `connector preview` shows it. Raises `Unmappable` for an order that would be held.
    """
    return route.map(order_of(route.source, order_id, raw))


def changed_requests(
    routes: Mapping[str, Mapping[str, Route]], source: str, order_id: str, before: bytes, now: bytes
) -> tuple[str, ...]:
    """Return the receivers whose request, or the error in its place, differs between two listings of an order."""
    concerned = {receiver: by_source[source] for receiver, by_source in routes.items() if source in by_source}
    return tuple(
        name
        for name, route in concerned.items()
        if _request_or_error(route, order_id, before) != _request_or_error(route, order_id, now)
    )


def _request_or_error(route: Route, order_id: str, raw: bytes) -> bytes | str:
    try:
        return request_of(route, order_id, raw)
    except Unmappable as exc:
        return str(exc)
    except Exception as exc:  # noqa: BLE001 - logged where the order is delivered
        return f"{type(exc).__name__}: {exc}"


def _delivers_cancelled(route: RouteSettings, receiver: Receiver) -> bool:
    """Return whether an order that was cancelled before its delivery goes to a receiver like any other order."""
    if route.cancelled is None:
        return receiver.traits.accepts_cancelled
    return route.cancelled == "deliver"


def _unless_cancelled(mapper: Mapper, receiver: str, order: Order) -> bytes:
    """Map an order; hold a cancelled one, which a receiver without a notion of cancelled orders would fulfil."""
    if order.cancelled:
        why = f"{receiver} would fulfil it; the setting `cancelled` of the route decides on such orders"
        raise Unmappable(CANCELLED, why, ours=True)
    return mapper(order)


def _remark(totals: TotalsSettings, order: Order) -> str | None:
    """Return a note about totals that do not add up, if the route reports them instead of holding the order."""
    return check_totals(order, totals.tolerance) if totals.on_mismatch == "report" else None
