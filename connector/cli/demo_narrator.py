"""Prints the story of the demo: notable events, the timeline of one order, and a table from the vendors' records."""

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
from connector.sandbox.vendors import Vendors

__all__ = ["DemoNarrator", "print_records"]

COLUMNS = ("source", "to deliver", "delivered once", "surplus", "marked once", "marked wrongly", "receivers")
MILESTONES = (1, 100)
"""The counts at which progress is printed; also at every thousandth."""


class DemoNarrator:
    """Prints notable events as they happen, and keeps the events of each order for a timeline."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._start = clock.monotonic()
        self._counts: Counter[type[Event]] = Counter()
        self._causes: Counter[str] = Counter()
        self._timelines: dict[int, list[OrderEvent]] = {}

    async def narrate(self, events: AsyncIterator[Event]) -> None:
        """Print until the events end."""
        async for event in events:
            self._counts[type(event)] += 1
            if isinstance(event, OrderEvent):
                self._timelines.setdefault(event.key, []).append(event)
            for line in self._lines(event):
                click.echo(f"{self._clock.monotonic() - self._start:7.2f} s  {line}")

    def _lines(self, event: Event) -> list[str]:
        number = self._counts[type(event)]
        milestone = number in MILESTONES or number % 1000 == 0
        name = f"{event.source}-{event.order_id}" if isinstance(event, OrderEvent) else ""
        match event:
            case OrderInDoubt(receiver=receiver):
                return [
                    f"{name}: THE ANSWER TO ITS CREATE WAS LOST; the {receiver} may or may not have the order",
                    f"{name}: it is not sent again, but looked up after the settle time",
                ]
            case OrderDelivered(adopted=True, receipt=receipt):
                return [f"{name}: looked up and found as {receipt}; the lost request had been applied"]
            case OrderDelivered(key=key, receiver=receiver, receipt=receipt):
                if (cause := self._held_for(key)) and self._is_first(f"released: {cause}"):
                    return [f"{name} is released, and delivered as {receipt}"]
                return [f"delivery {number:,}: {name} is {receipt} at the {receiver}"] if milestone else []
            case OrderAcknowledged():
                return [f"acknowledgement {number:,}: {name} is marked as exported at its source"] if milestone else []
            case OrderHeld(cause=cause):
                return [f"{name} is held until {_remedy(cause)}: {cause}"] if self._is_first(cause) else []
            case OrderSkipped(cause=cause):
                return [f"{name} is skipped: {cause}"] if self._is_first(cause) else []
            case OrderRejected(reason=reason):
                return [f"{name} is rejected: {reason}"]
            case ProgressReported(report=report):
                return [f"{name}: reported to its carrier: {report['status']} at {report['location']}"]
            case PollFinished(source=source, seen=seen, new=new):
                return [f"poll of {source} finished: {seen:,} orders listed, {new:,} of them new"] if new else []
            case _:
                return []

    def _held_for(self, key: int) -> str:
        """Return the cause for which an order was held; empty if it was not."""
        return next((event.cause for event in self._timelines[key] if isinstance(event, OrderHeld)), "")

    def _is_first(self, cause: str) -> bool:
        """Count a cause; return whether it has not been seen before."""
        self._causes[cause] += 1
        return self._causes[cause] == 1

    def print_example(self) -> None:
        """Print the timeline of an order whose response was lost, or else of the order with the most events."""
        timelines = self._timelines.values()
        in_doubt = (each for each in timelines if any(isinstance(event, OrderInDoubt) for event in each))
        timeline = next(in_doubt, None) or max(timelines, key=len, default=[])
        if not timeline:
            return
        click.echo(f"\nThe timeline of one order, {external_id(timeline[0].source, timeline[0].order_id)}:")
        for event in timeline:
            click.echo(f"  {event.at:%H:%M:%S}.{event.at.microsecond // 1000:03}  {_step(event)}")


def _remedy(cause: str) -> str:
    return "a code is added" if cause.startswith("missing code") else "an operator acts"


def _step(event: OrderEvent) -> str:
    match event:
        case OrderFound(receivers=receivers):
            return f"found, for {' and '.join(receivers)}"
        case OrderInDoubt(reason=reason):
            return f"in doubt: {reason}"
        case OrderDelivered(receipt=receipt, adopted=adopted):
            return f"{'looked up and found' if adopted else 'delivered'}: {receipt}"
        case OrderAcknowledged(outcome=outcome):
            return f"acknowledged as {outcome}"
        case OrderHeld(cause=cause) | OrderSkipped(cause=cause):
            return cause
        case ProgressReported(report=report):
            return f"reported to its source: {report['status']} at {report['location']}"
        case _:
            return type(event).__name__


def print_records(found: Sequence[Feed], vendors: Vendors) -> bool:
    """Print a table from the vendors' own records; return whether they are as expected."""
    click.echo("\nThe vendors' own records:")
    rows = [
        (
            feed.source,
            len(feed.wanted),
            feed.once,
            feed.surplus,
            feed.marked,
            feed.wrongly_marked,
            " and ".join(feed.there),
        )
        for feed in found
    ]
    click.echo(textwrap.indent(table(COLUMNS, rows, right=range(1, 6)), "  "))
    without = sum(not order["addresses"] for order in vendors.shop.orders.values())
    quotations = sum(order["type"] == "quotation" for order in vendors.shop.orders.values())
    click.echo(f"  not delivered: {without} order without an address and {quotations} quotations in the shop")
    for update in vendors.transport.updates:
        click.echo(f"  reported to the carrier: {update['orderId']} is {update['status']} at {update['location']}")
    return all(feed.good for feed in found)
