"""
The events of the bus, in the sequence of an order's life.

An event is a wake-up or a notification; the journal is the record, from which a lost event is rebuilt.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Literal

import msgspec

from connector.ack import Acknowledgement
from connector.order import Order

__all__ = [
    "UNPUBLISHED",
    "AckEvent",
    "AcknowledgementsLate",
    "EndpointChanged",
    "Event",
    "OrderAcknowledged",
    "OrderDelivered",
    "OrderEvent",
    "OrderFound",
    "OrderHeld",
    "OrderInDoubt",
    "OrderRejected",
    "OrderSkipped",
    "OrderVanished",
    "PollFinished",
    "ProgressReported",
]


UNPUBLISHED = datetime.min.replace(tzinfo=UTC)
"""The time of an event that no bus has published yet."""


class Event(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Something that happened. The bus sets `at` (UTC, by the machine's clock) when the event is published."""

    at: datetime = UNPUBLISHED


class OrderEvent(Event, frozen=True, kw_only=True):
    """Something that happened to one order. `key` is its row in the journal."""

    key: int
    source: str
    order_id: str


class OrderFound(OrderEvent, frozen=True, kw_only=True):
    """
    The journal has a new order, or a new revision of one, for `receivers`.

    The receivers in `look_up` may have it: their deliveries are in doubt in the journal, and look it up first.
    `version` counts the different listings of the order.
    """

    order: Order
    revision: str
    receivers: tuple[str, ...]
    look_up: tuple[str, ...] = ()
    version: int = 0


class OrderSkipped(OrderEvent, frozen=True, kw_only=True):
    """The order is not meant for us (a quotation, say), and stays at its source."""

    cause: str


class OrderVanished(OrderEvent, frozen=True, kw_only=True):
    """The order waited here, and has left its source's feed; it is left alone unless it is listed again."""


class OrderInDoubt(OrderEvent, frozen=True, kw_only=True):
    """The receiver may or may not have created the order; it is looked up after the settle time."""

    receiver: str
    reason: str


class AckEvent(OrderEvent, frozen=True, kw_only=True):
    """A delivery has ended. `ack` is the acknowledgement that is due for it, if one is."""

    receiver: str
    ack: Acknowledgement | None = None


class OrderDelivered(AckEvent, frozen=True, kw_only=True):
    """The receiver has the order; `receipt` is its own id or number for it. `adopted`: a look-up found it there."""

    receipt: str
    adopted: bool = False


class OrderRejected(AckEvent, frozen=True, kw_only=True):
    """The receiver rejected the order, and a look-up did not find it."""

    reason: str


class OrderHeld(AckEvent, frozen=True, kw_only=True):
    """The order waits for an operator or a missing code. Orders that wait for the same thing share the `cause`."""

    cause: str
    detail: str = ""


class OrderAcknowledged(OrderEvent, frozen=True, kw_only=True):
    """The source has confirmed the acknowledgement of the order."""

    outcome: Literal["exported", "failed"]


class ProgressReported(OrderEvent, frozen=True, kw_only=True):
    """
    The source has accepted a report about the progress of a delivered order.

    `report` has the `status`, the `location` and the `date`. `key` is 0 for an order that is not in the journal.
    """

    report: Mapping[str, str]


class PollFinished(Event, frozen=True, kw_only=True):
    """
    A poll of a source's feed has ended.

    - `error`: empty for a successful poll; `lasting`: it will not succeed later unless an operator acts.
    - `unreadable`: the number of rows that could not be read.
    """

    source: str
    seen: int
    new: int
    total: int | None
    unreadable: int = 0
    error: str = ""
    lasting: bool = False


class AcknowledgementsLate(Event, frozen=True, kw_only=True):
    """The oldest unconfirmed acknowledgement of a source is `seconds` old: `late`, or not any more."""

    source: str
    seconds: float
    late: bool


class EndpointChanged(Event, frozen=True, kw_only=True):
    """The circuit breaker of an endpoint changed its state. `open`: the endpoint is paused, for `reason`."""

    endpoint: str
    state: Literal["closed", "open", "half_open"]
    reason: str = ""
