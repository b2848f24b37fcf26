"""Counts the events of a run by source, for its progress display and its summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator

from connector.events import (
    EndpointChanged,
    Event,
    OrderAcknowledged,
    OrderDelivered,
    OrderFound,
    OrderHeld,
    OrderInDoubt,
    OrderRejected,
    OrderSkipped,
    PollFinished,
)

__all__ = ["COLUMNS", "RunCounters"]

COLUMNS = ("found", "delivered", "acknowledged", "held", "rejected", "skipped", "in doubt")

_KINDS: dict[type[Event], str] = {
    OrderFound: "found",
    OrderAcknowledged: "acknowledged",
    OrderHeld: "held",
    OrderRejected: "rejected",
    OrderSkipped: "skipped",
    OrderInDoubt: "in doubt",
}


class RunCounters:
    """
    Event counts by source: one `Counter` for each of `COLUMNS`, and three more.

    - The column `found` counts orders passed on to the receivers.
    - The column `delivered` counts an order when the last of its receivers has it.
    - `new` counts the new and changed orders that finished polls have listed.
    - `adopted` counts deliveries that a look-up found at the receiver.
    - `paused` maps each paused endpoint to the reason.
    """

    def __init__(self) -> None:
        self.counts: dict[str, Counter[str]] = {name: Counter() for name in COLUMNS}
        self.new: Counter[str] = Counter()
        self.adopted: Counter[str] = Counter()
        self.paused: dict[str, str] = {}

    async def watch(self, events: AsyncIterator[Event]) -> None:
        """Count until the events end."""
        async for event in events:
            self.count(event)

    def count(self, event: Event) -> None:
        """Count one event."""
        match event:
            case PollFinished(source=source, new=new):
                self.new[source] += new
            case EndpointChanged(endpoint=endpoint, state="closed"):
                self.paused.pop(endpoint, None)
            case EndpointChanged(endpoint=endpoint, reason=reason):
                self.paused[endpoint] = reason
            case OrderDelivered(source=source, adopted=adopted, ack=ack):
                self.adopted[source] += adopted
                self.counts["delivered"][source] += ack is not None
            case OrderFound(source=source) | OrderAcknowledged(source=source) | OrderSkipped(source=source):
                self.counts[_KINDS[type(event)]][source] += 1
            case OrderHeld(source=source) | OrderRejected(source=source) | OrderInDoubt(source=source):
                self.counts[_KINDS[type(event)]][source] += 1

    def total(self, column: str) -> int:
        """Return the sum of one of `COLUMNS` over the sources."""
        return self.counts[column].total()

    def line(self) -> str:
        """Return the counts above zero as one line: `120 found, 40 delivered`."""
        return ", ".join(f"{self.total(name):,} {name}" for name in COLUMNS if self.total(name)) or "nothing new so far"
