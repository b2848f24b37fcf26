"""What the demonstration tells: what is worth a line, one order's way, and what the vendors' own records say."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import AsyncIterator, Sequence

import click

from connector.cli.output import table
from connector.clock import Clock
from connector.events import (
    Event,
    OrderAcknowledged,
    OrderDelivered,
    OrderEvent,
    OrderFound,
    OrderHeld,
    OrderInDoubt,
    OrderRejected,
    OrderSkipped,
    PollFinished,
    ProgressReported,
)
from connector.order import external_id
from connector.sandbox.records import Feed
from connector.sandbox.stage import Stage

__all__ = ["Story", "tell_records"]

COLUMNS = ("orders of", "to deliver", "there once", "superfluous", "marked once", "marked wrongly", "where")
MARKS = (1, 100)
"""The numbers of orders at which progress is worth a line: these, and every thousandth."""


class Story:
    """Tells what happens as it happens, and remembers the way of the order whose answer was lost."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._start = clock.monotonic()
        self._counts: Counter[type[Event]] = Counter()
        self._causes: Counter[str] = Counter()
        self._ways: dict[int, list[OrderEvent]] = {}

    async def tell(self, events: AsyncIterator[Event]) -> None:
        """Tell until the events end."""
        async for event in events:
            self._counts[type(event)] += 1
            if isinstance(event, OrderEvent):
                self._ways.setdefault(event.key, []).append(event)
            for line in self._lines(event):
                click.echo(f"{self._clock.monotonic() - self._start:7.2f} s  {line}")

    def _lines(self, event: Event) -> list[str]:
        number = self._counts[type(event)]
        worth = number in MARKS or number % 1000 == 0
        name = f"{event.source}-{event.order_id}" if isinstance(event, OrderEvent) else ""
        match event:
            case OrderInDoubt(receiver=receiver):
                return [
                    f"{name}: THE ANSWER TO ITS CREATE WAS LOST; the {receiver} may have it or not",
                    f"{name}: it is not sent again, but looked up when that can be believed",
                ]
            case OrderDelivered(adopted=True, receipt=receipt):
                return [f"{name}: looked up, and found as {receipt}: it was there all the time"]
            case OrderDelivered(key=key, receiver=receiver, receipt=receipt):
                if (waited := self._waited(key)) and self._first(f"released: {waited}"):
                    return [f"{name} is released, and delivered as {receipt}"]
                return [f"delivery {number:,}: {name} is {receipt} in the {receiver}"] if worth else []
            case OrderAcknowledged():
                return [f"acknowledgement {number:,}: {name} is marked as exported where it came from"] if worth else []
            case OrderHeld(cause=cause):
                return [f"{name} is held, it waits for {_whom(cause)}: {cause}"] if self._first(cause) else []
            case OrderSkipped(cause=cause):
                return [f"{name} is skipped, it is none of ours: {cause}"] if self._first(cause) else []
            case OrderRejected(reason=reason):
                return [f"{name} is rejected: {reason}"]
            case ProgressReported(report=report):
                return [f"{name}: its carrier is told {report['status']} at {report['location']}"]
            case PollFinished(source=source, seen=seen, new=new):
                return [f"a pass over {source} ended: {seen:,} listed, {new:,} of them new"] if new else []
            case _:
                return []

    def _waited(self, key: int) -> str:
        """Return what an order was held for, if it was."""
        return next((event.cause for event in self._ways[key] if isinstance(event, OrderHeld)), "")

    def _first(self, cause: str) -> bool:
        """Count a cause; tell whether it is new."""
        self._causes[cause] += 1
        return self._causes[cause] == 1

    def example(self) -> None:
        """Print the way of the order whose answer was lost, or of the one that the most happened to."""
        lost = (way for way in self._ways.values() if any(isinstance(event, OrderInDoubt) for event in way))
        way = next(lost, None) or max(self._ways.values(), key=len, default=[])
        if not way:
            return
        click.echo(f"\nOne order's way, {external_id(way[0].source, way[0].order_id)}:")
        for event in way:
            click.echo(f"  {event.at:%H:%M:%S}.{event.at.microsecond // 1000:03}  {_step(event)}")


def _whom(cause: str) -> str:
    return "a row of a table" if cause.startswith("missing code") else "a person"


def _step(event: OrderEvent) -> str:
    match event:
        case OrderFound(receivers=receivers):
            return f"found, for {' and '.join(receivers)}"
        case OrderInDoubt(reason=reason):
            return f"in doubt: {reason}"
        case OrderDelivered(receipt=receipt, adopted=adopted):
            return f"{'looked up and found' if adopted else 'delivered'}: {receipt}"
        case OrderAcknowledged(outcome=outcome):
            return f"acknowledged: the source says {outcome}"
        case OrderHeld(cause=cause) | OrderSkipped(cause=cause):
            return cause
        case ProgressReported(report=report):
            return f"told: {report['status']} at {report['location']}"
        case _:
            return type(event).__name__


def tell_records(found: Sequence[Feed], stage: Stage) -> bool:
    """Print what the vendors' own records say; return whether it is what it should be."""
    click.echo("\nWhat the vendors' own records say:")
    rows = [
        (feed.source, len(feed.wanted), feed.once, feed.doubled, feed.marked, feed.strange, " and ".join(feed.there))
        for feed in found
    ]
    click.echo(textwrap.indent(table(COLUMNS, rows, right=range(1, 6)), "  "))
    without = sum(not order["addresses"] for order in stage.shop.orders.values())
    quotations = sum(order["type"] == "quotation" for order in stage.shop.orders.values())
    click.echo(f"  {without} without an address and {quotations} quotations are left in the shop, and nowhere else")
    for update in stage.transport.updates:
        click.echo(f"  the carrier was told that {update['orderId']} is {update['status']} at {update['location']}")
    return all(feed.good for feed in found)
