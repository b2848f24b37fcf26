"""How the orders of one source become one receiver's requests."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from connector.errors import Unmappable
from connector.mapping.mapper import Mapper
from connector.order import Order
from connector.sources.base import Source
from connector.sources.reading import order_of

__all__ = ["Route", "changed_requests", "request_of"]


class Route(msgspec.Struct, frozen=True):
    """A source, and the mapping from its orders to the receiver's request. `remark` says what is odd about one."""

    source: Source
    map: Mapper
    remark: Callable[[Order], str | None] = lambda _order: None


def request_of(lane: Route, order_id: str, raw: bytes) -> bytes:
    """
    Return the request that an order becomes, from what its source lists.

    It is what is sent as well as what `connector preview` shows. Raises `Unmappable` for an order that would be held.
    """
    return lane.map(order_of(lane.source, order_id, raw))


def changed_requests(
    ways: Mapping[str, Mapping[str, Route]], source: str, order_id: str, before: bytes, now: bytes
) -> tuple[str, ...]:
    """Return the receivers whose request, or the reason why there is none, differs between two listings of an order."""
    lanes = {receiver: lanes[source] for receiver, lanes in ways.items() if source in lanes}
    return tuple(name for name, lane in lanes.items() if _made(lane, order_id, before) != _made(lane, order_id, now))


def _made(lane: Route, order_id: str, raw: bytes) -> bytes | str:
    try:
        return request_of(lane, order_id, raw)
    except Unmappable as exc:
        return str(exc)
    except Exception as exc:  # noqa: BLE001 - it is logged where the order is delivered
        return f"{type(exc).__name__}: {exc}"
