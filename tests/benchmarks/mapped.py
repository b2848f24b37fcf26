"""
The bare loop's requests when it maps as the connector does: by the same functions, to the same bytes.

The difference between this loop and the connector is the cost of its promise; the difference between this loop and the
bare one is the cost of the checks of every field, and of reading the vendors' orders in all the forms that they may
have.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from connector.order import Order
from connector.receivers.ewarehousing.mapping import create_order
from connector.sources.propeller import order as propeller_order
from connector.sources.traede import order as traede_order
from connector.sources.zendera import order as zendera_shipment

__all__ = ["RAW", "mapped"]

RAW = "(raw)"
"""Where a decoded order keeps its own bytes."""


def _zendera(raw: bytes) -> Order:
    order_id = msgspec.json.encode(str(msgspec.json.decode(raw)["orderId"]))
    group = b'{"orderId":%b,"shipments":[%b]}' % (order_id, raw)
    return zendera_shipment.to_order("feed", group, zone=ZoneInfo("Europe/Copenhagen"))


TO_ORDER: dict[str, Callable[[bytes], Order]] = {
    "patch": lambda raw: propeller_order.to_order("feed", raw),
    "tens": lambda raw: traede_order.to_order("feed", raw),
    "fifties": _zendera,
}


def mapped(shape: str, order: dict[str, Any]) -> bytes:
    """Return the body of the create that the connector would send."""
    return msgspec.json.encode(create_order(TO_ORDER[shape](order[RAW])))
