"""Bugs in the reading of an order: rows left out, values of one party put on another, digits lost."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from msgspec.structs import replace

from connector.sources.propeller import lines as propeller_rows
from connector.sources.propeller import order as propeller_order
from connector.sources.zendera import order as zendera_shipment
from connector.sources.zendera import parcels as zendera_parcel
from tests.simulation.bugs.planting import bug, put

__all__: list[str] = []


class _Everything(frozenset[str]):
    def __contains__(self, kind: object) -> bool:
        return kind != "product"


@bug
def unknown_rows_are_costs(stack: ExitStack) -> None:
    """A row of an unknown class is no goods: the order goes out without it."""
    put(stack, propeller_rows, "COSTS", _Everything())


@bug
def a_gift_costs_its_price(stack: ExitStack) -> None:
    """An incentive belongs to no row."""
    put(stack, propeller_rows, "_less", lambda price, *_: price)


@bug
def a_postal_code_loses_its_zeros(stack: ExitStack) -> None:
    """A postal code that came as a number is the text of that number."""
    put(stack, propeller_order, "postal_code", lambda value, *_, **__: "" if value is None else str(value))


@bug
def a_phone_of_another_party(stack: ExitStack) -> None:
    """Who receives an order has the phone of who pays for it."""
    contact_of = propeller_order._contact

    def contact(found: Any, delivery: Any, invoice: Any) -> Any:
        made = contact_of(found, delivery, invoice)
        return replace(made, phone=made.phone or (invoice.phone if invoice else ""))

    put(stack, propeller_order, "_contact", contact)


@bug
def only_the_first_row(stack: ExitStack) -> None:
    """Of a transport's rows of goods only the first becomes a line."""
    lines = zendera_parcel.lines
    put(stack, zendera_shipment, "lines", lambda shipments: lines(shipments)[:1])


@bug
def a_country_by_its_name_is_unknown(stack: ExitStack) -> None:
    """The name of a country is sent as its code."""
    put(stack, zendera_shipment, "read_country", str)
