"""
The vocabulary of the bus, in the order of an order's life.

An event is a wake-up or a notice; the journal is the record. Whatever is lost here is found there again.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

import msgspec

from connector.ack import Acknowledgement
from connector.order import Order

__all__ = [
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


class Event(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Something that happened, at `at` (UTC)."""

    at: datetime


class OrderEvent(Event, frozen=True, kw_only=True):
    """Something that happened to one order. `key` is its row in the journal."""

    key: int
    source: str
    order_id: str


class OrderFound(OrderEvent, frozen=True, kw_only=True):
    """
    The journal holds a new order, or a new revision of one, for `receivers`.

    Those in `look_up` are asked first whether they have it; the journal has it for them as in doubt. `version` counts
    what the order was listed as.
    """

    order: Order
    revision: str
    receivers: tuple[str, ...]
    look_up: tuple[str, ...] = ()
    version: int = 0


class OrderSkipped(OrderEvent, frozen=True, kw_only=True):
    """The order is none of ours (a quotation, say), and stays where it is."""

    cause: str


class OrderVanished(OrderEvent, frozen=True, kw_only=True):
    """The order waited, and its source lists it no more; it is left alone unless it is listed again."""


class OrderInDoubt(OrderEvent, frozen=True, kw_only=True):
    """A create may or may not have been applied; it is looked up after the settle time."""

    receiver: str
    reason: str


class AckEvent(OrderEvent, frozen=True, kw_only=True):
    """A delivery reached an end. `ack` is what the source is to be told now, if it is time to tell it."""

    receiver: str
    ack: Acknowledgement | None = None


class OrderDelivered(AckEvent, frozen=True, kw_only=True):
    """The receiver has the order; `receipt` is its own id or number for it. `adopted`: a look-up found it there."""

    receipt: str
    adopted: bool = False


class OrderRejected(AckEvent, frozen=True, kw_only=True):
    """The receiver refused the order, and a look-up found nothing."""

    reason: str


class OrderHeld(AckEvent, frozen=True, kw_only=True):
    """The order waits for a person, or for a missing code; all that wait for the same thing share `cause`."""

    cause: str
    detail: str = ""


class OrderAcknowledged(OrderEvent, frozen=True, kw_only=True):
    """The source confirmed that it knows."""

    outcome: Literal["exported", "failed"]


class ProgressReported(OrderEvent, frozen=True, kw_only=True):
    """
    The source was told what happened to the order after its delivery, and has taken it.

    `report` names the `status`, the `location` and the `date`. `key` is 0 for an order that the journal does not know.
    """

    report: Mapping[str, str]


class PollFinished(Event, frozen=True, kw_only=True):
    """
    One walk over a source's feed ended. `error` is empty when it went through; `lasting` says that the same walk will
    not go through later unless somebody mends something. `unreadable` counts the rows that could not be read.
    """

    source: str
    seen: int
    new: int
    total: int | None
    unreadable: int = 0
    error: str = ""
    lasting: bool = False


class AcknowledgementsLate(Event, frozen=True, kw_only=True):
    """The oldest acknowledgement that a source has not confirmed is `seconds` old: `late`, or not any more."""

    source: str
    seconds: float
    late: bool


class EndpointChanged(Event, frozen=True, kw_only=True):
    """An endpoint's breaker moved: `open` means that it is paused, and `reason` says why."""

    endpoint: str
    state: Literal["closed", "open", "half_open"]
    reason: str = ""
