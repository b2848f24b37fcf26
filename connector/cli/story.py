"""What the demonstration tells: what is worth a line, one order's way, and what the vendors' own records say."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator

import click

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
    PassFinished,
)
from connector.order import external_id
from connector.sandbox.ewarehousing import EwarehousingStandIn
from connector.sandbox.propeller import PropellerStandIn

__all__ = ["Story", "compared"]

MARKS = (1, 10, 100)
"""The numbers of orders at which progress is worth a line: these, and every thousandth."""


class Story:
    """Tells what happens as it happens, and remembers the way of the order that had the most of it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._start = clock.monotonic()
        self._counts: Counter[type[Event]] = Counter()
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
        match event:
            case OrderFound(order_id=order):
                return [f"order {order} found: the first one"] if number == 1 else []
            case OrderInDoubt(order_id=order):
                return [
                    f"order {order}: THE ANSWER TO ITS CREATE WAS LOST; the warehouse may have it or not",
                    f"order {order}: it is not sent again, but looked up when that can be believed",
                ]
            case OrderDelivered(order_id=order, adopted=True, receipt=receipt):
                return [f"order {order}: looked up, and found in the warehouse as {receipt}: it was there all the time"]
            case OrderDelivered(order_id=order, receipt=receipt):
                return [f"{number:,} delivered ({order} is {receipt} in the warehouse)"] if worth else []
            case OrderAcknowledged(order_id=order):
                return [f"{number:,} marked as exported in the shop ({order})"] if worth else []
            case OrderHeld(order_id=order, cause=cause):
                return [f"order {order} is held, it waits for a person: {cause}"]
            case OrderSkipped(order_id=order, cause=cause):
                return [f"order {order} is skipped, it is none of ours: {cause}"]
            case OrderRejected(order_id=order, reason=reason):
                return [f"order {order} is rejected: {reason}"]
            case PassFinished(seen=seen, new=new):
                return [f"a pass over the shop ended: {seen:,} listed, {new:,} of them new"]
            case _:
                return []

    def example(self) -> None:
        """Print the way of the order that the most happened to."""
        way = max(self._ways.values(), key=len, default=[])
        if not way:
            return
        click.echo(f"\nOne order's way, {external_id(way[0].source, way[0].order_id)}:")
        for event in way:
            click.echo(f"  {event.at:%H:%M:%S}.{event.at.microsecond // 1000:03}  {_step(event)}")


def _step(event: OrderEvent) -> str:
    match event:
        case OrderFound(receivers=receivers):
            return f"found, for {' and '.join(receivers)}"
        case OrderInDoubt(reason=reason):
            return f"in doubt: {reason}"
        case OrderDelivered(receipt=receipt, adopted=adopted):
            return f"{'looked up and found' if adopted else 'delivered'}: {receipt}"
        case OrderAcknowledged(outcome=outcome):
            return f"acknowledged: the shop says {outcome}"
        case OrderHeld(cause=cause) | OrderSkipped(cause=cause):
            return cause
        case _:
            return type(event).__name__


def compared(shop: PropellerStandIn, warehouse: EwarehousingStandIn) -> bool:
    """Print what the vendors' own records say; return whether it is what it should be."""
    wanted = {
        order_id: external_id("shop", str(order_id))
        for order_id, order in shop.orders.items()
        if order["addresses"] and order["type"] != "quotation"
    }
    there = Counter(order["external_id"] for order in warehouse.orders.values())
    marked = Counter(order_id for order_id, _ in shop.marked)
    once = sum(there[external] == 1 for external in wanted.values())
    told = sum(marked[order_id] == 1 for order_id in wanted)
    doubled = sum(count > 1 for count in there.values())
    strange = len(set(there) - set(wanted.values())) + len(set(marked) - set(wanted))
    without = sum(not order["addresses"] for order in shop.orders.values())
    quotations = sum(order["type"] == "quotation" for order in shop.orders.values())
    click.echo("What the two vendors' own records say:")
    click.echo(f"  {once:,} of {len(wanted):,} orders are in the warehouse once, {doubled} are there twice")
    click.echo(f"  {told:,} of {len(wanted):,} are marked as exported in the shop, {strange} that should not be")
    click.echo(f"  {without} without an address and {quotations} quotations are left in the shop, and nowhere else")
    return once == told == len(wanted) and not doubled and not strange
