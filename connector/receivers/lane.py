"""How the orders of one source become one receiver's requests."""

from __future__ import annotations

import msgspec

from connector.mapping.custom import Mapper
from connector.sources.base import Source

__all__ = ["Lane"]


class Lane(msgspec.Struct, frozen=True):
    """A source, and the mapping from its orders to the receiver's request."""

    source: Source
    map: Mapper
