"""Bugs in the mapping of an order for receivers: something is left out, merged, rounded or rewritten on the way."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from connector.clients.ewarehousing.requests import CreateOrder, OrderLine
from connector.mapping import text as clean
from connector.mapping.money import minor_units
from connector.mapping.plain import plain_order
from connector.order import Line, Order
from connector.receivers.ewarehousing import mapping as ewarehousing
from connector.receivers.ewarehousing.metadata import line_metadata
from connector.receivers.webhook import receiver as webhook
from tests.simulation.bugs.planting import bug, put


@bug
def drops_notes_of_lines(stack: ExitStack) -> None:
    """The customer's wish for a line does not reach the warehouse."""

    def wrong(line: Line, **how: Any) -> dict[str, str]:
        return line_metadata(replace(line, notes=""), **how)

    put(stack, ewarehousing, "line_metadata", wrong)


@bug
def drops_cash_on_delivery(stack: ExitStack) -> None:
    """The driver does not receive the amount to collect at the door."""
    right = ewarehousing.create_order

    def wrong(order: Order, **how: Any) -> CreateOrder:
        return right(replace(order, cash_on_delivery=None), **how)

    put(stack, ewarehousing, "create_order", wrong)


@bug
def merges_rows(stack: ExitStack) -> None:
    """Two rows of one article become one with the sum of their quantities."""
    right = ewarehousing._lines

    def wrong(lines: Sequence[Line], *how: Any) -> tuple[OrderLine, ...]:
        merged: dict[str, Line] = {}
        for line in lines:
            before = merged.get(line.sku)
            merged[line.sku] = replace(line, quantity=line.quantity + before.quantity) if before else line
        return right(list(merged.values()), *how)

    put(stack, ewarehousing, "_lines", wrong)


@bug
def rounds_prices(stack: ExitStack) -> None:
    """A unit price below a cent goes out as none."""
    put(stack, ewarehousing, "exact_minor_units", minor_units)


@bug
def parts_words_at_unseen_signs(stack: ExitStack) -> None:
    """A sign without a width becomes a blank in the middle of a word."""
    put(stack, clean, "UNFIT", {**clean.UNFIT, 0x200B: " "})


@bug
def webhook_without_further_contacts(stack: ExitStack) -> None:
    """The plain form leaves out a field that the order has."""

    def wrong(order: Order) -> Any:
        return replace(plain_order(order), contacts=(), references=())

    put(stack, webhook, "plain_order", wrong)


@bug
def loses_a_row(stack: ExitStack) -> None:
    """A row whose price is none, as rounded, is taken for no row."""
    right = ewarehousing._lines

    def wrong(lines: Sequence[Line], *how: Any) -> tuple[OrderLine, ...]:
        kept = [line for line in lines if line.unit_price is None or round(line.unit_price, 2) != Decimal(0)]
        return right(kept, *how)

    put(stack, ewarehousing, "_lines", wrong)
