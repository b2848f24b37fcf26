"""How the orders of one source become one receiver's requests."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from connector.mapping.custom import Mapper
from connector.order import Order
from connector.sources.base import Source

__all__ = ["Lane"]


class Lane(msgspec.Struct, frozen=True):
    """A source, and the mapping from its orders to the receiver's request. `remark` says what is odd about one."""

    source: Source
    map: Mapper
    remark: Callable[[Order], str | None] = lambda _order: None
